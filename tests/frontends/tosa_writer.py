"""Small TOSA flatbuffers for tests, written slot by slot from tosa.fbs.

Slot and enumeration numbers are written here once more, so that a slip in
emu's own table of them shows.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import flatbuffers
import numpy as np

INT4, INT8, INT16, INT32, INT48, FP32, BOOL = 2, 3, 4, 5, 6, 7, 1
OPS: Final = {
    "ARGMAX": 1,
    "CONV2D": 3,
    "CLAMP": 11,
    "ADD": 15,
    "MUL": 28,
    "SIN": 44,
    "REVERSE": 58,
    "SLICE": 59,
    "RESCALE": 66,
    "CONST": 67,
    "CONST_SHAPE": 75,
    "DIM": 79,
}

# A field of an attribute: slot and value (bool, int32, list of int32, bytes).
Attribute = Sequence[tuple[int, Any]]


@dataclass(frozen=True)
class Number:
    """A number that is stored as the builder's slot of this name stores it."""

    value: int
    stored: str = "Uint32"


@dataclass(frozen=True)
class Place:
    """Something already written."""

    offset: int


@dataclass(frozen=True, kw_only=True)
class Part:
    """A tensor, or with `kind` None a shape."""

    name: str
    shape: tuple[int, ...] = ()
    kind: int | None = INT8
    data: bytes = b""
    variable: bool = False
    offset: int = 0


@dataclass(frozen=True, kw_only=True)
class Operator:
    """An operator and its attribute."""

    op: str
    inputs: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()
    attribute: Attribute = ()


class Writer:
    """One flatbuffer under construction."""

    def __init__(self) -> None:
        self.builder = flatbuffers.Builder(256)

    def table(self, fields: Attribute) -> int:
        """A table; values that are stored elsewhere are written first."""
        ready = [(slot, self.value(value)) for slot, value in fields]
        self.builder.StartObject(1 + max((slot for slot, _ in fields), default=0))
        for slot, put in ready:
            put(slot)
        return self.builder.EndObject()

    def value(self, value: Any) -> Callable[[int], None]:
        """How a value is put into a slot."""
        b = self.builder
        if isinstance(value, Number):
            prepend = getattr(b, f"Prepend{value.stored}Slot")
            return lambda slot: prepend(slot, value.value, 0)
        if isinstance(value, bool):
            return lambda slot: b.PrependBoolSlot(slot, value, False)
        if isinstance(value, int):
            return lambda slot: b.PrependInt32Slot(slot, value, -(1 << 31))
        if isinstance(value, Place):
            place = value.offset
        elif isinstance(value, str):
            place = b.CreateString(value)
        elif isinstance(value, bytes):
            place = b.CreateByteVector(value)
        elif all(isinstance(v, int) for v in value):
            place = b.CreateNumpyVector(np.array(value, np.int32))
        else:
            place = self.offsets([b.CreateString(v) for v in value])
        return lambda slot: b.PrependUOffsetTRelativeSlot(slot, place, 0)

    def offsets(self, places: list[int]) -> int:
        """A vector of tables or strings."""
        self.builder.StartVector(4, len(places), 4)
        for place in reversed(places):
            self.builder.PrependUOffsetTRelative(place)
        return self.builder.EndVector()


def tosa(
    operators: Sequence[Operator],
    tensors: Sequence[Part],
    inputs: Sequence[str],
    outputs: Sequence[str],
    *,
    major: int = 1,
    blocks: int = 1,
) -> bytes:
    """The bytes of a file."""
    w = Writer()
    block = Place(_block(w, operators, tensors, inputs, outputs))
    many = Place(w.offsets([block.offset] * blocks))
    region = w.table([(0, "main"), (1, many)])
    regions = Place(w.offsets([region]))
    version = Place(w.table([(0, major), (1, 0), (2, 2)]))
    graph = w.table([(0, version), (1, regions)])
    w.builder.Finish(graph, file_identifier=b"TOSA")
    return bytes(w.builder.Output())


def _block(
    w: Writer,
    operators: Sequence[Operator],
    tensors: Sequence[Part],
    inputs: Sequence[str],
    outputs: Sequence[str],
) -> int:
    made = [
        w.table(
            [
                (0, Number(OPS[o.op])),
                (1, Number(OPS[o.op], "Uint8")),
                (2, Place(w.table(o.attribute))),
                (3, list(o.inputs)) if o.inputs else (3, Place(w.offsets([]))),
                (4, list(o.outputs)),
            ]
        )
        for o in operators
    ]
    described = [
        w.table(
            [
                (0, t.name),
                (1, list(t.shape)) if t.shape else (1, Place(w.offsets([]))),
                (2, Number(t.kind)),
                (3, t.data),
                (4, t.variable),
                (7, Number(t.offset, "Uint64")),
            ]
        )
        for t in tensors
        if t.kind is not None
    ]
    shapes = [
        w.table([(0, t.name), (1, Number(t.shape[0])), (2, t.data)])
        for t in tensors
        if t.kind is None
    ]
    return w.table(
        [
            (0, "main"),
            (1, Place(w.offsets(made))),
            (2, Place(w.offsets(described))),
            (3, list(inputs)) if inputs else (3, Place(w.offsets([]))),
            (4, list(outputs)),
            (5, Place(w.offsets(shapes))),
        ]
    )
