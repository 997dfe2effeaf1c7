"""Scope: the Graph under construction, and the layouts its activations are held in.

An activation of the file may be held in several forms, each a transposition of the
file's array: a convolution asks for NHWC, a Reshape for the file's own order. A form
is made from one that exists when it is first asked for, so that transpositions that
would undo each other never arise.
"""

import math
from collections.abc import Iterable

import numpy as np

from emu.errors import ModelError, UnsupportedError
from emu.frontends.onnx_file import FileShape
from emu.frontends.onnx_node import OnnxNode
from emu.graph import Golden, GraphBuilder, Shape, Tensor
from emu.ops import Op, Reshape, Transpose

Perm = tuple[int, ...]

NHWC: Perm = (0, 2, 3, 1)
HWIO: Perm = (2, 3, 1, 0)


def file_order(rank: int) -> Perm:
    """The form that is the file's own array."""
    return tuple(range(rank))


def inner_order(rank: int) -> Perm:
    """The form in which activations of this rank are computed: NHWC for rank 4."""
    return NHWC if rank == 4 else file_order(rank)


def moves_nothing(shape: Shape, perm: Perm) -> bool:
    """Whether transposing leaves the elements in their order in memory."""
    kept = [axis for axis in perm if shape[axis] != 1]
    return kept == sorted(kept)


