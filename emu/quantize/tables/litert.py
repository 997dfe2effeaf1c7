"""Tables as the kernels of LiteRT compute them, for 8-bit tensors and int16.

Source: LiteRT tflite/kernels/activations.cc and internal/common.h (LUTPopulate),
internal/reference/{leaky_relu,hard_swish,requantize}.h. All float arithmetic of the
8-bit tables is float32; functions of libm are taken as rounded once, from float64.
"""

import math

import numpy as np
from jaxtyping import Float32, Int64, Integer

from emu.fixedpoint import IntFormat, QParams
from emu.quantize.tables.arithmetic import (
    Factor,
    RealFunction,
    away,
    doubling_high_16,
    factor_of,
    halving_divide,
    levels,
    multiply,
    saturate,
)

Reals = Float32[np.ndarray, " n"]


def lookup(
    function: RealFunction,
    x: QParams,
    x_format: IntFormat,
    y: QParams,
    y_format: IntFormat,
) -> Integer[np.ndarray, " n"]:
    """LUTPopulate for 8 bits: round half away of f(real) * (1 / scale), float32."""
    steps = levels(x, x_format).astype(np.float32)
    reals = np.float32(x.scale[0]) * steps
    with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
        values = function(reals.astype(np.float64)).astype(np.float32)
        rounded = away(values * (np.float32(1) / np.float32(y.scale[0])))
    # Clip before the cast; the C cast of larger values is undefined.
    moved = np.clip(rounded + np.float32(y.zero_point[0]), -(2.0**30), 2.0**30)
    return saturate(moved.astype(np.int64), y_format)


def rectifier(
    low: float,
    high: float,
    x: QParams,
    x_format: IntFormat,
    y: QParams,
    y_format: IntFormat,
) -> Integer[np.ndarray, " n"]:
    """ReluX: rescaled, then limited by the quantized limits (roundf of the quotient)."""
    scaled = multiply(levels(x, x_format), factor_of(_ratio(x, y)))
    scale = np.float32(y.scale[0])
    zero = y.zero_point[0]
    least = max(y_format.min, zero + int(away(np.float32(low) / scale)))
    most = y_format.max
    if not math.isinf(high):
        most = min(most, zero + int(away(np.float32(high) / scale)))
    limited = np.minimum(np.maximum(scaled + zero, least), most)
    return limited.astype(y_format.dtype)


def _ratio(x: QParams, y: QParams) -> float:
    """Input scale over output scale, a float32 quotient as the kernels take it."""
    return float(np.float32(x.scale[0]) / np.float32(y.scale[0]))


def leaky_relu(
    alpha: float, x: QParams, x_format: IntFormat, y: QParams, y_format: IntFormat
) -> Integer[np.ndarray, " n"]:
    """Two multipliers, of scale and of alpha * scale; both products are float32."""
    steps = levels(x, x_format)
    product = np.float32(x.scale[0]) * np.float32(alpha)
    slope = float(product / np.float32(y.scale[0]))
    below = multiply(steps, factor_of(abs(slope)))
    below = -below if slope < 0 else below
    above = multiply(steps, factor_of(_ratio(x, y)))
    return saturate(np.where(steps >= 0, above, below) + y.zero_point[0], y_format)


def prelu(
    slope: int,
    slope_scale: float,
    x: QParams,
    x_format: IntFormat,
    y: QParams,
    y_format: IntFormat,
) -> Integer[np.ndarray, " n"]:
    """One channel: like leaky_relu, with the slope's code (centred) as a factor of x.

    Source: LiteRT internal/reference/prelu.h.
    """
    steps = levels(x, x_format)
    product = np.float32(x.scale[0]) * np.float32(slope_scale)
    factor = factor_of(float(product / np.float32(y.scale[0])))
    below = multiply(steps * slope, factor)
    above = multiply(steps, factor_of(_ratio(x, y)))
    return saturate(np.where(steps >= 0, above, below) + y.zero_point[0], y_format)


def requantize(
    x: QParams, x_format: IntFormat, y: QParams, y_format: IntFormat, *, half_up: bool
) -> Integer[np.ndarray, " n"]:
    """QUANTIZE of an integer: one multiplier, the quotient of the scales in float64."""
    ratio = x.scale[0] / y.scale[0]
    scaled = multiply(levels(x, x_format), factor_of(ratio), half_up=half_up)
    return saturate(scaled + y.zero_point[0], y_format)


def joined(
    x: QParams, x_format: IntFormat, y: QParams, y_format: IntFormat
) -> Integer[np.ndarray, " n"]:
    """An operand of CONCATENATION (uint8): code * scale + bias in float32, half away.

    Source: LiteRT internal/reference/concatenation.h, ConcatenationWithScaling.
    """
    codes = np.arange(x_format.min, x_format.max + 1).astype(np.float32)
    if x == y:
        return codes.astype(y_format.dtype)
    scale = np.float32(x.scale[0]) * (np.float32(1) / np.float32(y.scale[0]))
    bias = np.float32(-x.zero_point[0]) * scale
    steps = away(codes * scale + bias).astype(np.int64)
    return saturate(steps + y.zero_point[0], y_format)


def hard_swish(
    x: QParams, x_format: IntFormat, y: QParams, y_format: IntFormat
) -> Integer[np.ndarray, " n"]:
    """The 16-bit fixed-point rule of HARD_SWISH, with its saturating shifts."""
    hires_scale = np.float32(1 / 128) * np.float32(x.scale[0])
    out = factor_of(float(hires_scale / np.float32(y.scale[0])))
    relu = factor_of(float(hires_scale / np.float32(3 / 32768)))
    hires = _to_int16(levels(x, x_format) << 7)
    preshift = doubling_high_16(hires, _narrow(out))
    gate = hires
    if relu.exponent > 0:
        gate = _shift_saturating(gate, relu.exponent - 1)
    gate = doubling_high_16(gate, _narrow(relu))
    if relu.exponent > 0:
        gate = _shift_saturating(gate, 1)
    if relu.exponent < 0:
        gate = halving_divide(gate, -relu.exponent)
    gate = (gate + (1 << 15)) >> 1
    # A product of two int16 over 2**15, cut towards zero.
    product = gate * preshift
    cut = np.where(product < 0, -((-product) >> 15), product >> 15)
    value = halving_divide(cut, -out.exponent) + y.zero_point[0]
    return saturate(_to_int16(value), y_format)


def _to_int16(x: Int64[np.ndarray, " n"]) -> Int64[np.ndarray, " n"]:
    """The low 16 bits with their sign, as a store to int16 keeps them."""
    return ((x + (1 << 15)) & 0xFFFF) - (1 << 15)


def _shift_saturating(x: Int64[np.ndarray, " n"], by: int) -> Int64[np.ndarray, " n"]:
    return np.clip(x << by, -(1 << 15), (1 << 15) - 1)


def _narrow(factor: Factor) -> int:
    """A 31-bit multiplier rounded to 15 bits, half up, at most 32767."""
    if factor.multiplier >= 0x7FFF0000:
        return 0x7FFF
    return (factor.multiplier + (1 << 15)) >> 16
