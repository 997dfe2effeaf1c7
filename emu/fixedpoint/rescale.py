"""From accumulators to the next tensor's steps: five schemes of multiplying by a scale.

`encode_scale` is the one place where a real scale becomes hardware numbers, and
`rescale` the one place where they are applied.
"""

import math
from collections.abc import Callable, Mapping
from enum import Enum
from types import MappingProxyType
from typing import Final

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float32, Float64, Int, Int32, Int64, Shaped

from emu.errors import ConfigError
from emu.fixedpoint.rounding import Rounding, round_shift, shift_half_up
from emu.fixedpoint.wide import to_int64


class RescaleScheme(Enum):
    """How an accumulator is multiplied by a real scale.

    With multiplier m and shift s (scale ~ m * 2**-s):

    SINGLE_ROUND: (x * m + 2**(s-1)) >> s; apply_scale_32 of TOSA 1.0, and TFLite
        built with TFLITE_SINGLE_ROUNDING.
    DOUBLE_ROUND: SRDHM, then a shift half away from zero: gemmlowp, the TFLite
        reference kernels.
    SRDHM_HALF_UP: SRDHM, then a shift half up: LiteRT without delegates (ruy).
    FLOAT32_HALF_EVEN: rint(float32(x) * float32 scale): ONNX Runtime, XNNPACK.
    POWER_OF_TWO: an arithmetic shift, half up; m is 1.

    SRDHM (saturating rounding doubling high multiply, VQRDMULH) is
    (2**left * x * m + 2**30) >> 31 here, where left = max(31 - s, 0) and the shift
    that follows is max(s - 31, 0). As multipliers are not negative it never
    saturates, and 2**left * x never wraps (in TFLite that is undefined).
    """

    SINGLE_ROUND = "single-round"
    DOUBLE_ROUND = "double-round"
    SRDHM_HALF_UP = "srdhm-half-up"
    FLOAT32_HALF_EVEN = "float32-half-even"
    POWER_OF_TWO = "power-of-two"


MIN_SHIFT: Final = 2
MAX_SHIFT: Final = 62
MIN_POWER_SHIFT: Final = -31


def encode_scale(
    scale: Float64[np.ndarray, " c"], scheme: RescaleScheme
) -> tuple[
    Int32[np.ndarray, " c"] | Float32[np.ndarray, " c"], Int32[np.ndarray, " c"]
]:
    """The multiplier and shift of each real scale, which is rounded here and only here.

    SINGLE_ROUND, DOUBLE_ROUND, SRDHM_HALF_UP: scale ~ multiplier * 2**-shift, the
        multiplier int32 in [2**30, 2**31), rounded half away from zero as TFLite's
        QuantizeMultiplier does (shift = 31 - its shift); one that rounds to 2**31
        becomes 2**30 and a shift less. Shift in 2..62, so scales from 2**29 are
        refused; below 2**-32 (shift > 62) multiplier 0, shift 31, as in TFLite.
    FLOAT32_HALF_EVEN: the nearest float32 (half even), shift 0; subnormal ones
        become 0. To follow an engine that multiplies its scales in float32, pass
        that product.
    POWER_OF_TWO: multiplier 1 and the shift n whose 2**-n is nearest to the scale
        in log2 (no ties: 2**(k + 1/2) is irrational), -31..62; smaller scales get
        62, which makes every accumulator 0 as they do.

    Raises:
        ConfigError: a scale that is not finite and positive, or is too large.
    """
    if not np.all(np.isfinite(scale) & (scale > 0)):
        raise ConfigError(f"a rescale factor must be finite and positive, not {scale}")
    return ENCODERS[scheme](scale)


def _encode_q31(
    scale: Float64[np.ndarray, " c"],
) -> tuple[Int32[np.ndarray, " c"], Int32[np.ndarray, " c"]]:
    mantissa, exponent = np.frexp(scale)
    # mantissa * 2**31 has 22 fraction bits; below 2**31 adding a half is exact.
    multiplier = np.floor(mantissa * 2.0**31 + 0.5).astype(np.int64)
    carry = multiplier == 2**31
    multiplier = np.where(carry, 2**30, multiplier)
    shift = 31 - (exponent.astype(np.int64) + carry)
    _refuse_large(scale, shift < MIN_SHIFT)
    tiny = shift > MAX_SHIFT
    return (
        np.where(tiny, 0, multiplier).astype(np.int32),
        np.where(tiny, 31, shift).astype(np.int32),
    )