class Scope:
    """What the importers of operators read and write."""

    def __init__(
        self,
        builder: GraphBuilder,
        constants: dict[str, np.ndarray],
        names: Iterable[str],
        outputs: Iterable[str],
    ) -> None:
        """Start with the file's constants; `names` are all names the file uses."""
        self.builder = builder
        self.constants = constants  # arrays by name, in the file's layout
        self.batch: int | None = None  # the batch size the file fixes, if it does
        self._forms: dict[str, dict[Perm, str]] = {}
        self._names = set(names)
        self._edges = set(outputs)
        self._added: dict[str, str] = {}

    def input(self, name: str, sizes: tuple[int, ...]) -> None:
        """Declare a graph input, in the file's layout with a free batch."""
        perm = file_order(1 + len(sizes))
        golden = Golden(name=name, perm=perm)
        self.builder.input(name, Tensor(shape=(None, *sizes), golden=golden))
        self._forms[name] = {perm: name}
        self._edges.add(name)

    def known(self, name: str) -> bool:
        """Whether this is an activation made so far."""
        return name in self._forms

    def shape(self, name: str) -> Shape:
        """Shape of an activation in the file's layout, the batch axis None."""
        if name not in self._forms:
            raise UnsupportedError(f"operand {name!r} is not computed from the input")
        perm, held = next(iter(self._forms[name].items()))
        sizes = self.builder.tensors[held].shape
        return tuple(sizes[perm.index(axis)] for axis in range(len(sizes)))

    def view(self, name: str, perm: Perm) -> str:
        """Our tensor that is the file's activation transposed by `perm`."""
        forms = self._forms[name]
        if perm not in forms:
            known, source = next(iter(forms.items()))
            step = tuple(known.index(axis) for axis in perm)
            shape = self.builder.tensors[source].shape
            op = Transpose(perm=step)
            if moves_nothing(shape, step):
                op = Reshape(shape=tuple(shape[i] or 0 for i in step[1:]))
            title = self._title(name, perm)
            forms[perm] = self.builder.add(
                op, (source,), title, layer=title, golden=Golden(name=name, perm=perm)
            )
        return forms[perm]

    def inner(self, name: str) -> str:
        """The activation as it is computed with: NHWC for rank 4."""
        return self.view(name, inner_order(len(self.shape(name))))

    def in_file_order(self, name: str) -> str:
        """A form of any shape whose elements lie as in the file's array."""
        shape = self.shape(name)
        for perm, held in self._forms[name].items():
            if moves_nothing(shape, perm):
                return held
        return self.view(name, file_order(len(shape)))

    def emit(
        self, node: OnnxNode, op: Op, inputs: tuple[str, ...], perm: Perm | None = None
    ) -> None:
        """Append the operator that makes the node's result in the form `perm`.

        The default is the inner form for the rank of the first operand.
        """
        name = node.outputs[0]
        if perm is None:
            perm = inner_order(len(self.builder.tensors[inputs[0]].shape))
        held = self.builder.add(
            op,
            inputs,
            self._title(name, perm),
            layer=node.name,
            name=node.name,
            golden=Golden(name=name, perm=perm),
        )
        self._forms[name] = {perm: held}

    def step(self, node: OnnxNode, op: Op, inputs: tuple[str, ...], suffix: str) -> str:
        """Append an operator on the way to the node's result; no golden is equal."""
        title = self._derived(f"{node.outputs[0]}:{suffix}")
        return self.builder.add(op, inputs, title, layer=node.name)

    def alias(self, node: OnnxNode, perm: Perm | None = None) -> None:
        """Let the node's result be its first operand, transposed by `perm` if given."""
        forms = self._forms[node.inputs[0]]
        if perm is not None:
            forms = {
                tuple(perm.index(axis) for axis in known): held
                for known, held in forms.items()
            }
        self._forms[node.outputs[0]] = forms

    def value(self, name: str, what: str) -> np.ndarray:
        """A constant operand; UnsupportedError, saying `what` it is, if computed."""
        if name not in self.constants:
            raise UnsupportedError(f"the {what} is computed, expected a constant")
        return self.constants[name]

    def constant(self, title: str, array: np.ndarray) -> str:
        """Add a float32 constant to the Graph once; equal titles mean equal arrays."""
        if title not in self._added:
            if array.dtype != np.float32:
                raise UnsupportedError(f"a {array.dtype} constant, expected float32")
            if not np.isfinite(array).all():
                raise UnsupportedError(f"constant {title!r} is not finite everywhere")
            free = title if title in self.constants else self._derived(title)
            frozen = np.array(array, np.float32, order="C", copy=True)
            frozen.flags.writeable = False
            self._added[title] = self.builder.constant(free, frozen)
        return self._added[title]

    def weights(self, name: str, perm: Perm, letters: str) -> str:
        """Add a constant of the file, transposed; `letters` marks the new layout."""
        array = self.value(name, "weight")
        if array.ndim != len(perm):
            raise UnsupportedError(
                f"weights of rank {array.ndim}, expected {len(perm)}"
            )
        return self.constant(f"{name}:{letters}", np.transpose(array, perm))

    def vector(self, name: str, size: int, what: str) -> str:
        """Add a constant of the file that has one value per channel."""
        array = self.value(name, what)
        if array.shape != (size,):
            raise UnsupportedError(f"{what} of shape {array.shape}, expected ({size},)")
        return self.constant(name, array)

    def output(self, name: str) -> None:
        """Make sure that a tensor of this very name is the file's output."""
        if name not in self._forms:
            raise UnsupportedError("an output that does not depend on the input")
        shape = self.shape(name)
        held = self.view(name, file_order(len(shape)))
        if held != name:
            perm = file_order(len(shape))
            op = Reshape(shape=tuple(size or 0 for size in shape[1:]))
            golden = Golden(name=name, perm=perm)
            self.builder.add(op, (held,), name, layer=name, golden=golden)

    def check_shapes(self, shapes: dict[str, FileShape]) -> None:
        """Hold every activation's shape against the one that onnx inferred."""
        for name in self._forms:
            ours, theirs = self.shape(name), shapes.get(name)
            if theirs is None:
                continue
            agree = len(ours) == len(theirs) and all(
                b is None or a == b for a, b in zip(ours[1:], theirs[1:], strict=True)
            )
            if not agree:
                raise ModelError(
                    f"computed with shape {ours}, but the file means {theirs}",
                    where=f"tensor {name!r}",
                )

    def _title(self, name: str, perm: Perm) -> str:
        """The file's name for the form it is mostly used in, a derived one for others.

        Inputs and outputs keep their names in the file's layout.
        """
        rank = len(perm)
        plain = file_order(rank) if name in self._edges else inner_order(rank)
        if perm == plain:
            return name
        letters = "nchw" if rank == 4 else "".join(map(str, range(rank)))
        return self._derived(f"{name}:{''.join(letters[axis] for axis in perm)}")

    def _derived(self, name: str) -> str:
        """A name of ours that is none of the file's."""
        while name in self._names:
            name += "'"
        return name


def sample_size(shape: Shape) -> int:
    """Elements of one sample: the product of all sizes but the batch."""
    return math.prod(size for size in shape[1:] if size is not None)
