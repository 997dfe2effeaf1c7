"""The register that sums of products are held in: width, overflow, order, bias."""

from dataclasses import dataclass
from enum import Enum
from typing import Final

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Int32, Int64

from emu.errors import ConfigError
from emu.fixedpoint.overflow import OVERFLOWS, Overflow
from emu.fixedpoint.wide import to_int64

# The reduction axes of the operators that sum products.
AXES: Final = ("kd", "kh", "kw", "ci")


class Stage(Enum):
    """When `overflow` is applied to a sum: to the full one, or on the way.

    END: once. PRODUCT: after every addition of a product. TILE: after every
    addition of an exact sum of `tile` products (the last tile may be shorter).
    """

    END = "end"
    PRODUCT = "product"
    TILE = "tile"


class BiasStage(Enum):
    """Whether the register starts at the bias, or the bias is the last addition."""

    PRELOADED = "preloaded"
    AFTER = "after"


@dataclass(frozen=True, slots=True)
class Accumulator:
    """A signed register of `bits` bits, 8..48 or 64, that holds a sum of products.

    `saturate` tells when `overflow` is applied. At END the sum is exact until then
    (bias included), so order and place of the bias do not matter; for WRAP that is
    the same as wrapping after every addition. On the way they do: products are
    added in the order of the reduction axes, the first of `order` outermost, and
    the bias is held before the first product or added after the last one, with an
    overflow of its own. Axes are kh, kw, ci (and kd in three dimensions, outermost
    unless named); those that an operator does not have are passed over. Padding counts as products that are 0.
    64 bits are those of TFLite's int16x8 kernels; a bias of theirs has as many.

    Raises:
        ConfigError: another width, a tile that does not fit `saturate`, an axis
            that is unknown or named twice.
    """

    bits: int = 32
    overflow: Overflow = Overflow.WRAP
    saturate: Stage = Stage.END
    tile: int = 0
    order: tuple[str, ...] = ("kh", "kw", "ci")
    bias: BiasStage = BiasStage.PRELOADED

    def __post_init__(self) -> None:
        if not (8 <= self.bits <= 48 or self.bits == 64):
            raise ConfigError(f"an accumulator has 8 to 48 bits or 64, not {self.bits}")
        if self.tile < 0 or (self.tile > 0) != (self.saturate is Stage.TILE):
            raise ConfigError(
                f"a tile of {self.tile} products with stage {self.saturate.value!r}; "
                "expected at least 1 with 'tile', else 0"
            )
        if set(self.order) - set(AXES) or len(set(self.order)) < len(self.order):
            raise ConfigError(
                f"an order of {list(self.order)}, expected each of {list(AXES)} at "
                "most once"
            )

    @property
    def min(self) -> int:
        return -(1 << (self.bits - 1))

    @property
    def max(self) -> int:
        return (1 << (self.bits - 1)) - 1

    @property
    def dtype(self) -> np.dtype:
        """int32 up to 32 bits, else int64."""
        return np.dtype(np.int32 if self.bits <= 32 else np.int64)

    @property
    def in_steps(self) -> bool:
        """Whether the result depends on more than the exact sum: order, tile, bias.

        Wrapping on the way is wrapping at the end.
        """
        return self.saturate is not Stage.END and self.overflow is not Overflow.WRAP


def overflow_accumulator(
    acc_exact: Int32[Array, "*s"] | Int64[Array, "*s"], accumulator: Accumulator
) -> Int32[Array, "*s"] | Int64[Array, "*s"]:
    """What the register holds for an exact sum, as int32 up to 32 bits, else int64."""
    bring_inside = OVERFLOWS[accumulator.overflow]
    held = bring_inside(acc_exact, accumulator.min, accumulator.max)
    return to_int64(held) if accumulator.bits > 32 else held.astype(jnp.int32)


def overflowed(
    acc_exact: Int32[Array, "*s"] | Int64[Array, "*s"], accumulator: Accumulator
) -> Bool[Array, "*s"]:
    """Where an exact sum does not fit the register.

    An int32 sum never leaves 32 bits; to see overflow of a 32-bit register the sum
    must come from an int64 carrier.
    """
    held = np.iinfo(acc_exact.dtype)
    low = max(accumulator.min, int(held.min))
    high = min(accumulator.max, int(held.max))
    return (acc_exact < low) | (acc_exact > high)


def bits_needed(peak_min: int, peak_max: int) -> int:
    """The fewest bits of a signed integer that hold both peaks (0 and -1 need one)."""
    return 1 + max(max(peak, ~peak).bit_length() for peak in (peak_min, peak_max))
