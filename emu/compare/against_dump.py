"""A program against a hardware dump: the tensors that a device left, by name."""

from collections.abc import Container, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from jaxtyping import Shaped

from emu.arrays import read_npy, read_npz
from emu.compare.against import (
    AgainstReport,
    Batch,
    Other,
    Place,
    Progress,
    compare_tensors,
)
from emu.errors import DataError, MissingError
from emu.graph import Graph, Tensor, is_static

Array = Shaped[np.ndarray, "..."]


@dataclass(frozen=True, slots=True, kw_only=True)
class Dump:
    """Tensors by name, read when they are asked for.

    In an .npz file the names are those of its arrays. In a folder they are the paths
    of its .npy files without the suffix, folders included: `block/conv.npy` holds
    the tensor `block/conv`.
    """

    path: Path
    names: frozenset[str]

    def read(self, wanted: Container[str]) -> dict[str, Array]:
        """The wanted tensors that there are; DataError for a damaged file."""
        if self.path.is_dir():
            chosen = sorted(name for name in self.names if name in wanted)
            return {name: read_npy(self.path / f"{name}.npy") for name in chosen}
        found = read_npz(self.path, wanted)
        return {name: array for name, array in found.items() if array is not None}


def open_dump(path: Path) -> Dump:
    """What a folder of .npy files or an .npz file holds; no array is read.

    Raises:
        MissingError: there is no such file or folder.
        DataError: it is neither, damaged, or holds nothing.
    """
    if path.is_dir():
        files = path.rglob("*.npy")
        names = [file.relative_to(path).with_suffix("").as_posix() for file in files]
    elif not path.exists():
        raise MissingError("there is no such file or folder", file=path)
    elif path.suffix.lower() == ".npz":
        names = list(read_npz(path, wanted=()))
    else:
        raise DataError("expected an .npz file or a folder of .npy files", file=path)
    if not names:
        raise DataError("holds no arrays", file=path)
    return Dump(path=path, names=frozenset(names))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class MatchedDump:
    """The arrays of a dump as tensors of a program, samples first.

    Fields:
        tensors: our name -> where it lies in the dump, and the array.
        samples: as many in every array; 1 for a static graph.
        missing: tensors of the source file that the dump has not.
        extra: names in the dump that no tensor here has.
    """

    dump: Dump
    graph: Graph
    tensors: Mapping[str, tuple[Place, Array]]
    samples: int
    missing: tuple[str, ...]
    extra: tuple[str, ...]

    def inputs(self, batch_size: int) -> Iterator[Batch] | None:
        """Batches of the graph's inputs, if the dump holds all of them."""
        if any(name not in self.tensors for name in self.graph.inputs):
            return None
        whole = {}
        for name in self.graph.inputs:
            place, array = self.tensors[name]
            whole[name] = np.ascontiguousarray(place.to_ours(array))
        if is_static(self.graph):
            return iter([whole])
        starts = range(0, self.samples, batch_size)
        return (
            {name: x[start : start + batch_size] for name, x in whole.items()}
            for start in starts
        )


def match_dump(graph: Graph, dump: Dump) -> MatchedDump:
    """Find the tensor of each array, by its name in the source file or else by ours.

    An array named like a tensor of the source file lies as in that file, one named
    like a tensor of the program as there.

    Raises:
        DataError: an array of another shape or dtype than its tensor, another
            number of samples than the first, or no array with a known name.
    """
    candidates = _candidates(graph)
    arrays = dump.read(candidates.keys())
    tensors: dict[str, tuple[Place, Array]] = {}
    counts: dict[str, int] = {}
    for name, array in arrays.items():
        ours, place = _match(graph, candidates[name], array, name, dump.path)
        tensors[ours] = (place, array.astype(array.dtype.newbyteorder("="), copy=False))
        counts[name] = 1 if is_static(graph) else len(array)
    if not tensors:
        raise DataError(
            f"no array has the name of a tensor; it holds {_listed(dump.names)}",
            file=dump.path,
        )
    first = next(iter(counts))
    for name, count in counts.items():
        if count != counts[first]:
            raise DataError(
                f"found {count} samples, but {counts[first]} in {first!r}",
                file=dump.path,
                where=name,
            )
    files = {t.golden.name: None for t in graph.tensors.values() if t.golden}
    known = {place.name for place, _ in tensors.values()}
    return MatchedDump(
        dump=dump,
        graph=graph,
        tensors=tensors,
        samples=counts[first],
        missing=tuple(name for name in files if name not in known),
        extra=tuple(sorted(dump.names - arrays.keys())),
    )


