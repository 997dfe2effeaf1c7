"""What happens to an integer that does not fit its format: four modes, one table."""

from collections.abc import Callable, Mapping
from enum import Enum
from types import MappingProxyType
from typing import Final

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Int

from emu.errors import ConfigError
from emu.fixedpoint.formats import IntFormat


class Overflow(Enum):
    """How a value outside [min, max] of a format is brought inside.

    SATURATE gives the nearer end; SATURATE_SYMMETRIC likewise, with -max for min
    in signed formats (and so moves min itself); WRAP keeps the low bits;
    SATURATE_TO_ZERO gives the integer 0 (SAT_ZERO of ap_fixed).
    """

    SATURATE = "saturate"
    SATURATE_SYMMETRIC = "saturate-symmetric"
    WRAP = "wrap"
    SATURATE_TO_ZERO = "saturate-to-zero"


def _within(x: Int[Array, "*s"], low: int, high: int) -> tuple[int, int]:
    """The part of [low, high] that the dtype of x can hold."""
    held = np.iinfo(x.dtype)
    return max(low, int(held.min)), min(high, int(held.max))


def _saturate(x: Int[Array, "*s"], low: int, high: int) -> Int[Array, "*s"]:
    low, high = _within(x, low, high)
    return jnp.clip(x, low, high)


def _saturate_symmetric(x: Int[Array, "*s"], low: int, high: int) -> Int[Array, "*s"]:
    return _saturate(x, max(low, -high), high)


def _wrap(x: Int[Array, "*s"], low: int, high: int) -> Int[Array, "*s"]:
    bits = (high - low).bit_length()
    held = np.iinfo(x.dtype).bits
    if low < 0:
        if bits >= held:
            return x
        unused = jnp.asarray(held - bits, x.dtype)
        return (x << unused) >> unused
    if bits >= held:
        raise ConfigError(
            f"wrapping to {bits} unsigned bits needs more than the {held} bits "
            "that carry the value"
        )
    return x & high


def _saturate_to_zero(x: Int[Array, "*s"], low: int, high: int) -> Int[Array, "*s"]:
    low, high = _within(x, low, high)
    return jnp.where((x >= low) & (x <= high), x, jnp.zeros_like(x))


OVERFLOWS: Final[
    Mapping[Overflow, Callable[[Int[Array, "*s"], int, int], Int[Array, "*s"]]]
] = MappingProxyType(
    {
        # Each takes x and the least and greatest value of a two's complement or
        # unsigned format of any width.
        Overflow.SATURATE: _saturate,
        Overflow.SATURATE_SYMMETRIC: _saturate_symmetric,
        Overflow.WRAP: _wrap,
        Overflow.SATURATE_TO_ZERO: _saturate_to_zero,
    }
)


def apply_overflow(
    x: Int[Array, "*s"], fmt: IntFormat, mode: Overflow
) -> Int[Array, "*s"]:
    """Bring x inside `fmt`; same dtype as x, which may be wider or narrower.

    Raises:
        ConfigError: WRAP to an unsigned format that the dtype of x cannot hold.
    """
    return OVERFLOWS[mode](x, fmt.min, fmt.max)
