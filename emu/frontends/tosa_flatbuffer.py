"""Reading the TOSA flatbuffer of an untrusted file into plain data, as its JSON form.

Every offset and length is held against the file before anything is read or made, and
what several parts of the file share is counted for each of them, so that a small file
cannot ask for endless work.
"""

import struct
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final

from emu.errors import ModelError
from emu.frontends.tosa_schema import ATTRIBUTES, ENUMS, TABLES, Field, Kind

IDENTIFIER: Final = b"TOSA"

# How often a byte of a file may be read, on average; strings and vtables are shared.
_READS_PER_BYTE: Final = 64
_SMALLEST_BUDGET: Final = 1 << 20


class Buffer:
    """The bytes of a flatbuffer, never read outside, and a budget of bytes to read."""

    def __init__(self, data: bytes) -> None:
        """Nothing is read yet."""
        self.data = data
        self.budget = max(len(data) * _READS_PER_BYTE, _SMALLEST_BUDGET)

    def number(self, code: str, at: int) -> int:
        """A little-endian number by its `struct` code."""
        size = struct.calcsize(f"<{code}")
        self.check(at, size)
        return struct.unpack_from(f"<{code}", self.data, at)[0]

    def check(self, at: int, size: int) -> None:
        """Raise ModelError for bytes outside the file or beyond the budget."""
        self.budget -= size
        if not 0 <= at <= at + size <= len(self.data):
            raise ModelError(f"{size} bytes at {at}, expected {len(self.data)} in all")
        if self.budget < 0:
            raise ModelError("parts of the file are shared too often")

    def target(self, at: int) -> int:
        """Where the offset stored at `at` leads."""
        return at + self.number("I", at)

    def bytes(self, at: int) -> bytes:
        """The vector of bytes that starts at `at`."""
        start, count = self.elements(at, 1)
        return self.data[start : start + count]

    def elements(self, at: int, size: int) -> tuple[int, int]:
        """Place of the first element and number of them, of a vector at `at`."""
        count = self.number("I", at)
        self.check(at + 4, count * size)
        return at + 4, count

    def place(self, table: int, slot: int) -> int | None:
        """Where a field of a table is stored; None for one that is left out."""
        vtable = table - self.number("i", table)
        entry = 4 + 2 * slot
        if entry + 2 > self.number("H", vtable):
            return None
        offset = self.number("H", vtable + entry)
        return table + offset if offset else None


def decode(data: bytes) -> dict[str, Any]:
    """The graph in the form that flatc writes as JSON; bytes stay bytes.

    Raises ModelError for anything but a sound TOSA flatbuffer.
    """
    if data[4:8] != IDENTIFIER:
        raise ModelError(f"no TOSA flatbuffer: its identifier is {data[4:8]!r}")
    buffer = Buffer(data)
    return _table(buffer, buffer.target(0), TABLES["TosaGraph"])


def _table(buffer: Buffer, at: int, fields: tuple[Field, ...]) -> dict[str, Any]:
    """The fields that are stored, by name; an operator's attribute goes by its `op`."""
    values: dict[str, Any] = {}
    for field in fields:
        place = buffer.place(at, field.slot)
        if place is None:
            continue
        if field.kind is Kind.ATTRIBUTE:
            own = ATTRIBUTES.get(values.get("op", "UNKNOWN"), ())
            values[field.name] = _table(buffer, buffer.target(place), own)
        else:
            values[field.name] = _READERS[field.kind](buffer, place, field)
    return values


def _string(buffer: Buffer, at: int) -> str:
    try:
        return buffer.bytes(at).decode()
    except UnicodeDecodeError as error:
        raise ModelError(f"the string at {at} is no UTF-8") from error


def _strings(buffer: Buffer, at: int, _: Field) -> list[str]:
    start, count = buffer.elements(buffer.target(at), 4)
    return [_string(buffer, buffer.target(start + 4 * i)) for i in range(count)]


def _tables(buffer: Buffer, at: int, field: Field) -> list[dict[str, Any]]:
    start, count = buffer.elements(buffer.target(at), 4)
    layout = TABLES[field.of]
    return [_table(buffer, buffer.target(start + 4 * i), layout) for i in range(count)]


def _int32s(buffer: Buffer, at: int, _: Field) -> list[int]:
    start, count = buffer.elements(buffer.target(at), 4)
    return list(struct.unpack_from(f"<{count}i", buffer.data, start))


def _enum(buffer: Buffer, at: int, field: Field) -> str:
    number, names = buffer.number("I", at), ENUMS[field.of]
    return names[number] if number < len(names) else f"{field.of} {number}"


_READERS: Final[Mapping[Kind, Callable[[Buffer, int, Field], Any]]] = MappingProxyType(
    {
        Kind.BOOL: lambda buffer, at, _: buffer.number("B", at) != 0,
        Kind.INT32: lambda buffer, at, _: buffer.number("i", at),
        Kind.UINT64: lambda buffer, at, _: buffer.number("Q", at),
        Kind.BYTES: lambda buffer, at, _: buffer.bytes(buffer.target(at)),
        Kind.INT32S: _int32s,
        Kind.STRING: lambda buffer, at, _: _string(buffer, buffer.target(at)),
        Kind.STRINGS: _strings,
        Kind.ENUM: _enum,
        Kind.TABLE: lambda buffer, at, field: _table(
            buffer, buffer.target(at), TABLES[field.of]
        ),
        Kind.TABLES: _tables,
    }
)
