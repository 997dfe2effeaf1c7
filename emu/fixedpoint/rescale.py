"""From accumulators to the next tensor's steps: every scheme of multiplying by a scale.

`rescale` is the one place where the numbers of `encode_scale` are applied.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

import jax.numpy as jnp
from jaxtyping import Array, Float32, Float64, Int, Int32, Int64

from emu.fixedpoint.rounding import Rounding, round_float, round_shift, shift_half_up
from emu.fixedpoint.scheme import RescaleScheme
from emu.fixedpoint.wide import to_int64


def rescale(
    acc: Int32[Array, "*s"] | Int64[Array, "*s"],
    multiplier: Int32[Array, " c"] | Float32[Array, " c"] | Float64[Array, " c"],
    shift: Int32[Array, " c"],
    scheme: RescaleScheme,
    rounding: Rounding = Rounding.HALF_UP,
    seed: int = 0,
) -> Int64[Array, "*s"]:
    """Multiply acc by its scale, rounded by `scheme`: before zero point and saturation.

    `multiplier` and `shift` come from `encode_scale` or a file, of length 1 or that
    of the last axis of acc: any multiplier >= 0 that the scheme's hardware holds, and
    shifts in 2..62 (SHIFT_BIT 1..16, POWER_OF_TWO -31..62). Exact for every int32
    acc, and for int64 ones (accumulators of more than 32 bits, up to 48) wherever the
    result is below 2**62; pass int32 where the values are, it is the fast path.
    `rounding` and `seed` are for POWER_OF_TWO alone. Needs 64-bit types.
    """
    shape = (1,) * (acc.ndim - 1) + (-1,) if acc.ndim else ()
    shifts = to_int64(jnp.reshape(shift, shape))
    if scheme is RescaleScheme.POWER_OF_TWO and rounding is not Rounding.HALF_UP:
        left = to_int64(acc) << jnp.maximum(-shifts, 0)
        return round_shift(left, jnp.maximum(shifts, 0), rounding, seed)
    return RESCALERS[scheme](acc, jnp.reshape(multiplier, shape), shifts)


def _multiply_shift(
    acc: Int[Array, "*s"], multiplier: Int32[Array, "*#s"], shift: Int64[Array, "*#s"]
) -> Int64[Array, "*s"]:
    """(acc * multiplier + 2**(shift-1)) >> shift, for 1 <= shift <= 62."""
    if acc.dtype == jnp.int32:
        # |product| < 2**62 and the bias <= 2**61.
        return shift_half_up(to_int64(acc) * to_int64(multiplier), shift)
    return _shift_wide(*_multiply_wide(acc, multiplier), shift)


def _multiply_wide(
    acc: Int64[Array, "*s"], multiplier: Int32[Array, "*#s"]
) -> tuple[Int64[Array, "*s"], Int64[Array, "*s"]]:
    """Product of the two as high * 2**24 + low, 0 <= low < 2**24, for |acc| < 2**48."""
    # acc = high * 2**24 + low: two products of at most 55 bits.
    factor = to_int64(multiplier)
    low = (acc & 0xFFFFFF) * factor
    return (acc >> 24) * factor + (low >> 24), low & 0xFFFFFF


def _shift_wide(
    high: Int64[Array, "*s"], low: Int64[Array, "*s"], shift: Int64[Array, "*#s"]
) -> Int64[Array, "*s"]:
    """(high * 2**24 + low) / 2**shift, half up."""
    few = jnp.minimum(shift, 24)
    return jnp.where(
        shift > 24,
        shift_half_up(high, jnp.maximum(shift - 24, 0)),
        (high << (24 - few)) + shift_half_up(low, few),
    )


def _scale16(
    acc: Int[Array, "*s"], multiplier: Int32[Array, "*#s"], shift: Int64[Array, "*#s"]
) -> Int64[Array, "*s"]:
    # 48 bits times 15: the product is at most 2**62.
    return shift_half_up(to_int64(acc) * to_int64(multiplier), shift)


def _srdhm(
    acc: Int[Array, "*s"], multiplier: Int32[Array, "*#s"], shift: Int64[Array, "*#s"]
) -> Int64[Array, "*s"]:
    # 2**left * x * m is a multiple of 2**left, which divides out of the rounding.
    return _multiply_shift(acc, multiplier, jnp.minimum(shift, 31))


def _double_round(
    acc: Int[Array, "*s"], multiplier: Int32[Array, "*#s"], shift: Int64[Array, "*#s"]
) -> Int64[Array, "*s"]:
    """TOSA's formula, which is gemmlowp's: both roundings in one shift.

    For acc >= 0 two shifts half up, by 31 and by shift - 31, are one with both biases.
    For acc < 0 half away is half up of a number that is one less, and that one is
    2**31 before the first shift: 2**30 - 2**31 is -2**30.
    """
    steps = jnp.where(acc >= 0, jnp.int64(1 << 6), jnp.int64(-(1 << 6)))
    steps = jnp.where(shift > 31, steps, 0)  # of 2**24
    if acc.dtype == jnp.int32:
        product = to_int64(acc) * to_int64(multiplier)
        return shift_half_up(product + (steps << 24), shift)
    high, low = _multiply_wide(acc, multiplier)
    return _shift_wide(high + steps, low, shift)


def _srdhm_half_up(
    acc: Int[Array, "*s"], multiplier: Int32[Array, "*#s"], shift: Int64[Array, "*#s"]
) -> Int64[Array, "*s"]:
    high = _srdhm(acc, multiplier, shift)
    return shift_half_up(high, jnp.maximum(shift - 31, 0))


def _float32_half_even(
    acc: Int[Array, "*s"],
    multiplier: Float32[Array, "*#s"],
    shift: Int64[Array, "*#s"],  # noqa: ARG001
) -> Int64[Array, "*s"]:
    rounded = jnp.rint(acc.astype(jnp.float32) * multiplier)
    # Clip, then cast; 2**62 is a float32 number.
    return to_int64(jnp.clip(rounded, -(2.0**62), 2.0**62))


def _float64(
    acc: Int[Array, "*s"],
    multiplier: Float64[Array, "*#s"],
    shift: Int64[Array, "*#s"],  # noqa: ARG001
) -> Int64[Array, "*s"]:
    rounded = round_float(
        to_int64(acc).astype(jnp.float64) * multiplier, Rounding.HALF_AWAY
    )
    return to_int64(jnp.clip(rounded, -(2.0**62), 2.0**62))


def _shift_bit(
    acc: Int[Array, "*s"],
    multiplier: Float32[Array, "*#s"],
    shift: Int64[Array, "*#s"],
) -> Int64[Array, "*s"]:
    half = jnp.clip(acc >> shift.astype(acc.dtype), -(1 << 15), (1 << 15) - 1)
    return _float32_half_even(half, multiplier, shift)


def _power_of_two(
    acc: Int[Array, "*s"],
    multiplier: Int32[Array, "*#s"],  # noqa: ARG001
    shift: Int64[Array, "*#s"],
) -> Int64[Array, "*s"]:
    left = to_int64(acc) << jnp.maximum(-shift, 0)
    return shift_half_up(left, jnp.maximum(shift, 0))


RESCALERS: Final[Mapping[RescaleScheme, Callable[..., Int64[Array, "*s"]]]] = (
    MappingProxyType(
        {
            # Each takes acc, and multiplier and shift broadcast against it.
            RescaleScheme.SINGLE_ROUND: _multiply_shift,
            RescaleScheme.DOUBLE_ROUND: _double_round,
            RescaleScheme.SRDHM_HALF_UP: _srdhm_half_up,
            RescaleScheme.FLOAT32_HALF_EVEN: _float32_half_even,
            RescaleScheme.POWER_OF_TWO: _power_of_two,
            RescaleScheme.TOSA_DOUBLE: _double_round,
            RescaleScheme.TOSA_INEXACT: _multiply_shift,
            RescaleScheme.TOSA_SCALE16: _scale16,
            RescaleScheme.INT16X8: _scale16,
            RescaleScheme.FLOAT64: _float64,
            RescaleScheme.ASCEND_FP16: _float32_half_even,
            RescaleScheme.ASCEND_S19: _float32_half_even,
            RescaleScheme.SHIFT_BIT: _shift_bit,
        }
    )
)