def compare_with_dump(
    matched: MatchedDump,
    batches: Iterable[Batch],
    batch_size: int,
    progress: Progress | None = None,
) -> AgainstReport:
    """Every tensor of the dump, for as many samples as it holds.

    `batches` hold an array for each graph input, in the order of the dump.

    Raises DataError if there are fewer samples than in the dump.
    """
    graph = matched.graph
    other = Other(
        tensors={
            name: place
            for name, (place, _) in matched.tensors.items()
            if name not in graph.inputs
        },
        inputs={},
        run=lambda _, rows: _rows(matched, rows),
        about={"engine": "dump", "file": str(matched.dump.path)},
    )
    cut = _first(batches, matched)
    report = compare_tensors(graph, other, cut, batch_size, progress)
    if report.samples < matched.samples:
        raise DataError(
            f"holds {matched.samples} samples, but the data only {report.samples}",
            file=matched.dump.path,
        )
    return replace(report, missing=matched.missing, extra=matched.extra)


def _rows(matched: MatchedDump, rows: slice) -> dict[str, Array]:
    whole = is_static(matched.graph)
    return {
        place.name: array if whole else array[rows]
        for place, array in matched.tensors.values()
    }


def _first(batches: Iterable[Batch], matched: MatchedDump) -> Iterator[Batch]:
    """As many samples as the dump holds."""
    left = matched.samples
    for batch in batches:
        if is_static(matched.graph):
            yield batch
            return
        cut = {name: x[:left] for name, x in batch.items()}
        yield cut
        left -= len(next(iter(cut.values())))
        if left <= 0:
            return


def _candidates(graph: Graph) -> dict[str, list[tuple[str, Place]]]:
    """Name in a dump -> the tensors that it may mean, the likeliest first."""
    found: dict[str, list[tuple[str, Place]]] = {}
    for name, tensor in graph.tensors.items():
        if tensor.golden:
            place = Place.of(tensor.golden)
            found.setdefault(tensor.golden.name, []).append((name, place))
    for name in graph.tensors:
        found.setdefault(name, []).append((name, Place(name=name)))
    return found


def _match(
    graph: Graph,
    candidates: list[tuple[str, Place]],
    array: Array,
    name: str,
    file: Path,
) -> tuple[str, Place]:
    """The first candidate whose dtype and shape the array has."""
    dtype = array.dtype.newbyteorder("=")
    for ours, place in candidates:
        tensor = graph.tensors[ours]
        if dtype == np.dtype(tensor.dtype) and _fits(array, place, tensor):
            return ours, place
    expected = " or ".join(
        dict.fromkeys(
            f"{graph.tensors[ours].dtype} {_text(_there(place, graph.tensors[ours]))}"
            for ours, place in candidates
        )
    )
    raise DataError(
        f"found {dtype} {list(array.shape)}, expected {expected}", file=file, where=name
    )


def _there(place: Place, tensor: Tensor) -> list[int | None]:
    perm = place.perm or range(len(tensor.shape))
    return [tensor.shape[list(perm).index(axis)] for axis in range(len(tensor.shape))]


def _fits(array: Array, place: Place, tensor: Tensor) -> bool:
    sizes = _there(place, tensor)
    return array.ndim == len(sizes) and all(
        size in (None, found) for size, found in zip(sizes, array.shape, strict=True)
    )


def _text(sizes: list[int | None]) -> str:
    return f"[{', '.join('n' if size is None else str(size) for size in sizes)}]"


def _listed(names: Iterable[str]) -> str:
    first, more = sorted(names)[:3], len(list(names)) - 3
    return ", ".join(first) + (f" and {more} more" if more > 0 else "")
