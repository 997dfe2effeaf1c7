"""Reading an untrusted TFLite file into plain data, every size held against the file.

The flatbuffers package checks nothing: offsets of a damaged file lead anywhere in it
and lengths say anything. Here nothing is allocated before its size is known to fit,
and what several parts of the file share is counted for each of them, so that a small
file cannot ask for endless work.
"""

import hashlib
import math
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import numpy as np
import tflite

from emu.errors import ConfigError, MissingError, ModelError, UnsupportedError
from emu.fixedpoint import QParams
from emu.frontends.tflite_options import OPTIONS, read_options

IDENTIFIER: Final = b"TFL3"
SCHEMA_VERSION: Final = 3
MOST_AXES: Final = 8

# Tensors may share the data of one buffer, but not all of them a large one.
MOST_SHARED: Final = 16

# What the generated code gives: a table of the file, a vector, or 0 for none.
Table = Any

# Element types by number; the schema's newer ones are not in the package.
TYPES: Final[Mapping[int, str]] = MappingProxyType(
    {v: k for k, v in vars(tflite.TensorType).items() if isinstance(v, int)}
    | {19: "INT2", 20: "UINT4"}
)
KINDS: Final[Mapping[int, str]] = MappingProxyType(
    {v: k for k, v in vars(tflite.BuiltinOperator).items() if isinstance(v, int)}
)

# Element type -> how a constant of it is stored.
_STORED: Final[Mapping[str, np.dtype]] = MappingProxyType(
    {
        "FLOAT32": np.dtype("<f4"),
        "FLOAT16": np.dtype("<f2"),
        "INT8": np.dtype("i1"),
        "UINT8": np.dtype("u1"),
        "INT16": np.dtype("<i2"),
        "INT32": np.dtype("<i4"),
        "INT64": np.dtype("<i8"),
    }
)
# Element types of which one byte holds several, the first in its lowest bits.
_PACKED: Final[Mapping[str, int]] = MappingProxyType({"INT4": 4, "INT2": 2})

