"""The one place where real scales become hardware numbers: multipliers and shifts."""

import math
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

import numpy as np
from jaxtyping import Float32, Float64, Int32, Shaped

from emu.errors import ConfigError
from emu.fixedpoint.scheme import RescaleScheme

Encoded = tuple[
    Int32[np.ndarray, " c"] | Float32[np.ndarray, " c"] | Float64[np.ndarray, " c"],
    Int32[np.ndarray, " c"],
]

MIN_SHIFT: Final = 2
MAX_SHIFT: Final = 62
MIN_POWER_SHIFT: Final = -31


def encode_scale(scale: Float64[np.ndarray, " c"], scheme: RescaleScheme) -> Encoded:
    """The multiplier and shift of each real scale, which is rounded here and only here.

    SINGLE_ROUND, DOUBLE_ROUND, SRDHM_HALF_UP, TOSA_DOUBLE, TOSA_INEXACT: scale ~
        multiplier * 2**-shift, the
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
    TOSA_SCALE16: as for 32 bits, with a multiplier in [2**14, 2**15) and shift 15
        for a multiplier 0.
    INT16X8: the 32-bit multiplier rounded half up to 16 bits, at most 2**15 - 1, and
        16 taken from the shift. Scales from 2**7 are refused, as TFLite does.
    FLOAT64: the scale, shift 0.
    ASCEND_FP16: float32 of the nearest float16 (half even), shift 0; scales beyond
        2**-14..65504 are the square of the nearest float16 to their root.
    ASCEND_S19: the nearest float32, its last 13 bits cut off, shift 0.
    SHIFT_BIT: the least shift in 1..16 after which 16 bits hold every accumulator
        that becomes less than 2**8 (AMCT itself searches it on data), and the
        nearest float32 to scale * 2**shift.

    Raises:
        ConfigError: a scale that is not finite and positive, or is too large.
    """
    if not np.all(np.isfinite(scale) & (scale > 0)):
        raise ConfigError(f"a rescale factor must be finite and positive, not {scale}")
    return ENCODERS[scheme](scale)


def multiplier_dtype(scheme: RescaleScheme) -> np.dtype:
    """The dtype of the multipliers of a scheme: int32, float32 or float64."""
    return _MULTIPLIER_DTYPES.get(scheme, np.dtype(np.int32))


def factor_limits(
    scheme: RescaleScheme,
) -> tuple[tuple[int | float, int | float], tuple[int, int]]:
    """The least and greatest multiplier and shift that a scheme is exact for."""
    if multiplier_dtype(scheme).kind == "f":
        shifts = (1, 16) if scheme is RescaleScheme.SHIFT_BIT else (0, 0)
        return (0.0, float(np.finfo(multiplier_dtype(scheme)).max)), shifts
    if scheme is RescaleScheme.POWER_OF_TWO:
        return (1, 1), (MIN_POWER_SHIFT, MAX_SHIFT)
    short = scheme in (RescaleScheme.TOSA_SCALE16, RescaleScheme.INT16X8)
    return (0, (1 << (15 if short else 31)) - 1), (1, MAX_SHIFT)


_MULTIPLIER_DTYPES: Final = MappingProxyType(
    {
        RescaleScheme.FLOAT32_HALF_EVEN: np.dtype(np.float32),
        RescaleScheme.ASCEND_FP16: np.dtype(np.float32),
        RescaleScheme.ASCEND_S19: np.dtype(np.float32),
        RescaleScheme.SHIFT_BIT: np.dtype(np.float32),
        RescaleScheme.FLOAT64: np.dtype(np.float64),
    }
)


def _encode_fraction(scale: Float64[np.ndarray, " c"], bits: int) -> Encoded:
    """A multiplier of `bits` fraction bits in [1/2, 1) and the shift that goes with it."""
    mantissa, exponent = np.frexp(scale)
    # At 31 bits the product has 22 more; adding a half below 2**31 is exact.
    multiplier = np.floor(mantissa * 2.0**bits + 0.5).astype(np.int64)
    carry = multiplier == 2**bits
    multiplier = np.where(carry, 2 ** (bits - 1), multiplier)
    shift = bits - (exponent.astype(np.int64) + carry)
    _refuse_large(scale, shift < MIN_SHIFT)
    tiny = shift > MAX_SHIFT
    return (
        np.where(tiny, 0, multiplier).astype(np.int32),
        np.where(tiny, bits, shift).astype(np.int32),
    )


