"""Integer operators that engines carry out in float32, step by step as they do."""

from dataclasses import dataclass
from functools import reduce

import jax.numpy as jnp
from jaxtyping import Array, Float64, Integer

from emu.fixedpoint import INT8, IntFormat, QParams, Rounding, round_float
from emu.fixedpoint.wide import to_int64
from emu.ops.pool import AveragePool, window_counts
from emu.ops.single import single
from emu.ops.window import NO_PADDING, UNIT, Padding, Pair, pad_image, slices


@dataclass(frozen=True, slots=True, kw_only=True)
class FloatRescale:
    """round(x * scale + offset) + zero_point, saturated.

    x as float32, its product with `scale` and the sum with `offset` are each rounded
    to float32. XNNPACK's MEAN and SUM, LiteRT's SUM without delegates.
    """

    format: IntFormat
    scale: float
    offset: float = 0.0
    rounding: Rounding = Rounding.HALF_EVEN
    zero_point: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class DequantizedAvgPool2d:
    """Mean of each window of reals, quantized again: QLinearAveragePool.

    real = x.scale * (x - x.zero_point); the reals of a window are summed from its
    first row to its last, and divided by the count; the result is
    rint(mean / y.scale + y.zero_point), saturated. Each step is rounded to float32.

    Source: onnxruntime/contrib_ops/cpu/quantization/qlinear_pool.cc.
    """

    kernel: Pair
    stride: Pair = UNIT
    padding: Padding = NO_PADDING
    count_include_pad: bool = False
    x: QParams
    y: QParams
    format: IntFormat = INT8


def _saturated(
    x: Float64[Array, "*s"], zero_point: int, fmt: IntFormat
) -> Integer[Array, "*s"]:
    """Integers held in float64, plus the zero point, in the dtype of the format."""
    whole = to_int64(jnp.clip(x, -(2.0**40), 2.0**40)) + zero_point
    return jnp.clip(whole, fmt.min, fmt.max).astype(fmt.dtype)


def float_rescale(op: FloatRescale, x: Integer[Array, "..."]) -> Integer[Array, "..."]:
    """Codes in the storage dtype of op.format."""
    product = single(single(x.astype(jnp.float64)) * op.scale)
    moved = round_float(single(product + op.offset), op.rounding)
    return _saturated(moved, op.zero_point, op.format)


def dequantized_avg_pool2d(
    op: DequantizedAvgPool2d, x: Integer[Array, "n h w c"]
) -> Integer[Array, "n oh ow c"]:
    """Codes in the storage dtype of op.format."""
    steps = (x.astype(jnp.int32) - op.x.zero_point[0]).astype(jnp.float64)
    reals = pad_image(single(steps * op.x.scale[0]), op.padding, 0)
    taps = (tap for _, tap in slices(reals, op.kernel, op.stride, UNIT))
    total = reduce(lambda sums, tap: single(sums + tap), taps)
    windows = AveragePool(
        kernel=op.kernel,
        stride=op.stride,
        padding=op.padding,
        count_include_pad=op.count_include_pad,
    )
    counts = window_counts((x.shape[1], x.shape[2]), windows)
    mean = single(total / jnp.asarray(counts, jnp.float64))
    moved = single(single(mean / op.y.scale[0]) + op.y.zero_point[0])
    return _saturated(jnp.rint(moved), 0, op.format)
