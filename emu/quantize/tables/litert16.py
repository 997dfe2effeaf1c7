"""Tables of int16 tensors as LiteRT computes them: interpolation between few points.

Source: LiteRT tflite/kernels/internal/common.h (LUTPopulate and LUTLookup for int16)
and internal/reference/integer_ops/{logistic,tanh}.h. Every table here is written out:
65536 entries, one for each value.
"""

from typing import Final

import numpy as np
from jaxtyping import Float, Float64, Int16, Int64

from emu.errors import ConfigError
from emu.fixedpoint import INT16, QParams
from emu.quantize.tables.arithmetic import RealFunction, away

_STEPS: Final = 512
_VALUES: Final = np.arange(-(1 << 15), 1 << 15, dtype=np.int64)


def points(
    function: RealFunction,
    x_scale: float,
    x_zero_point: int,
    y_scale: float,
    real: type[np.floating] = np.float32,
) -> Int64[np.ndarray, " 513"]:
    """513 points of f, each moved by half the interpolation error of its segment.

    `real` is the C type of the arithmetic: float for layers, double for softmax.
    The output's zero point is taken as 0, as all int16 tensors have it.
    """
    scale, out = real(x_scale), real(y_scale)
    low = scale * real(INT16.min - x_zero_point)
    high = scale * real(INT16.max - x_zero_point)
    step = (high - low) / real(_STEPS)
    inverse = real(65536) / (out * real(INT16.max) - out * real(INT16.min))
    starts = low + np.arange(_STEPS + 1).astype(real) * step

    def at(x: Float[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
        # Far beyond the format, and far from infinity.
        values = np.clip(function(x.astype(np.float64)), -1e30, 1e30)
        return values.astype(real) * inverse

    first = away(at(starts[:-1]))
    middle = away((at(starts[1:]) + first) / real(2))
    error = middle - away(at(starts[:-1] + step / real(2)))
    moved = first - away(error / real(2))
    last = away(at(np.array([high], real)))
    return np.clip(np.concatenate([moved, last]), INT16.min, INT16.max).astype(np.int64)


def interpolate(
    x: Int64[np.ndarray, "*s"], table: Int64[np.ndarray, " 513"]
) -> Int64[np.ndarray, "*s"]:
    """LUTLookup: 9 bits choose the segment, 7 bits the place in it, half up."""
    index, offset = 256 + (x >> 7), x & 0x7F
    slope = table[index + 1] - table[index]
    return table[index] + ((slope * offset + 64) >> 7)


def lookup(function: RealFunction, x: QParams, y: QParams) -> Int16[np.ndarray, " n"]:
    """A layer such as EXP or GELU of an int16 tensor."""
    table = points(function, x.scale[0], x.zero_point[0], y.scale[0])
    return interpolate(_VALUES, table).astype(np.int16)


def _sigmoid_points() -> Int64[np.ndarray, " 256"]:
    """sigmoid(i / 24) * 2**16, moved by half the interpolation error; the last is 1."""

    def sigmoid(x: Float64[np.ndarray, " n"]) -> Float64[np.ndarray, " n"]:
        return 65536 / (1 + np.exp(-x))

    x = np.arange(256) / 24
    chord = (sigmoid(x) + sigmoid(x + 1 / 24)) / 2
    error = chord - sigmoid(x + 1 / 48)
    table = np.rint(sigmoid(x) - error / 2).astype(np.int64)
    table[255] = 65535
    return table


_SIGMOID: Final = _sigmoid_points()


# Input scales 2**(shift - 12) that need no multiplier.
LOGISTIC_POWERS: Final = (0,)
TANH_POWERS: Final = (0, 1)


def power_shift(x: QParams) -> int | None:
    """The whole n of an input scale that is 2**(n - 12), nearly (CheckedLog2)."""
    log2 = np.log(np.float32(x.scale[0])) * (np.float32(1) / np.log(np.float32(2)))
    whole = away(log2)
    return int(whole) + 12 if abs(log2 - whole) < 1e-3 else None


def _arguments(x: QParams, powers: tuple[int, ...]) -> Int64[np.ndarray, " n"]:
    """Every value in steps of 1 / (3 * 4096).

    A scale that is 2**-12 (times 2**shift) needs a factor of 3; any other gets a
    15-bit multiplier, cut, and a rounding shift.
    """
    if x.zero_point[0] != 0:
        raise ConfigError("int16 logistic and tanh need an input zero point of 0")
    shift = power_shift(x)
    if shift is not None and shift in powers:
        return _VALUES * (3 << shift)
    multiplier, right = float(np.float32(x.scale[0])) * 4096.0 * 3.0, 0
    while multiplier <= 32767.0 / 2.0 and right <= 30:
        multiplier, right = multiplier * 2.0, right + 1
    # The product wraps as int32 does.
    product = _VALUES * int(multiplier) + ((1 << right) >> 1)
    return _wrap_int32(product) >> right


def _wrap_int32(x: Int64[np.ndarray, " n"]) -> Int64[np.ndarray, " n"]:
    return ((x + (1 << 31)) & 0xFFFFFFFF) - (1 << 31)


def _between_points(
    size: Int64[np.ndarray, " n"], bits: int, end: int
) -> Int64[np.ndarray, " n"]:
    """The sigmoid table at |x|, with `bits` more fraction bits; `end` beyond it."""
    index, rest = size >> bits, size & ((1 << bits) - 1)
    inside = np.minimum(index, 254)
    first = _SIGMOID[inside]
    value = (first << bits) + rest * (_SIGMOID[inside + 1] - first)
    return np.where(index >= 255, end, value)


def logistic(x: QParams) -> Int16[np.ndarray, " n"]:
    """LOGISTIC of int16: output scale 2**-15."""
    at = _arguments(x, LOGISTIC_POWERS)
    value = _between_points(np.abs(at), 9, 0x7FFF << 10)
    upper = value + (1 << 9)
    lower = (1 << 25) - value + (1 << 9) - 1
    return (np.where(at >= 0, upper, lower) >> 10).astype(np.int16)


def tanh(x: QParams) -> Int16[np.ndarray, " n"]:
    """TANH of int16: 2 * sigmoid(2 * x) - 1, output scale 2**-15."""
    at = _arguments(x, TANH_POWERS)
    value = _between_points(np.abs(at), 8, 0xFFFF << 8)
    upper = value - (1 << 23) + (1 << 7)
    lower = -value + (1 << 23) + (1 << 7) - 1
    return (np.where(at >= 0, upper, lower) >> 8).astype(np.int16)