def _encode_float32(
    scale: Float64[np.ndarray, " c"],
) -> tuple[Float32[np.ndarray, " c"], Int32[np.ndarray, " c"]]:
    with np.errstate(over="ignore", under="ignore"):
        multiplier = scale.astype(np.float32)
    _refuse_large(scale, np.isinf(multiplier))
    tiny = multiplier < np.finfo(np.float32).tiny
    return (
        np.where(tiny, np.float32(0), multiplier),
        np.zeros(scale.shape, np.int32),
    )


def _encode_power_of_two(
    scale: Float64[np.ndarray, " c"],
) -> tuple[Int32[np.ndarray, " c"], Int32[np.ndarray, " c"]]:
    mantissa, exponent = np.frexp(scale)
    # The double sqrt(0.5) lies just above the real one: >= is "nearer to 1".
    nearest = np.where(mantissa >= math.sqrt(0.5), exponent, exponent - 1)
    _refuse_large(scale, nearest > -MIN_POWER_SHIFT)
    shift = np.minimum(-nearest, MAX_SHIFT)
    return np.ones(scale.shape, np.int32), shift.astype(np.int32)


def _refuse_large(
    scale: Float64[np.ndarray, " c"], too_large: Shaped[np.ndarray, " c"]
) -> None:
    if np.any(too_large):
        raise ConfigError(
            f"a rescale factor of {scale[too_large].max()} is too large to encode"
        )


ENCODERS: Final[Mapping[RescaleScheme, Callable]] = MappingProxyType(
    {
        RescaleScheme.SINGLE_ROUND: _encode_q31,
        RescaleScheme.DOUBLE_ROUND: _encode_q31,
        RescaleScheme.SRDHM_HALF_UP: _encode_q31,
        RescaleScheme.FLOAT32_HALF_EVEN: _encode_float32,
        RescaleScheme.POWER_OF_TWO: _encode_power_of_two,
    }
)


def rescale(
    acc: Int32[Array, "*s"] | Int64[Array, "*s"],
    multiplier: Int32[Array, " c"] | Float32[Array, " c"],
    shift: Int32[Array, " c"],
    scheme: RescaleScheme,
) -> Int64[Array, "*s"]:
    """Multiply acc by its scale, rounded by `scheme`: before zero point and saturation.

    `multiplier` and `shift` come from `encode_scale`, of length 1 or that of the
    last axis of acc. Exact for every int32 acc, and for int64 ones (accumulators
    of more than 32 bits, up to 48) wherever the result is below 2**62; pass int32
    where the values are, it is the fast path. Needs 64-bit types.
    """
    shape = (1,) * (acc.ndim - 1) + (-1,) if acc.ndim else ()
    return RESCALERS[scheme](
        acc, jnp.reshape(multiplier, shape), to_int64(jnp.reshape(shift, shape))
    )


def _multiply_shift(
    acc: Int[Array, "*s"], multiplier: Int32[Array, "*#s"], shift: Int64[Array, "*#s"]
) -> Int64[Array, "*s"]:
    """(acc * multiplier + 2**(shift-1)) >> shift, for 1 <= shift <= 62."""
    factor = to_int64(multiplier)
    if acc.dtype == jnp.int32:
        # |product| < 2**62 and the bias <= 2**61.
        return shift_half_up(to_int64(acc) * factor, shift)
    # acc = high * 2**24 + low: two products of at most 55 bits, for |acc| < 2**48.
    low = (acc & 0xFFFFFF) * factor
    high = (acc >> 24) * factor + (low >> 24)
    low = low & 0xFFFFFF
    # The product is high * 2**24 + low, and 0 <= low < 2**24.
    few = jnp.minimum(shift, 24)
    return jnp.where(
        shift > 24,
        shift_half_up(high, jnp.maximum(shift - 24, 0)),
        (high << (24 - few)) + shift_half_up(low, few),
    )


def _srdhm(
    acc: Int[Array, "*s"], multiplier: Int32[Array, "*#s"], shift: Int64[Array, "*#s"]
) -> Int64[Array, "*s"]:
    # 2**left * x * m is a multiple of 2**left, which divides out of the rounding.
    return _multiply_shift(acc, multiplier, jnp.minimum(shift, 31))


def _double_round(
    acc: Int[Array, "*s"], multiplier: Int32[Array, "*#s"], shift: Int64[Array, "*#s"]
) -> Int64[Array, "*s"]:
    high = _srdhm(acc, multiplier, shift)
    return round_shift(high, jnp.maximum(shift - 31, 0), Rounding.HALF_AWAY)


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
        }
    )
)
