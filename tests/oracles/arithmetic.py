"""Rounding, overflow and rescaling once more, in Python integers, for the oracle.

Arrays of dtype object hold Python integers: nothing here can overflow. The formulas
are written from their sources (TOSA 1.0, gemmlowp, ONNX), not from emu.
"""

from typing import Any

import numpy as np

from emu.fixedpoint import Overflow, RescaleScheme, Rounding

Array = np.ndarray[Any, Any]

_LIMIT = 1 << 62


def integers(x: Array) -> Array:
    """The same values as Python integers."""
    return np.asarray(x).astype(object)


def fit(x: Array, low: int, high: int, mode: Overflow) -> Array:
    """Bring exact integers into low..high."""
    x = integers(x)
    if mode is Overflow.SATURATE:
        return np.minimum(np.maximum(x, low), high)
    if mode is Overflow.SATURATE_SYMMETRIC:
        return np.minimum(np.maximum(x, max(low, -high)), high)
    if mode is Overflow.WRAP:
        return (x - low) % (high - low + 1) + low
    if mode is Overflow.SATURATE_TO_ZERO:
        return np.where((x < low) | (x > high), 0, x)
    raise AssertionError(mode)


def fit_bits(x: Array, bits: int, mode: Overflow) -> Array:
    """Bring exact integers into a signed register of so many bits."""
    return fit(x, -(2 ** (bits - 1)), 2 ** (bits - 1) - 1, mode)


def _mixed(number: int) -> int:
    """lowbias32 of hash-prospector, in Python integers."""
    number = (number ^ number >> 16) * 0x7FEB352D % 2**32
    number = (number ^ number >> 15) * 0x846CA68B % 2**32
    return number ^ number >> 16


def random_bits(shape: tuple[int, ...], seed: int) -> Array:
    """The bits that stochastic rounding draws: by place in the sample, not by sample."""
    golden = 0x9E3779B9
    start = _mixed((seed * golden + 1) % 2**32)
    size = int(np.prod(shape[1:]))
    drawn = [_mixed(place * golden % 2**32 ^ start) for place in range(size)]
    return np.broadcast_to(np.array(drawn).reshape(1, *shape[1:]), shape)


def round_real(x: Array, mode: Rounding, seed: int = 0) -> Array:
    """Round float32 values to integers held in float64.

    The sums with a half are exact in float64, or too far from a tie to matter.
    """
    v = x.astype(np.float64)
    size, nearest = np.abs(v), np.rint(v)
    whole = v == nearest
    tied = np.where(np.isfinite(v), size, 0) % 1 == 0.5
    drawn = random_bits(v.shape, seed)
    rounded = {
        Rounding.HALF_EVEN: lambda: np.rint(v),
        Rounding.HALF_AWAY: lambda: np.sign(v) * np.floor(size + 0.5),
        Rounding.HALF_UP: lambda: np.floor(v + 0.5),
        Rounding.HALF_DOWN: lambda: np.ceil(v - 0.5),
        Rounding.HALF_TOWARD_ZERO: lambda: np.sign(v) * np.ceil(size - 0.5),
        Rounding.FLOOR: lambda: np.floor(v),
        Rounding.CEIL: lambda: np.ceil(v),
        Rounding.TOWARD_ZERO: lambda: np.trunc(v),
        Rounding.HALF_ODD: lambda: np.where(tied, 2 * np.floor(v / 2) + 1, nearest),
        Rounding.AWAY_FROM_ZERO: lambda: np.sign(v) * np.ceil(size),
        Rounding.TRUNCATE_MAGNITUDE: lambda: np.floor(v) + (v < 0),
        Rounding.JAM: lambda: 2 * np.floor(v / 2) + 1,
        Rounding.JAM_UNBIASED: lambda: np.where(whole, v, 2 * np.floor(v / 2) + 1),
        Rounding.STOCHASTIC: lambda: np.floor(v) + (drawn < (v - np.floor(v)) * 2**32),
        Rounding.STOCHASTIC_EQUAL: lambda: np.floor(v) + (drawn < 2**31) * ~whole,
    }
    return rounded[mode]()


def to_integers(x: Array) -> Array:
    """Floats that are integers, as Python integers; beyond 2**62 the nearer limit."""
    flat = [int(v) for v in np.clip(x.astype(np.float64), -_LIMIT, _LIMIT).flat]
    return np.array(flat, object).reshape(x.shape)