# What reading beside the file, or what is no text or number there, raises.
_DAMAGE: Final = (
    struct.error,
    ValueError,
    TypeError,
    IndexError,
    OverflowError,
    AttributeError,
)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TfliteTensor:
    """A tensor: its element type, its sizes, its integers' meaning, its constant data.

    `name` is the file's, made unique by `#index` where an earlier tensor has it or it
    is empty. `free` marks the axes that the file leaves open. `shape` is empty for a
    scalar, and where the operator alone knows it.
    """

    name: str
    dtype: str
    shape: tuple[int, ...]
    free: tuple[bool, ...]
    qparams: QParams | None
    data: np.ndarray | None  # bytes
    obstacle: str  # what about it cannot be read, or nothing

    def array(self) -> np.ndarray:
        """The values of a constant; ModelError where its data do not fill its shape."""
        if self.obstacle:
            raise UnsupportedError(f"{self.obstacle} in {self.name!r}")
        count = math.prod(self.shape)
        data = np.zeros(0, np.uint8) if self.data is None else self.data
        if self.dtype in _PACKED:
            return self._unpacked(data, count)
        if self.dtype not in _STORED:
            raise UnsupportedError(f"{self.dtype} constant {self.name!r}")
        stored = _STORED[self.dtype]
        self._check_size(data.size, count * stored.itemsize)
        array = np.frombuffer(data.tobytes(), stored).reshape(self.shape)
        return array.astype(stored.newbyteorder("="), copy=False)

    def _unpacked(self, packed: np.ndarray, count: int) -> np.ndarray:
        bits = _PACKED[self.dtype]
        each = 8 // bits
        self._check_size(packed.size, -(-count // each))
        shifts = np.arange(each, dtype=np.uint8) * np.uint8(bits)
        fields = (packed[:, None] >> shifts[None, :]) << np.uint8(8 - bits)
        signed = fields.astype(np.uint8).view(np.int8) >> (8 - bits)
        return signed.reshape(-1)[:count].reshape(self.shape)

    def _check_size(self, found: int, expected: int) -> None:
        if found != expected:
            raise ModelError(
                f"found {found} bytes of data, expected {expected} for {self.dtype} "
                f"{self.shape}",
                where=f"tensor {self.name!r}",
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class TfliteNode:
    """An operator: its kind, operands and results by tensor index, its options.

    `name` is that of its first result; an operand that is left out is -1. A custom
    operator has the kind "custom NAME" and its options as bytes.
    """

    name: str
    kind: str
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    options: Mapping[str, Any] = field(default_factory=dict)
    custom: bytes = b""

    def operand(self, index: int) -> int:
        """Tensor index of an operand, -1 where it is absent."""
        return self.inputs[index] if index < len(self.inputs) else -1

    @property
    def result(self) -> int:
        """Tensor index of the only result."""
        if len(self.outputs) != 1:
            raise ModelError(f"{len(self.outputs)} results, expected one")
        return self.outputs[0]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TfliteFile:
    """The main subgraph of a file: tensors, operators in execution order, edges."""

    path: Path
    sha256: str
    tensors: tuple[TfliteTensor, ...]
    nodes: tuple[TfliteNode, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]


def read_tflite(path: Path) -> TfliteFile:
    """Read a TFLite file.

    Raises MissingError for no file, ModelError for one that is damaged or no TFLite
    file.
    """
    if not path.is_file():
        raise MissingError("there is no such file")
    try:
        data = path.read_bytes()
    except OSError as error:
        raise MissingError(f"cannot read: {error.strerror}") from error
    if data[4:8] != IDENTIFIER:
        raise ModelError(f"no TFLite file ({len(data)} bytes): no {IDENTIFIER!r} in it")
    try:
        return _Reader(path, data).read()
    except _DAMAGE as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ModelError(
            f"truncated or damaged ({len(data)} bytes): {reason}"
        ) from error


class _Reader:
    """One pass over the flatbuffer."""

    def __init__(self, path: Path, data: bytes) -> None:
        self.path = path
        self.data = data
        # Entries of lists still to be read: no sound file has more than bytes.
        self.budget = len(data)
        self.shared = MOST_SHARED * len(data)

    def read(self) -> TfliteFile:
        model = tflite.Model.GetRootAs(self.data, 0)
        if model.Version() != SCHEMA_VERSION:
            raise ModelError(
                f"schema version {model.Version()}, this emu reads {SCHEMA_VERSION}"
            )
        graph: Table = model.Subgraphs(0) if model.SubgraphsLength() else None
        if graph is None:
            raise ModelError("the file holds no graph")
        buffers = [model.Buffers(i) for i in self._count(model.BuffersLength())]
        codes = [
            self._kind(model.OperatorCodes(i))
            for i in self._count(model.OperatorCodesLength())
        ]
        tensors: list[TfliteTensor] = []
        taken: set[str] = set()
        for i in self._count(graph.TensorsLength()):
            name = _text(graph.Tensors(i).Name())
            name = f"{name}#{i}" if not name or name in taken else name
            taken.add(name)
            tensors.append(self._tensor(graph.Tensors(i), name, buffers))
        nodes = [
            self._node(graph.Operators(i), tensors, codes)
            for i in self._count(graph.OperatorsLength())
        ]
        return TfliteFile(
            path=self.path,
            sha256=hashlib.sha256(self.data).hexdigest(),
            tensors=tuple(tensors),
            nodes=tuple(nodes),
            inputs=self._edges(graph.InputsAsNumpy(), tensors),
            outputs=self._edges(graph.OutputsAsNumpy(), tensors),
        )

    def _count(self, length: int) -> Iterator[int]:
        """The indices of a list, after its length has been taken from the budget."""
        self.budget -= length
        if self.budget < 0:
            raise ModelError(f"damaged: a list of {length} entries")
        yield from range(length)

    def _numbers(self, found: Table) -> list[int]:
        """The entries of a vector of numbers."""
        values = np.asarray(found).reshape(-1) if not np.isscalar(found) else []
        return [int(values[i]) for i in self._count(len(values))]

    def _kind(self, code: Table) -> tuple[str, bool]:
        """Kind of an operator, and whether it is a custom one."""
        number = max(code.BuiltinCode(), code.DeprecatedBuiltinCode())
        kind = KINDS.get(number, f"operator {number}")
        if kind != "CUSTOM":
            return kind, False
        return f"custom {_text(code.CustomCode())}", True

    def _tensor(self, table: Table, name: str, buffers: list[Table]) -> TfliteTensor:
        shape = tuple(self._numbers(table.ShapeAsNumpy()))
        if len(shape) > MOST_AXES or min(shape, default=0) < 0:
            raise ModelError(f"found shape {shape}", where=f"tensor {name!r}")
        signature = self._numbers(table.ShapeSignatureAsNumpy()) or shape
        free = tuple(size == -1 for size in signature)
        dtype = TYPES.get(table.Type(), f"type {table.Type()}")
        quantization = table.Quantization()
        obstacle = "variable" if table.IsVariable() else ""
        if table.Sparsity() is not None:
            obstacle = "sparse values"
        if quantization is not None and quantization.DetailsType():
            obstacle = "custom or blockwise quantization"
        unread = obstacle or dtype.startswith("FLOAT")
        return TfliteTensor(
            name=name,
            dtype=dtype,
            shape=shape,
            free=free if len(free) == len(shape) else (False,) * len(shape),
            qparams=None if unread else self._qparams(quantization, shape, name),
            data=self._data(table.Buffer(), buffers, name),
            obstacle=obstacle,
        )

    def _qparams(
        self, table: Table, shape: tuple[int, ...], name: str
    ) -> QParams | None:
        """Scales and zero points; None without a scale."""
        if table is None or not table.ScaleLength():
            return None
        count = table.ScaleLength()
        scale = [table.Scale(i) for i in self._count(count)]
        zero_point = self._numbers(table.ZeroPointAsNumpy()) or [0]
        zero_point = zero_point * count if len(zero_point) == 1 else zero_point
        axis = table.QuantizedDimension() if count > 1 else None
        where = f"tensor {name!r}"
        if axis is not None and not (
            0 <= axis < len(shape) and shape[axis] == count == len(zero_point)
        ):
            raise ModelError(
                f"{count} scales and {len(zero_point)} zero points on axis {axis} of "
                f"shape {shape}",
                where=where,
            )
        try:
            return QParams(tuple(scale), tuple(zero_point), axis)
        except ConfigError as error:
            raise ModelError(error.message, where=where) from error

    def _data(self, index: int, buffers: list[Table], name: str) -> np.ndarray | None:
        """The bytes of a constant, within the flatbuffer or behind it in the file."""
        where = f"tensor {name!r}"
        if not 0 <= index < len(buffers):
            raise ModelError(f"there is no buffer {index}", where=where)
        buffer = buffers[index]
        start, size = buffer.Offset(), buffer.Size()
        if start <= 1:  # 0 and 1 stand for none
            found = buffer.DataAsNumpy() if buffer.DataLength() else None
        elif start + size <= len(self.data):
            found = np.frombuffer(self.data, np.uint8, size, start)
        else:
            raise ModelError(
                f"data at {start} to {start + size} of {len(self.data)} bytes",
                where=where,
            )
        self.shared -= 0 if found is None else found.size
        if self.shared < 0:
            raise ModelError(f"tensors share more than {MOST_SHARED} times the file")
        return found

    def _node(
        self,
        table: Table,
        tensors: list[TfliteTensor],
        codes: list[tuple[str, bool]],
    ) -> TfliteNode:
        inputs = tuple(self._numbers(table.InputsAsNumpy()))
        outputs = self._edges(table.OutputsAsNumpy(), tensors)
        name = tensors[outputs[0]].name if outputs else "operator without result"
        if any(not -1 <= i < len(tensors) for i in inputs):
            raise ModelError(f"operands {inputs} of {len(tensors)} tensors", where=name)
        if not 0 <= table.OpcodeIndex() < len(codes):
            raise ModelError(f"there is no kind {table.OpcodeIndex()}", where=name)
        kind, custom = codes[table.OpcodeIndex()]
        raw = b""
        if custom and table.CustomOptionsLength():
            raw = table.CustomOptionsAsNumpy().tobytes()
        options: Mapping[str, Any] = {}
        if not custom and kind in OPTIONS:
            options = read_options(kind, table, self._numbers)
        return TfliteNode(
            name=name,
            kind=kind,
            inputs=inputs,
            outputs=outputs,
            options=options,
            custom=raw,
        )

    def _edges(self, found: Table, tensors: list[TfliteTensor]) -> tuple[int, ...]:
        """Tensor indices, each of which must be there."""
        indices = tuple(self._numbers(found))
        if any(not 0 <= index < len(tensors) for index in indices):
            raise ModelError(f"tensors {indices} of {len(tensors)}")
        return indices


def _text(found: bytes | None) -> str:
    """A name; what is no UTF-8 is damage (UnicodeDecodeError is a ValueError)."""
    return (found or b"").decode("utf-8")
