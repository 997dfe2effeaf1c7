"""Scope: the Graph of a TFLite file under construction.

An activation that the file has as integers is one integer tensor of the Graph, named
as in the file; layers compute with reals. So it is made by a Quantize node from
`name:real` and read through a Dequantize node, `name:dequantized`. Constants that are
integers in the file are read the same way by layers with integer results; elsewhere
their real values are constants.
"""

import math
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

import numpy as np

from emu.errors import GraphError, ModelError, UnsupportedError
from emu.fixedpoint import INT8, INT16, UINT8, IntFormat, QParams, Rounding
from emu.frontends.tflite_file import TfliteFile, TfliteNode, TfliteTensor
from emu.graph import Golden, GraphBuilder, Shape, Tensor
from emu.ops import Clip, Dequantize, Op, Quantize, Relu, Tanh

# Element type of an activation -> its format; None for reals.
ACTIVATIONS: Final[Mapping[str, IntFormat | None]] = MappingProxyType(
    {"FLOAT32": None, "INT8": INT8, "UINT8": UINT8, "INT16": INT16}
)

# Activation functions that an operator may end with, by number in the schema.
FUSED: Final[Mapping[int, Op]] = MappingProxyType(
    {
        1: Relu(),
        2: Clip(low=-1.0, high=1.0),
        3: Clip(low=0.0, high=6.0),
        4: Tanh(),
    }
)


