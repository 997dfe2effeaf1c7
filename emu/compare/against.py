"""An integer program beside another implementation of it, tensor by tensor, bit by bit.

The other side is an engine that runs the file the program was made from, or a dump of
what a device computed. Integers and reals are compared for equality; nothing is close.
Integers decide whether the sides agree: reals on the way out of them may differ in
their last bits, where two libraries compute one exponential. Where no integers are
compared, reals decide.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Shaped

from emu.compare.layers import characteristic
from emu.errors import DataError, GraphError
from emu.execute import Program
from emu.graph import Golden, Graph, Node, consumers, is_static, producers
from emu.ops import Dequantize, Quantize

Array = Shaped[np.ndarray, "..."]
Batch = Mapping[str, np.ndarray]
Progress = Callable[[int], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One tensor: how many of its elements differ and by how much at most.

    `max_lsb` counts steps of the integers; for reals, steps of their scale (None
    where no scale is known, infinity where one side is not finite). Reals differ if
    any bit does, so `max_lsb` may be 0 where -0.0 meets 0.0. `max_relative`, of reals
    alone, is the largest difference as a part of the tensor's largest magnitude.
    """

    name: str
    op: str
    dtype: str
    elements: int
    differing: int
    max_lsb: float | int | None
    max_relative: float | None = None

    @property
    def is_real(self) -> bool:
        """Whether the tensor holds floats."""
        return np.dtype(self.dtype).kind == "f"

    def to_json(self) -> dict[str, Any]:
        """The stable names of a row."""
        return {
            "name": self.name,
            "op": self.op,
            "dtype": self.dtype,
            "elements": self.elements,
            "differing": self.differing,
            "max_lsb": self.max_lsb,
            "max_relative": self.max_relative,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class AgainstReport:
    """The rows in execution order, and what could not be compared.

    Fields:
        samples: that were run; the runs of a static graph.
        other: what the program was held against.
        missing: tensors of the source file that the other side does not give.
        extra: names of the other side that no tensor here has.
    """

    rows: tuple[Difference, ...]
    samples: int
    other: Mapping[str, str]
    missing: tuple[str, ...] = ()
    extra: tuple[str, ...] = ()

    @property
    def first_divergence(self) -> Difference | None:
        """The first row that differs, among those that decide."""
        return next((row for row in self.deciding if row.differing), None)

    @property
    def deciding(self) -> tuple[Difference, ...]:
        """The integer tensors; where there are none, all."""
        return tuple(row for row in self.rows if not row.is_real) or self.rows


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a tensor of ours is on the other side: its name, and how it lies there.

    Transposing theirs by `perm` gives ours; None if both lie the same way.
    """

    name: str
    perm: tuple[int, ...] | None = None

    @classmethod
    def of(cls, golden: Golden) -> "Place":
        """Where a tensor of the source file is; without an order of axes, as ours."""
        return cls(name=golden.name, perm=golden.perm or None)

    def shape(self, ours: tuple[int, ...]) -> tuple[int, ...]:
        """The shape there of an array that has the shape `ours` here."""
        if self.perm is None:
            return ours
        return tuple(ours[self.perm.index(axis)] for axis in range(len(ours)))

    def to_ours(self, theirs: Array) -> Array:
        """Their array in our layout."""
        return theirs if self.perm is None else theirs.transpose(self.perm)

    def to_theirs(self, ours: Array) -> Array:
        """Our array in their layout."""
        return ours if self.perm is None else ours.transpose(np.argsort(self.perm))


@dataclass(frozen=True, slots=True, kw_only=True)
class Other:
    """The other side as the comparison sees it.

    `tensors` are asked of it and `inputs` fed to it, both keyed by our names. `run`
    takes the fed arrays and gives theirs, both by its names; its slice tells which
    samples they are.
    """

    tensors: Mapping[str, Place]
    inputs: Mapping[str, Place]
    run: Callable[[Batch, slice], Mapping[str, np.ndarray]]
    about: Mapping[str, str]


def compare_tensors(
    graph: Graph,
    other: Other,
    batches: Iterable[Batch],
    batch_size: int,
    progress: Progress | None = None,
) -> AgainstReport:
    """Run both sides and count what differs; `batches` hold every graph input.

    Memory does not grow with the number of samples.

    Raises GraphError if there is nothing to compare, DataError for no samples or an
    array of another shape or dtype.
    """
    order = [name for name in _in_order(graph) if name in other.tensors]
    if not order:
        raise GraphError("no tensor that both sides compute", where=graph.name)
    program = Program(graph, batch_size, (*order, *other.inputs))
    tallies = {name: _Tally() for name in order}
    static, done = is_static(graph), 0
    for batch in batches:
        ours = program(dict(batch))
        fed = {p.name: p.to_theirs(ours[name]) for name, p in other.inputs.items()}
        count = 1 if static else len(next(iter(batch.values())))
        theirs = other.run(fed, slice(done, done + count))
        for name in order:
            place = other.tensors[name]
            found = _as_ours(theirs[place.name], place, ours[name])
            tallies[name].add(ours[name], found)
        done += count
        if progress:
            progress(count)
    if not done:
        raise DataError("no samples to compare", where=graph.name)
    rows = tuple(_row(graph, n, other.tensors[n], tallies[n]) for n in order)
    return AgainstReport(rows=rows, samples=done, other=other.about)


def _in_order(graph: Graph) -> list[str]:
    return [*graph.inputs, *(node.output for node in graph.nodes)]


def _as_ours(theirs: Array, place: Place, ours: Array) -> Array:
    """Their array in our layout, once it is one of ours by dtype and size.

    An axis of size 1 that only one side has (a batch of one) is no difference.
    """
    expected = place.shape(ours.shape)
    if theirs.dtype.newbyteorder("=") != ours.dtype or theirs.size != ours.size:
        raise DataError(
            f"found {theirs.dtype} {list(theirs.shape)}, expected {ours.dtype} "
            f"{list(expected)}",
            where=f"tensor {place.name!r}",
        )
    return place.to_ours(theirs.astype(ours.dtype, copy=False).reshape(expected))


@dataclass(slots=True, kw_only=True)
class _Tally:
    """Running totals of one tensor."""

    elements: int = 0
    differing: int = 0
    largest: float | int = 0
    magnitude: float = 0.0

    def add(self, ours: Array, theirs: Array) -> None:
        self.elements += ours.size
        if ours.dtype.kind == "f":
            self.magnitude = max(self.magnitude, _magnitude(ours), _magnitude(theirs))
        off = _bits(ours) != _bits(theirs)
        if off.any():
            self.differing += int(np.count_nonzero(off))
            self.largest = max(self.largest, _largest_gap(ours[off], theirs[off]))


def _bits(x: Array) -> Array:
    """Reals as the integers that hold their bits, so that equal NaNs are equal."""
    return x.view(f"u{x.itemsize}") if x.dtype.kind == "f" else x


def _largest_gap(a: Array, b: Array) -> float | int:
    """Largest |a - b|, exact for integers; infinity if a real is not finite."""
    if a.dtype.kind == "f":
        with np.errstate(invalid="ignore"):
            gap = np.abs(a.astype(np.float64) - b.astype(np.float64))
        return float(gap.max()) if np.isfinite(gap).all() else float("inf")
    # The difference of two 64-bit numbers may need 65.
    wide = object if a.itemsize >= 8 else np.int64
    return int(np.abs(a.astype(wide) - b.astype(wide)).max())


def _magnitude(x: Array) -> float:
    """The largest finite magnitude."""
    return float(np.abs(x[np.isfinite(x)]).max(initial=0.0))


def _row(graph: Graph, name: str, place: Place, tally: _Tally) -> Difference:
    dtype = graph.tensors[name].dtype
    largest: float | int | None = tally.largest
    relative = None
    if np.dtype(dtype).kind == "f":
        relative = tally.largest / (tally.magnitude or 1.0)
        scale = _scale(graph, name)
        if tally.differing:
            largest = None if scale is None else tally.largest / scale
    return Difference(
        name=place.name,
        op=_operator(graph, name),
        dtype=dtype,
        elements=tally.elements,
        differing=tally.differing,
        max_lsb=largest,
        max_relative=relative,
    )


def _operator(graph: Graph, name: str) -> str:
    """What the layer that makes a tensor is about."""
    maker = producers(graph).get(name)
    if maker is None:
        return "Input"
    members: list[Node] = [n for n in graph.nodes if n.layer and n.layer == maker.layer]
    return characteristic(members or [maker])


def _scale(graph: Graph, name: str) -> float | None:
    """The step of a real tensor that integers became, or become."""
    maker = producers(graph).get(name)
    near = [*([maker] if maker else []), *consumers(graph).get(name, [])]
    for node in near:
        if isinstance(node.op, Quantize | Dequantize) and node.op.qparams.axis is None:
            return node.op.qparams.scale[0]
    return None
