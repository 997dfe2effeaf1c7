"""Integer formats, and the affine code between them and real numbers."""

import math
import re
from dataclasses import dataclass
from typing import Final

import numpy as np
from jaxtyping import Array, Integer

from emu.errors import ConfigError

_NAME: Final = re.compile(r"(u?)int([0-9]{1,2})")


@dataclass(frozen=True, slots=True)
class IntFormat:
    """An integer of `bits` bits, two's complement where `signed`; 2..32 bits.

    Values of a 4-bit format are held one per int8; `dtype` is that storage.

    Raises:
        ConfigError: a width outside 2..32.
    """

    bits: int
    signed: bool = True

    def __post_init__(self) -> None:
        if not 2 <= self.bits <= 32:
            raise ConfigError(f"an integer format has 2 to 32 bits, not {self.bits}")

    @property
    def min(self) -> int:
        return -(1 << (self.bits - 1)) if self.signed else 0

    @property
    def max(self) -> int:
        return (1 << (self.bits - self.signed)) - 1

    @property
    def dtype(self) -> np.dtype:
        """The smallest NumPy integer of 8, 16 or 32 bits that holds the format."""
        storage = next(width for width in (8, 16, 32) if self.bits <= width)
        return np.dtype(f"{'' if self.signed else 'u'}int{storage}")

    def __str__(self) -> str:
        return f"{'' if self.signed else 'u'}int{self.bits}"

    @classmethod
    def parse(cls, text: str) -> "IntFormat":
        """The format that `str` writes: "int8", "uint4".

        Raises:
            ConfigError: anything else.
        """
        match = _NAME.fullmatch(text)
        if match is None or f"{match[1]}int{int(match[2])}" != text:
            raise ConfigError(
                f"expected an integer format such as int8 or uint4, found {text!r}"
            )
        return cls(bits=int(match[2]), signed=not match[1])


INT8: Final = IntFormat(8)
UINT8: Final = IntFormat(8, signed=False)
INT16: Final = IntFormat(16)
INT32: Final = IntFormat(32)


# A zero point or a limit: known, or an argument of the compiled function.
Number = int | Integer[Array, ""]


def is_zero(number: Number) -> bool:
    """Whether a number is known to be 0; of a traced one nothing is known."""
    return isinstance(number, int) and number == 0


@dataclass(frozen=True, slots=True)
class QParams:
    """The affine code real = scale * (q - zero_point), per tensor or per channel.

    `scale` and `zero_point` have one entry, or with `axis` one per index of that
    axis. Each scale is rounded once, here, to the nearest float32 (half even), so
    `scale` holds Python floats that are exact float32 values.

    Raises:
        ConfigError: no entries, unequal lengths, several entries without an axis,
            a scale that is not finite and positive as a normal float32 number.
    """

    scale: tuple[float, ...]
    zero_point: tuple[int, ...]
    axis: int | None = None

    def __post_init__(self) -> None:
        if not self.scale or len(self.scale) != len(self.zero_point):
            raise ConfigError(
                "expected as many scales as zero points, found "
                f"{len(self.scale)} and {len(self.zero_point)}"
            )
        if self.axis is None and len(self.scale) != 1:
            raise ConfigError(
                f"{len(self.scale)} scales need the axis that they belong to"
            )
        object.__setattr__(self, "scale", tuple(_float32(s) for s in self.scale))
        object.__setattr__(self, "zero_point", tuple(int(z) for z in self.zero_point))


def _float32(scale: float) -> float:
    """The nearest float32; a subnormal one is refused, XLA would read it as zero."""
    limits = np.finfo(np.float32)
    if math.isfinite(scale) and scale > 0:
        with np.errstate(over="ignore", under="ignore"):
            rounded = float(np.float32(scale))
        if limits.tiny <= rounded <= limits.max:
            return rounded
    raise ConfigError(f"a scale must be a positive normal float32 number, not {scale}")
