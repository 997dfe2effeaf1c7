"""Hex files that `$readmemh` of Verilog reads: one word a line, two's complement."""

from dataclasses import dataclass
from enum import Enum
from typing import Final

import numpy as np
from jaxtyping import Shaped

_DIGITS: Final = np.frombuffer(b"0123456789abcdef", np.uint8)
# Rows of digits made at once: bounds memory, not the result.
_SPAN: Final = 1 << 16


class Coding(Enum):
    """How the bits of a word stand for a number."""

    INT = "int"  # two's complement
    UINT = "uint"
    FLOAT = "float"  # IEEE 754


@dataclass(frozen=True, slots=True)
class WordFormat:
    """A word of `bits` bits, 1..64; floats have 16, 32 or 64."""

    bits: int
    coding: Coding = Coding.INT

    @property
    def digits(self) -> int:
        """Hex digits of a word, leading zeros included."""
        return -(-self.bits // 4)

    def __str__(self) -> str:
        return f"{self.coding.value}{self.bits}"

    @classmethod
    def of_dtype(cls, dtype: np.dtype) -> "WordFormat":
        """The format that holds a NumPy dtype; a bool is one bit."""
        if dtype == np.bool_:
            return cls(1, Coding.UINT)
        coding = {"i": Coding.INT, "u": Coding.UINT, "f": Coding.FLOAT}[dtype.kind]
        return cls(dtype.itemsize * 8, coding)

    def holds(self, values: Shaped[np.ndarray, "..."]) -> bool:
        """Whether every value is one of this format."""
        if self.coding is Coding.FLOAT:
            return values.dtype == np.dtype(f"f{self.bits // 8}")
        signed = self.coding is Coding.INT
        low = -(1 << (self.bits - 1)) if signed else 0
        high = (1 << (self.bits - signed)) - 1
        return not values.size or bool(values.min() >= low and values.max() <= high)


def hex_text(
    values: Shaped[np.ndarray, "..."], word: WordFormat, comment: str
) -> bytes:
    """The file of an array, row-major: one comment line, then one word a line.

    Raises ValueError for a value outside the format, which would read back as another.
    """
    if not word.holds(values):
        raise ValueError(f"values of dtype {values.dtype} do not fit {word}")
    flat = np.ascontiguousarray(values).reshape(-1)
    if word.coding is Coding.FLOAT:
        codes = flat.view(f"u{word.bits // 8}").astype(np.uint64)
    else:
        # A negative number becomes 2**64 + itself, whose low bits are its code.
        codes = flat.astype(np.int64 if flat.dtype.kind == "i" else np.uint64)
        codes = codes.view(np.uint64) & np.uint64((1 << word.bits) - 1)
    parts = [codes[i : i + _SPAN] for i in range(0, len(codes), _SPAN)]
    return f"// {comment}\n".encode() + b"".join(_lines(p, word.digits) for p in parts)


def _lines(codes: Shaped[np.ndarray, " n"], digits: int) -> bytes:
    places = 4 * np.arange(digits, dtype=np.uint64)[::-1]
    text = np.full((len(codes), digits + 1), ord("\n"), np.uint8)
    text[:, :-1] = _DIGITS[(codes[:, None] >> places) & np.uint64(15)]
    return text.tobytes()
