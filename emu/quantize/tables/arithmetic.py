"""Fixed-point arithmetic on NumPy integers, for tables made while lowering.

int64 throughout; operands are table indices of at most 16 bits (times a slope of 8),
so nothing overflows.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Float64, Int64, Integer

from emu.fixedpoint import IntFormat, QParams

RealFunction = Callable[[Float64[np.ndarray, " n"]], Float64[np.ndarray, " n"]]


class Factor(NamedTuple):
    """A real factor as multiplier * 2**(exponent - 31), multiplier in 2**30..2**31."""

    multiplier: int
    exponent: int


def levels(x: QParams, fmt: IntFormat) -> Int64[np.ndarray, " n"]:
    """Every value of a format without its zero point, from the least."""
    return np.arange(fmt.min, fmt.max + 1, dtype=np.int64) - x.zero_point[0]


def saturate(x: Int64[np.ndarray, "*s"], fmt: IntFormat) -> Integer[np.ndarray, "*s"]:
    """Brought inside the format, in its dtype."""
    return np.clip(x, fmt.min, fmt.max).astype(fmt.dtype)


def away(x: Float[np.ndarray, "*s"] | np.floating) -> Float[np.ndarray, "*s"]:
    """Round half away from zero, as C's round; exact in the dtype of x."""
    whole = np.trunc(x)
    # The difference is exact, so the comparison is that of the real numbers.
    return np.asarray(whole + np.sign(x) * (np.abs(x - whole) >= 0.5), whole.dtype)


def factor_of(real: float) -> Factor:
    """QuantizeMultiplier of TFLite: 31 bits, half away; tiny factors become 0."""
    mantissa, exponent = np.frexp(np.float64(real))
    multiplier = int(np.floor(mantissa * 2.0**31 + 0.5))
    exponent = int(exponent)
    if multiplier == 1 << 31:
        multiplier, exponent = 1 << 30, exponent + 1
    return Factor(multiplier, exponent) if exponent >= -31 else Factor(0, 0)


def halving_divide(x: Int64[np.ndarray, "*s"], by: int) -> Int64[np.ndarray, "*s"]:
    """X / 2**by rounded half away from zero (gemmlowp RoundingDivideByPOT)."""
    half = (1 << by) >> 1
    return np.where(x < 0, -((-x + half) >> by), (x + half) >> by)


def multiply(
    x: Int64[np.ndarray, "*s"], factor: Factor, *, half_up: bool = False
) -> Int64[np.ndarray, "*s"]:
    """MultiplyByQuantizedMultiplier with two roundings, the second half away.

    `half_up`: the second rounds half up, as vector units do.
    """
    left, right = max(factor.exponent, 0), max(-factor.exponent, 0)
    high = ((x << left) * factor.multiplier + (1 << 30)) >> 31
    if half_up:
        return (high + ((1 << right) >> 1)) >> right
    return halving_divide(high, right)


def doubling_high_16(
    x: Int64[np.ndarray, "*s"], multiplier: int
) -> Int64[np.ndarray, "*s"]:
    """round(x * multiplier / 2**15) of int16 numbers, half away from zero.

    Source: gemmlowp SaturatingRoundingDoublingHighMul<int16>, whose nudge follows
    the sign and whose division cuts.
    """
    product = x * multiplier
    nudge = np.where(product >= 0, 1 << 14, 1 - (1 << 14))
    moved = product + nudge
    return np.where(moved < 0, -((-moved) >> 15), moved >> 15)