class Scope:
    """What the importers of operators read and write."""

    def __init__(self, file: TfliteFile) -> None:
        """Start with no tensor but the file's constants."""
        self.file = file
        self.builder = GraphBuilder(file.path.stem)
        # Tensors computed while importing, by index: shapes, and widened constants.
        self.folded: dict[int, np.ndarray] = {}
        # Constants that a DEQUANTIZE reads, by the index of its result.
        self.aliases: dict[int, int] = {}
        self._held: dict[int, str] = {}  # our tensor that is the file's
        self._reals: dict[int, str] = {}  # our tensor with its real values
        self._added: dict[str, str] = {}  # constants by title
        self._read: dict[str, str] = {}  # real values of integer constants
        self._names = {tensor.name for tensor in file.tensors}

    def tensor(self, index: int) -> TfliteTensor:
        """The file's description of a tensor."""
        if index < 0:
            raise ModelError("an operand is missing")
        return self.file.tensors[index]

    # Activations

    def input(self, index: int) -> None:
        """Declare a graph input; its first axis becomes the free batch."""
        tensor = self.tensor(index)
        shape = tensor.shape
        if not shape or shape[0] != 1 or any(tensor.free[1:]) or min(shape) < 1:
            found = [
                -1 if free else n for n, free in zip(shape, tensor.free, strict=True)
            ]
            raise UnsupportedError(
                f"found shape {found}, expected a batch of 1 and fixed sizes"
            )
        self._describe(index)
        fmt = ACTIVATIONS[tensor.dtype]
        self.builder.input(
            tensor.name,
            Tensor(
                shape=(None, *shape[1:]),
                dtype="float32" if fmt is None else str(fmt.dtype),
                format=fmt,
                qparams=None if fmt is None else tensor.qparams,
                golden=_golden(tensor, len(shape)),
            ),
        )
        self._hold(index, tensor.name)

    def _describe(self, index: int) -> TfliteTensor:
        """The tensor, if it can be an activation."""
        tensor = self.tensor(index)
        if tensor.dtype not in ACTIVATIONS or tensor.obstacle:
            raise UnsupportedError(f"{tensor.obstacle or tensor.dtype} {tensor.name!r}")
        fmt = ACTIVATIONS[tensor.dtype]
        if fmt is None:
            return tensor
        if tensor.qparams is None:
            raise UnsupportedError(f"{tensor.dtype} {tensor.name!r} without a scale")
        if tensor.qparams.axis is not None:
            raise UnsupportedError(f"{tensor.name!r} has a scale for each channel")
        if not fmt.min <= tensor.qparams.zero_point[0] <= fmt.max:
            raise ModelError(
                f"zero point {tensor.qparams.zero_point[0]}, expected {fmt.min}.."
                f"{fmt.max}",
                where=f"tensor {tensor.name!r}",
            )
        return tensor

    def _hold(self, index: int, title: str) -> None:
        if index in self._held or self.is_constant(index):
            raise ModelError("made twice", where=f"tensor {self.tensor(index).name!r}")
        self._held[index] = title

    def known(self, index: int) -> bool:
        """Whether this is an activation made so far."""
        return index in self._held

    def held(self, index: int) -> str:
        """Our tensor that is the file's: reals or integers as there."""
        if index not in self._held:
            name = self.tensor(index).name
            raise UnsupportedError(f"operand {name!r} is not computed from the input")
        return self._held[index]

    def shape(self, index: int) -> Shape:
        """Shape of an activation, the batch axis None."""
        return self.builder.tensors[self.held(index)].shape

    def real(self, index: int) -> str:
        """The real values of an activation."""
        held = self.held(index)
        qparams = self.builder.tensors[held].qparams
        if index not in self._reals:
            self._reals[index] = held
            if qparams is not None:
                self._reals[index] = self._dequantize(held, qparams)
        return self._reals[index]

    def _dequantize(self, integers: str, qparams: QParams) -> str:
        title = self.derived(f"{integers}:dequantized")
        op = Dequantize(qparams=qparams)
        return self.builder.add(op, (integers,), title, layer=integers)

    # Results

    def is_integer(self, node: TfliteNode) -> bool:
        """Whether the operator's first result has integers in the file."""
        return ACTIVATIONS.get(self.tensor(node.outputs[0]).dtype) is not None

    def emit(
        self,
        node: TfliteNode,
        op: Op,
        inputs: tuple[str, ...],
        result: int | None = None,
    ) -> None:
        """Append the operator that makes a result, the only one where none is given.

        Its fused activation and the quantization of the result become nodes.
        """
        index = node.result if result is None else result
        tensor = self._describe(index)
        integer = ACTIVATIONS[tensor.dtype] is not None
        title = self.derived(f"{tensor.name}:real") if integer else tensor.name
        golden = None if integer else _golden(tensor, len(tensor.shape))
        fused = node.options.get("FusedActivationFunction", 0)
        if fused and fused not in FUSED:
            raise UnsupportedError(f"fused activation {fused}")
        if fused:
            linear = self.derived(f"{tensor.name}:linear")
            made = self._add(node, op, inputs, linear, name=tensor.name)
            name = f"{tensor.name}:activation"
            made = self._add(node, FUSED[fused], (made,), title, name, golden)
        else:
            made = self._add(node, op, inputs, title, tensor.name, golden)
        if integer:
            made = self.quantize(node, made, index)
        self._finish(index, made)

    def quantize(self, node: TfliteNode, real: str, index: int) -> str:
        """Append the node that makes the file's integers from reals."""
        tensor = self._describe(index)
        fmt, qparams = ACTIVATIONS[tensor.dtype], tensor.qparams
        if fmt is None or qparams is None:
            raise ModelError(f"{tensor.dtype} {tensor.name!r} cannot hold integers")
        return self.builder.add(
            Quantize(format=fmt, qparams=qparams, rounding=Rounding.HALF_AWAY),
            (real,),
            tensor.name,
            layer=node.name,
            name=f"{tensor.name}:quantize",
            format=fmt,
            qparams=qparams,
            golden=_golden(tensor, len(self.builder.tensors[real].shape)),
        )

    def finish_quantized(self, node: TfliteNode, real: str) -> None:
        """Let the node's result be integers made from reals."""
        self._finish(node.result, self.quantize(node, real, node.result))

    def _finish(self, index: int, made: str) -> None:
        """Hold the shape against the file's, and remember the result."""
        tensor, ours = self.tensor(index), self.builder.tensors[made].shape
        if tensor.shape and tensor.shape != (1, *ours[1:]):
            raise ModelError(
                f"computed with shape {(1, *ours[1:])}, but the file means "
                f"{tensor.shape}",
                where=f"tensor {tensor.name!r}",
            )
        self._hold(index, made)

    def step(
        self, node: TfliteNode, op: Op, inputs: tuple[str, ...], suffix: str
    ) -> str:
        """Append an operator on the way to the node's result; no golden is equal."""
        title = self.derived(f"{node.name}:{suffix}")
        return self._add(node, op, inputs, title, name=title)

    def move(self, node: TfliteNode, op: Op, x: str, form: int, suffix: str) -> str:
        """Append a step that only moves values: of integers it makes such integers.

        `form` is the activation whose integers those of `x` are like.
        """
        held = self.builder.tensors[self.held(form)]
        fmt, qparams = held.format, held.qparams
        if fmt is None or qparams is None:
            return self.step(node, op, (x,), suffix)
        real = self.step(node, op, (x,), f"{suffix}:real")
        integers = self.builder.add(
            Quantize(format=fmt, qparams=qparams, rounding=Rounding.HALF_AWAY),
            (real,),
            self.derived(f"{node.name}:{suffix}"),
            layer=node.name,
            format=fmt,
            qparams=qparams,
        )
        return self._dequantize(integers, qparams)

    def _add(
        self,
        node: TfliteNode,
        op: Op,
        inputs: tuple[str, ...],
        title: str,
        name: str,
        golden: Golden | None = None,
    ) -> str:
        try:
            return self.builder.add(
                op, inputs, title, layer=node.name, name=name, golden=golden
            )
        except GraphError as error:
            raise UnsupportedError(error.message) from error

    def derived(self, name: str) -> str:
        """A name of ours that is none of the file's."""
        while name in self._names:
            name += "'"
        return name

    # Constants

    def is_constant(self, index: int) -> bool:
        """Whether the file gives the values, or they were computed while importing."""
        if index in self.folded or index in self.aliases:
            return True
        return index >= 0 and self.tensor(index).data is not None

    def value(self, index: int, what: str) -> np.ndarray:
        """A constant as stored; UnsupportedError, saying `what` it is, if computed."""
        if index in self.folded:
            return self.folded[index]
        if not self.is_constant(index):
            raise UnsupportedError(f"the {what} is computed, expected a constant")
        return self.tensor(self.aliases.get(index, index)).array()

    def numbers(self, index: int, what: str) -> tuple[int, ...]:
        """A constant operand that is a list of integers."""
        array = self.value(index, what)
        if not np.issubdtype(array.dtype, np.integer) or array.ndim > 2:
            raise UnsupportedError(f"{what} of {array.dtype} {array.shape}")
        return tuple(int(value) for value in array.reshape(-1))

    def meaning(self, index: int) -> QParams | None:
        """Scales and zero points of a constant; None for reals."""
        if index in self.folded:
            return None
        tensor = self.tensor(self.aliases.get(index, index))
        return None if tensor.dtype.startswith("FLOAT") else tensor.qparams

    def reals(self, index: int, what: str) -> np.ndarray:
        """The real values of a constant, float32."""
        array, qparams = self.value(index, what), self.meaning(index)
        if np.issubdtype(array.dtype, np.floating):
            return array.astype(np.float32)
        if qparams is None:
            raise UnsupportedError(f"{array.dtype} {what} without a scale")
        shape = [-1 if axis == qparams.axis else 1 for axis in range(array.ndim)]
        scale = np.array(qparams.scale, np.float32).reshape(shape)
        zero_point = np.array(qparams.zero_point, np.int64).reshape(shape)
        return (array.astype(np.int64) - zero_point).astype(np.float32) * scale

    def constant(
        self,
        node: TfliteNode,
        index: int,
        what: str,
        perm: tuple[int, ...] | None = None,
        shape: tuple[int, ...] | None = None,
        letters: str = "",
    ) -> str:
        """Our tensor of a constant operand: transposed by `perm`, or of a new shape.

        With a new shape, scales must be one for all or lie on the last axis of both.
        `letters` marks the new layout. Where both the constant and the operator's
        result are integers the integers are the constant, read through a Dequantize.
        """
        qparams = self.meaning(index)
        stated = qparams is not None and self.is_integer(node)
        array = self.value(index, what) if stated else self.reals(index, what)
        axis = None if qparams is None else qparams.axis
        if perm is not None and array.ndim != len(perm):
            raise UnsupportedError(f"{what} of rank {array.ndim}, expected {len(perm)}")
        if perm is not None:
            array = np.transpose(array, perm)
            axis = None if axis is None else perm.index(axis)
        if shape is not None:
            if axis is not None and (axis != array.ndim - 1 or not shape):
                raise UnsupportedError(f"{what} with scales on axis {axis}")
            axis = None if axis is None else len(shape) - 1
            array = array.reshape(shape)
        name = self.tensor(self.aliases.get(index, index)).name
        title = self.derived(f"{name}:{letters}") if letters else name
        if stated and qparams is not None:
            moved = QParams(qparams.scale, qparams.zero_point, axis)
            return self.integers(title, array, moved)
        if qparams is not None:
            title = self.derived(f"{title}:real")
        return self.add_constant(title, array)

    def integers(self, title: str, array: np.ndarray, qparams: QParams) -> str:
        """Add integers and the node that gives their real values, once."""
        held = self.add_constant(title, array)
        if held not in self._read:
            self._read[held] = self._dequantize(held, qparams)
        return self._read[held]

    def add_constant(self, title: str, array: np.ndarray) -> str:
        """Add a constant to the Graph once; equal titles mean equal arrays."""
        if title not in self._added:
            if array.dtype == np.float32 and not np.isfinite(array).all():
                raise UnsupportedError(f"constant {title!r} is not finite everywhere")
            frozen = np.array(array, order="C", copy=True)
            frozen.flags.writeable = False
            self._added[title] = self.builder.constant(title, frozen)
        return self._added[title]


def _golden(tensor: TfliteTensor, rank: int) -> Golden:
    """The file's tensor, which has our layout."""
    return Golden(name=tensor.name, perm=tuple(range(rank)))


def sample_size(shape: Shape) -> int:
    """Elements of one sample: the product of all sizes but the batch."""
    return math.prod(size for size in shape[1:] if size is not None)