def _encode_q31(scale: Float64[np.ndarray, " c"]) -> Encoded:
    return _encode_fraction(scale, 31)


def _encode_q15(scale: Float64[np.ndarray, " c"]) -> Encoded:
    return _encode_fraction(scale, 15)


def _encode_int16x8(scale: Float64[np.ndarray, " c"]) -> Encoded:
    multiplier, shift = _encode_q31(scale)
    # TFLite asserts a left shift below 8; ours is 31 minus that.
    _refuse_large(scale, shift < 31 - 7)
    reduced = (multiplier.astype(np.int64) + (1 << 15)) >> 16
    return np.minimum(reduced, (1 << 15) - 1).astype(np.int32), shift - np.int32(16)


def _encode_float32(
    scale: Float64[np.ndarray, " c"],
) -> Encoded:
    with np.errstate(over="ignore", under="ignore"):
        multiplier = scale.astype(np.float32)
    _refuse_large(scale, np.isinf(multiplier))
    tiny = multiplier < np.finfo(np.float32).tiny
    return (
        np.where(tiny, np.float32(0), multiplier),
        np.zeros(scale.shape, np.int32),
    )


def _encode_float64(scale: Float64[np.ndarray, " c"]) -> Encoded:
    return scale, np.zeros(scale.shape, np.int32)


def _encode_float16(scale: Float64[np.ndarray, " c"]) -> Encoded:
    inside = (scale >= 2.0**-14) & (scale <= 65504.0)
    with np.errstate(over="ignore", under="ignore"):
        half = np.where(inside, scale, np.sqrt(scale)).astype(np.float16)
    _refuse_large(scale, np.isinf(half))
    wide = half.astype(np.float32)
    return np.where(inside, wide, wide * wide), np.zeros(scale.shape, np.int32)


def _encode_s19(scale: Float64[np.ndarray, " c"]) -> Encoded:
    multiplier, shift = _encode_float32(scale)
    cut = multiplier.astype(np.float32).view(np.uint32) & np.uint32(0xFFFFE000)
    return cut.view(np.float32), shift


def _encode_shift_bit(scale: Float64[np.ndarray, " c"]) -> Encoded:
    # 2**15 steps of 2**shift times the scale reach 2**8.
    shift = np.clip(np.ceil(-7 - np.log2(scale)), 1, 16).astype(np.int32)
    multiplier, _ = _encode_float32(np.ldexp(scale, shift))
    return multiplier, shift


def _encode_power_of_two(
    scale: Float64[np.ndarray, " c"],
) -> Encoded:
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


ENCODERS: Final[
    Mapping[RescaleScheme, Callable[[Float64[np.ndarray, " c"]], Encoded]]
] = MappingProxyType(
    {
        RescaleScheme.SINGLE_ROUND: _encode_q31,
        RescaleScheme.DOUBLE_ROUND: _encode_q31,
        RescaleScheme.SRDHM_HALF_UP: _encode_q31,
        RescaleScheme.FLOAT32_HALF_EVEN: _encode_float32,
        RescaleScheme.POWER_OF_TWO: _encode_power_of_two,
        RescaleScheme.TOSA_DOUBLE: _encode_q31,
        RescaleScheme.TOSA_INEXACT: _encode_q31,
        RescaleScheme.TOSA_SCALE16: _encode_q15,
        RescaleScheme.INT16X8: _encode_int16x8,
        RescaleScheme.FLOAT64: _encode_float64,
        RescaleScheme.ASCEND_FP16: _encode_float16,
        RescaleScheme.ASCEND_S19: _encode_s19,
        RescaleScheme.SHIFT_BIT: _encode_shift_bit,
    }
)
