"""Pooling and reductions: MaxPool for both; averages in float and on integers."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from functools import reduce
from types import MappingProxyType
from typing import Final

import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float32, Int32, Integer, Shaped

from emu.fixedpoint import (
    INT8,
    RESCALERS,
    IntFormat,
    Overflow,
    RescaleScheme,
    apply_overflow,
)
from emu.ops.window import (
    MAX_PIXELS,
    NO_PADDING,
    UNIT,
    Padding,
    Pair,
    pad_image,
    slices,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class MaxPool:
    """Largest value of each window; padding never wins. Float, or TOSA MAX_POOL2D."""

    kernel: Pair
    stride: Pair = UNIT
    padding: Padding = NO_PADDING
    dilation: Pair = UNIT


@dataclass(frozen=True, slots=True, kw_only=True)
class AveragePool:
    """Float mean of each window, ONNX AveragePool.

    Padding counts in the divisor only with `count_include_pad`.
    """

    kernel: Pair
    stride: Pair = UNIT
    padding: Padding = NO_PADDING
    count_include_pad: bool = False


class AverageStyle(Enum):
    """How an integer sum is divided by the count of its window.

    TOSA: times the reciprocal of the count as TOSA's reciprocal_scale gives it, with
        a single rounding.
    HALF_AWAY: the exact quotient, half away from zero: LiteRT, whose kernels average
        the codes themselves (both zero points are 0 then).
    """

    TOSA = "tosa"
    HALF_AWAY = "half-away"


@dataclass(frozen=True, slots=True, kw_only=True)
class AvgPool2d:
    """Integer mean of each window: TOSA AVG_POOL2D (input and output of one scale).

    sum of (x - x_zero_point), divided by the count as `style` says, plus zero_point,
    saturated. Without an x_zero_point of its own the operand has that of the result.
    """

    kernel: Pair
    stride: Pair = UNIT
    padding: Padding = NO_PADDING
    count_include_pad: bool = False
    zero_point: int = 0
    x_zero_point: int | None = None
    format: IntFormat = INT8
    style: AverageStyle = AverageStyle.TOSA


@dataclass(frozen=True, slots=True, kw_only=True)
class ReduceMean:
    """Float mean over axes; GlobalAveragePool is axes (1, 2) with kept dimensions."""

    axes: tuple[int, ...]
    keepdims: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class ReduceSum:
    """Float sum over axes, or integer sum of (x - x_zero_point): TOSA REDUCE_SUM.

    Integers are summed in int32; a `rescale` by scale_in / (scale_out * count) makes
    that a mean with one rounding. Floats have no zero point.
    """

    axes: tuple[int, ...]
    keepdims: bool = True
    x_zero_point: int = 0


def _reduce_window(
    x: Array,
    kernel: Pair,
    stride: Pair,
    dilation: Pair,
    combine: Callable[[Array, Array], Array],
) -> Array:
    """Combine the taps of each window of a padded image, along w and then along h.

    kh + kw steps instead of kh * kw; `combine` is associative (on floats: nearly).
    """
    (kh, kw), (sh, sw), (dh, dw) = kernel, stride, dilation
    wide = reduce(combine, (tap for _, tap in slices(x, (1, kw), (1, sw), (1, dw))))
    return reduce(combine, (tap for _, tap in slices(wide, (kh, 1), (sh, 1), (dh, 1))))


def max_pool(op: MaxPool, x: Shaped[Array, "n h w c"]) -> Shaped[Array, "n oh ow c"]:
    """Maximum over the window, in the dtype of x."""
    floating = jnp.issubdtype(x.dtype, jnp.floating)
    least = -math.inf if floating else int(jnp.iinfo(x.dtype).min)
    image = pad_image(x, op.padding, least)
    return _reduce_window(image, op.kernel, op.stride, op.dilation, jnp.maximum)


def window_counts(size: Pair, op: AveragePool | AvgPool2d) -> np.ndarray:
    """Number of pixels each window divides by, shape 1 oh ow 1, int64.

    Raises ValueError for an image of more than MAX_PIXELS.
    """
    if math.prod(size) > MAX_PIXELS:
        raise ValueError(f"an image of {size[0]} x {size[1]} pixels")
    inside = np.full(size, 1, np.int64)
    padded = np.pad(inside, op.padding, constant_values=int(op.count_include_pad))
    windows = np.lib.stride_tricks.sliding_window_view(padded, op.kernel)
    counts = windows[:: op.stride[0], :: op.stride[1]].sum((-2, -1))
    return counts[None, :, :, None]


def _window_sum(x: Array, op: AveragePool | AvgPool2d) -> Array:
    """Sum over each window of an image whose padding is zero."""
    image = pad_image(x, op.padding, 0)
    return _reduce_window(image, op.kernel, op.stride, UNIT, jnp.add)


def average_pool(
    op: AveragePool, x: Float32[Array, "n h w c"]
) -> Float32[Array, "n oh ow c"]:
    """Mean over the window."""
    total = _window_sum(x, op)
    counts = window_counts((x.shape[1], x.shape[2]), op).astype(np.float32)
    return total / jnp.asarray(counts)


def reciprocal_scale(count: int) -> tuple[int, int]:
    """Multiplier and shift of 1/count (TOSA 1.0 specification, reciprocal_scale).

    k = number of bits of (count - 1); multiplier = ((2**30 + 1) << k) // count and
    shift = 30 + k, so that the multiplier fits 31 bits.
    """
    k = (count - 1).bit_length()
    return (((1 << 30) + 1) << k) // count, 30 + k


def _by_reciprocal(
    total: Int32[Array, "n oh ow c"], counts: np.ndarray
) -> Integer[Array, "n oh ow c"]:
    pairs = [reciprocal_scale(int(count)) for count in counts.flat]
    multiplier = np.array([m for m, _ in pairs], np.int32).reshape(counts.shape)
    shift = np.array([s for _, s in pairs], np.int64).reshape(counts.shape)
    return RESCALERS[RescaleScheme.SINGLE_ROUND](
        total, jnp.asarray(multiplier), jnp.asarray(shift)
    )


def _half_away(
    total: Int32[Array, "n oh ow c"], counts: np.ndarray
) -> Integer[Array, "n oh ow c"]:
    """Truncating division after half the count, cut, was added away from zero."""
    divisor = jnp.broadcast_to(jnp.asarray(counts, jnp.int32), total.shape)
    half = divisor // 2
    return lax.div(jnp.where(total > 0, total + half, total - half), divisor)


_DIVISIONS: Final = MappingProxyType(
    {
        AverageStyle.TOSA: _by_reciprocal,
        AverageStyle.HALF_AWAY: _half_away,
    }
)


def avg_pool2d(
    op: AvgPool2d, x: Integer[Array, "n h w c"]
) -> Integer[Array, "n oh ow c"]:
    """Integer mean, in the dtype of x."""
    z = op.zero_point if op.x_zero_point is None else op.x_zero_point
    total = _window_sum(x.astype(jnp.int32) - z, op)
    counts = window_counts((x.shape[1], x.shape[2]), op)
    mean = _DIVISIONS[op.style](total, counts)
    shifted = mean + jnp.asarray(op.zero_point, mean.dtype)
    return apply_overflow(shifted, op.format, Overflow.SATURATE).astype(x.dtype)


def reduce_mean(op: ReduceMean, x: Float32[Array, "..."]) -> Float32[Array, "..."]:
    """Mean over the axes."""
    return jnp.mean(x, axis=op.axes, keepdims=op.keepdims)


def reduce_sum(
    op: ReduceSum, x: Float32[Array, "..."] | Integer[Array, "..."]
) -> Float32[Array, "..."] | Integer[Array, "..."]:
    """Sum over the axes; of integers without the zero point, int32."""
    if jnp.issubdtype(x.dtype, jnp.floating):
        return jnp.sum(x, axis=op.axes, keepdims=op.keepdims)
    values = x.astype(jnp.int32) - op.x_zero_point
    return jnp.sum(values, axis=op.axes, keepdims=op.keepdims, dtype=jnp.int32)
