"""A TOSA file, flatbuffer or JSON, as checked plain data."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, Final

import numpy as np
from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError

from emu.errors import MissingError, ModelError, UnsupportedError
from emu.fixedpoint import INT8, INT16, IntFormat
from emu.frontends.tosa_flatbuffer import decode

MAJOR_VERSION: Final = 1


@dataclass(frozen=True, slots=True)
class Element:
    """An element type: our dtype, how a constant is stored, the values it has.

    `bits` is what a stored one takes: INT4 lies two in a byte, INT48 in six.
    The format is stated for quantized tensors, not for sums.
    """

    dtype: str
    bits: int
    format: IntFormat | None


ELEMENTS: Final[Mapping[str, Element]] = MappingProxyType(
    {
        "BOOL": Element("bool", 8, None),
        "INT4": Element("int8", 4, IntFormat(4)),
        "INT8": Element("int8", 8, INT8),
        "INT16": Element("int16", 16, INT16),
        "INT32": Element("int32", 32, None),
        "INT48": Element("int64", 48, None),
        "SHAPE": Element("int64", 64, None),
    }
)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TosaTensor:
    """A tensor or shape of the file; a constant has data. `shape` None: not stated."""

    name: str
    shape: tuple[int, ...] | None
    type: str
    data: bytes | None

    @property
    def element(self) -> Element:
        """What its element type means; UnsupportedError for a float."""
        if self.type not in ELEMENTS:
            raise UnsupportedError(f"{self.name!r} is {self.type}")
        return ELEMENTS[self.type]

    def array(self) -> np.ndarray:
        """The values of a constant; ModelError where its data do not fill its shape."""
        if self.data is None or self.shape is None:
            raise UnsupportedError(f"{self.name!r} is computed, expected a constant")
        element, count = self.element, math.prod(self.shape)
        expected = -(-count * element.bits // 8)
        # Writers may fill up to a multiple of 8.
        if len(self.data) not in (expected, -(-expected // 8) * 8):
            raise ModelError(
                f"found {len(self.data)} bytes of data, expected {expected} for "
                f"{self.type} {self.shape}",
                where=self.name,
            )
        return _values(self.data[:expected], self.type)[:count].reshape(self.shape)


def _values(data: bytes, kind: str) -> np.ndarray:
    """Little-endian values; INT4 the low half of a byte first."""
    stored = np.frombuffer(data, np.uint8)
    if kind == "BOOL":
        return stored != 0
    if kind == "INT4":
        halves = np.stack([stored << 4, stored & 0xF0], axis=-1).reshape(-1)
        return halves.view(np.int8) >> 4
    if kind == "INT48":
        wide = np.zeros((len(data) // 6, 8), np.uint8)
        wide[:, 2:] = stored.reshape(-1, 6)
        return wide.reshape(-1).view("<i8").astype(np.int64) >> 16
    dtype = np.dtype(ELEMENTS[kind].dtype)
    return stored.view(dtype.newbyteorder("<")).astype(dtype)


@dataclass(frozen=True, slots=True, kw_only=True)
class TosaOperator:
    """An operator: its kind, its attribute, operands and results by name."""

    kind: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attribute: Mapping[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """Its first result's."""
        return self.outputs[0] if self.outputs else self.kind


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TosaFile:
    """The one block of a file: what it declares, and operators in order."""

    version: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    tensors: Mapping[str, TosaTensor]
    operators: tuple[TosaOperator, ...]


def _to_bytes(value: object) -> object:
    """JSON has bytes as a list of numbers."""
    return bytes(value) if isinstance(value, list) else value


class _Entry(BaseModel):
    """Part of the document; fields it does not list do not matter here."""

    model_config = ConfigDict(strict=True, extra="ignore")


class _Version(_Entry):
    major: int = -1
    minor: int = -1

    model_config = ConfigDict(alias_generator=lambda name: f"_{name}")


class _Tensor(_Entry):
    name: str
    shape: list[int] = []
    type: str = "UNKNOWN"
    data: Annotated[bytes, BeforeValidator(_to_bytes)] = b""
    variable: bool = False
    is_unranked: bool = False
    offset: int = 0


class _Shape(_Entry):
    name: str
    rank: int = 0
    data: Annotated[bytes, BeforeValidator(_to_bytes)] = b""


class _Operator(_Entry):
    op: str = "UNKNOWN"
    attribute: dict[str, Any] = {}
    inputs: list[str] = []
    outputs: list[str] = []


class _Block(_Entry):
    operators: list[_Operator] = []
    tensors: list[_Tensor] = []
    inputs: list[str] = []
    outputs: list[str] = []
    shapes: list[_Shape] = []


class _Region(_Entry):
    name: str = ""
    blocks: list[_Block] = []


class _Document(_Entry):
    version: _Version
    regions: list[_Region] = []


def read_tosa(path: Path) -> TosaFile:
    """Read a .tosa flatbuffer or its .json form.

    Raises MissingError for no file, ModelError for one that is damaged,
    UnsupportedError for one with control flow, variables or data beside the graph.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise MissingError("there is no such file, or it cannot be read") from error
    try:
        document = json.loads(data) if path.suffix == ".json" else decode(data)
        parsed = _Document.model_validate(document)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise ModelError(f"no TOSA graph: {first['msg']}", where=where) from error
    except (ValueError, RecursionError) as error:
        raise ModelError(f"no TOSA graph: {error}") from error
    return _file(parsed)


def _file(document: _Document) -> TosaFile:
    version = f"{document.version.major}.{document.version.minor}"
    if document.version.major != MAJOR_VERSION:
        raise UnsupportedError(f"TOSA {version}, expected {MAJOR_VERSION}.x")
    blocks = [block for region in document.regions for block in region.blocks]
    if len(blocks) != 1:
        raise UnsupportedError(f"{len(blocks)} blocks (control flow), expected one")
    block = blocks[0]
    tensors: dict[str, TosaTensor] = {}
    for tensor in (*map(_tensor, block.tensors), *map(_shape, block.shapes)):
        if tensor.name in tensors:
            raise ModelError("described twice", where=tensor.name)
        tensors[tensor.name] = tensor
    return TosaFile(
        version=version,
        inputs=tuple(block.inputs),
        outputs=tuple(block.outputs),
        tensors=tensors,
        operators=tuple(
            TosaOperator(
                kind=entry.op,
                inputs=tuple(entry.inputs),
                outputs=tuple(entry.outputs),
                attribute=entry.attribute,
            )
            for entry in block.operators
        ),
    )


def _tensor(entry: _Tensor) -> TosaTensor:
    if entry.variable:
        raise UnsupportedError("a variable", where=entry.name)
    # 0 and 1 mean that the data are in the graph.
    if entry.offset > 1:
        raise UnsupportedError("its data lie beside the graph", where=entry.name)
    if not entry.is_unranked and min(entry.shape, default=1) < 1:
        raise UnsupportedError(
            f"found shape {entry.shape}, expected fixed sizes", where=entry.name
        )
    return TosaTensor(
        name=entry.name,
        shape=None if entry.is_unranked else tuple(entry.shape),
        type=entry.type,
        data=entry.data or None,
    )


def _shape(entry: _Shape) -> TosaTensor:
    """A shape has rank values; one of rank 0 is constant without data."""
    constant = entry.data or None if entry.rank else b""
    return TosaTensor(name=entry.name, shape=(entry.rank,), type="SHAPE", data=constant)