def scale_single(x: Array, multiplier: Array, shift: Array) -> Array:
    """TOSA apply_scale_32 without double rounding."""
    return (x * multiplier + (1 << (shift - 1))) >> shift


def _doubling_high_multiply(x: Array, multiplier: Array) -> Array:
    """Gemmlowp's SRDHM; as 0 <= multiplier < 2**31 it never saturates."""
    return (x * multiplier + (1 << 30)) >> 31


def _two_steps(x: Array, multiplier: Array, shift: Array) -> tuple[Array, Array]:
    """TFLite's left shift and SRDHM; the result and the right shift to come."""
    left, right = np.maximum(31 - shift, 0), np.maximum(shift - 31, 0)
    return _doubling_high_multiply(x << left, multiplier), right


def scale_double(x: Array, multiplier: Array, shift: Array) -> Array:
    """TFLite MultiplyByQuantizedMultiplier, reference: half away from zero."""
    high, right = _two_steps(x, multiplier, shift)
    half = (1 << right) >> 1
    magnitude = (abs(high) + half) >> right
    return np.where(high < 0, -magnitude, magnitude)


def scale_half_up(x: Array, multiplier: Array, shift: Array) -> Array:
    """SRDHM, then a rounding shift with ties towards plus infinity (ruy)."""
    high, right = _two_steps(x, multiplier, shift)
    return (high + ((1 << right) >> 1)) >> right


def scale_float(x: Array, multiplier: Array) -> Array:
    """ONNX Runtime: the accumulator as float32 times a float32, rint."""
    product = x.astype(np.int64).astype(np.float32) * multiplier.astype(np.float32)
    return to_integers(np.rint(product))


def scale_double_float(x: Array, multiplier: Array) -> Array:
    """LiteRT's reference fully connected: C's round of a double product."""
    product = x.astype(np.int64).astype(np.float64) * multiplier
    return to_integers(np.sign(product) * np.floor(np.abs(product) + 0.5))


def scale_tosa_double(x: Array, multiplier: Array, shift: Array) -> Array:
    """TOSA apply_scale_32 with double rounding."""
    extra = np.where(shift > 31, np.where(x >= 0, 1 << 30, -(1 << 30)), 0)
    return (x * multiplier + extra + (1 << (shift - 1))) >> shift


def scale_power(x: Array, shift: Array) -> Array:
    """x * 2**-shift, ties towards plus infinity."""
    left, right = np.maximum(-shift, 0), np.maximum(shift, 0)
    return ((x << left) + ((1 << right) >> 1)) >> right


def scale_integers(
    x: Array, multiplier: Array, shift: Array, scheme: RescaleScheme
) -> Array:
    """Exact integers times scales, one or one per entry of the last axis."""
    x = integers(x)
    if scheme in _REAL_FACTORS:
        return scale_float(x, multiplier)
    m, s = integers(multiplier), integers(shift)
    if scheme in _ONE_ROUNDING:
        return scale_single(x, m, s)
    if scheme is RescaleScheme.TOSA_DOUBLE:
        return scale_tosa_double(x, m, s)
    if scheme is RescaleScheme.DOUBLE_ROUND:
        return scale_double(x, m, s)
    if scheme is RescaleScheme.SRDHM_HALF_UP:
        return scale_half_up(x, m, s)
    if scheme is RescaleScheme.FLOAT64:
        return scale_double_float(x, multiplier)
    if scheme is RescaleScheme.SHIFT_BIT:
        return scale_float(fit_bits(x >> s, 16, Overflow.SATURATE), multiplier)
    if scheme is RescaleScheme.POWER_OF_TWO:
        return scale_power(x, s)
    raise AssertionError(scheme)


_REAL_FACTORS = (
    RescaleScheme.FLOAT32_HALF_EVEN,
    RescaleScheme.ASCEND_FP16,
    RescaleScheme.ASCEND_S19,
)
_ONE_ROUNDING = (
    RescaleScheme.SINGLE_ROUND,
    RescaleScheme.TOSA_INEXACT,
    RescaleScheme.TOSA_SCALE16,
    RescaleScheme.INT16X8,
)
