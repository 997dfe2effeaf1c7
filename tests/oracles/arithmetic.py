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


def round_real(x: Array, mode: Rounding) -> Array:
    """Round float32 values to integers held in float64.

    The sums with a half are exact in float64, or too far from a tie to matter.
    """
    v = x.astype(np.float64)
    size = np.abs(v)
    rounded = {
        Rounding.HALF_EVEN: lambda: np.rint(v),
        Rounding.HALF_AWAY: lambda: np.sign(v) * np.floor(size + 0.5),
        Rounding.HALF_UP: lambda: np.floor(v + 0.5),
        Rounding.HALF_DOWN: lambda: np.ceil(v - 0.5),
        Rounding.HALF_TOWARD_ZERO: lambda: np.sign(v) * np.ceil(size - 0.5),
        Rounding.FLOOR: lambda: np.floor(v),
        Rounding.CEIL: lambda: np.ceil(v),
        Rounding.TOWARD_ZERO: lambda: np.trunc(v),
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


def scale_power(x: Array, shift: Array) -> Array:
    """x * 2**-shift, ties towards plus infinity."""
    left, right = np.maximum(-shift, 0), np.maximum(shift, 0)
    return ((x << left) + ((1 << right) >> 1)) >> right


def scale_integers(
    x: Array, multiplier: Array, shift: Array, scheme: RescaleScheme
) -> Array:
    """Exact integers times scales, one or one per entry of the last axis."""
    x = integers(x)
    if scheme is RescaleScheme.FLOAT32_HALF_EVEN:
        return scale_float(x, multiplier)
    m, s = integers(multiplier), integers(shift)
    if scheme is RescaleScheme.SINGLE_ROUND:
        return scale_single(x, m, s)
    if scheme is RescaleScheme.DOUBLE_ROUND:
        return scale_double(x, m, s)
    if scheme is RescaleScheme.SRDHM_HALF_UP:
        return scale_half_up(x, m, s)
    if scheme is RescaleScheme.POWER_OF_TWO:
        return scale_power(x, s)
    raise AssertionError(scheme)
