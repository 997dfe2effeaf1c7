"""Convolutions: Conv in float; Conv2d and DepthwiseConv2d on integers."""

from dataclasses import dataclass
from functools import reduce
from typing import Final

import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float32, Integer

from emu.fixedpoint import (
    Accumulator,
    Carrier,
    Overflow,
    dot,
    overflow_accumulator,
)
from emu.ops.window import (
    NO_PADDING,
    UNIT,
    Padding,
    Pair,
    pad_image,
    patches,
    slices,
    window_count,
)

WRAPPING_32: Final = Accumulator(32, Overflow.WRAP)


@dataclass(frozen=True, slots=True, kw_only=True)
class Conv:
    """Float convolution, ONNX Conv with NHWC images and HWIO weights."""

    stride: Pair = UNIT
    padding: Padding = NO_PADDING
    dilation: Pair = UNIT
    groups: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Conv2d:
    """Integer convolution to accumulators: TOSA CONV2D, with groups and any width.

    acc = overflow(bias + sum over kh, kw, ci of (x - x_zero_point) * w); padding
    contributes nothing, that is, x is padded with its zero point.
    """

    stride: Pair = UNIT
    padding: Padding = NO_PADDING
    dilation: Pair = UNIT
    groups: int = 1
    x_zero_point: int = 0
    accumulator: Accumulator = WRAPPING_32


@dataclass(frozen=True, slots=True, kw_only=True)
class DepthwiseConv2d:
    """Integer depthwise convolution to accumulators: TOSA DEPTHWISE_CONV2D.

    Weights are kh kw c m; output channel c*m_count + m sees input channel c only.
    """

    stride: Pair = UNIT
    padding: Padding = NO_PADDING
    dilation: Pair = UNIT
    x_zero_point: int = 0
    accumulator: Accumulator = WRAPPING_32


def conv(
    op: Conv,
    x: Float32[Array, "n h w ci"],
    w: Float32[Array, "kh kw cig co"],
    bias: Float32[Array, " co"] | None = None,
) -> Float32[Array, "n oh ow co"]:
    """Float convolution plus bias.

    One input channel a group runs as shifted multiply-adds: XLA's own grouped
    convolution is 50 times slower on CPUs.
    """
    kh, kw, per_group, co = w.shape
    if per_group == 1 and op.groups > 1:
        depth = w.reshape(kh, kw, op.groups, co // op.groups)
        y = _shifted_multiply_add(pad_image(x, op.padding, 0.0), depth, op)
    else:
        y = lax.conv_general_dilated(
            x,
            w,
            op.stride,
            op.padding,
            rhs_dilation=op.dilation,
            dimension_numbers=("NHWC", "HWIO", "NHWC"),
            feature_group_count=op.groups,
            precision=lax.Precision.HIGHEST,
        )
    return y if bias is None else y + bias.reshape(1, 1, 1, -1)


# Below this many channels XLA's innermost loop over them is too short to be fast.
_FEW_CHANNELS: Final = 64


def _shifted_multiply_add(x: Array, w: Array, op: "Conv | DepthwiseConv2d") -> Array:
    """Sum over taps of x * w, in the dtype of w; x "n ph pw c", w "kh kw c m"."""
    kh, kw, c, m = w.shape
    if m == 1 and c < _FEW_CHANNELS and op.stride[1] == 1:
        return _multiply_add_along_rows(x, w.reshape(kh, kw, c), op)
    products = []
    for (i, j), tap in slices(x, (kh, kw), op.stride, op.dilation):
        wide = tap.astype(w.dtype)
        if m > 1:
            wide = jnp.repeat(wide, m, axis=-1)
        products.append(wide * w[i, j].reshape(1, 1, 1, c * m))
    return reduce(jnp.add, products)


def _multiply_add_along_rows(x: Array, w: Array, op: "Conv | DepthwiseConv2d") -> Array:
    """The same on rows of pw*c values, for long innermost loops; w "kh kw c".

    A tap is a shift of the row by whole pixels. The weights repeat along the row; a
    product with a one-hot matrix repeats them, because XLA would fuse a plain tiling
    into the loop (measured on 112x112x8: 1.7 ms instead of 11.8).
    """
    (n, ph, pw, c), (kh, kw, _) = x.shape, w.shape
    oh, ow = window_count((ph, pw), (kh, kw), op.stride, op.dilation)
    repeat = jnp.tile(jnp.eye(c, dtype=w.dtype), (1, ow))
    rows = x.reshape(n, ph, pw * c)
    tiled = jnp.matmul(w.reshape(kh * kw, c), repeat, precision=lax.Precision.HIGHEST)
    products = []
    for i in range(kh):
        for j in range(kw):
            top, left = i * op.dilation[0], j * op.dilation[1] * c
            bottom = top + (oh - 1) * op.stride[0] + 1
            tap = rows[:, top : bottom : op.stride[0], left : left + ow * c]
            products.append(tap.astype(w.dtype) * tiled[i * kw + j].reshape(1, 1, -1))
    return reduce(jnp.add, products).reshape(n, oh, ow, c)


def conv2d(
    op: Conv2d,
    x: Integer[Array, "n h w ci"],
    w: Integer[Array, "kh kw cig co"],
    bias: Integer[Array, " co"],
    *,
    carrier: Carrier = Carrier.INT64,
) -> Integer[Array, "n oh ow co"]:
    """Accumulators, int32 (int64 for accumulators wider than 32 bits).

    `carrier` must be proved exact for these weights (`fixedpoint.choose_carrier`).
    The zero point is folded into the bias: sum((x - z) * w) = sum(x * w) - z * sum(w),
    which holds in exact arithmetic and modulo 2**32 alike.
    """
    kh, kw, per_group, co = w.shape
    image, zero_point = centred(
        pad_image(x, op.padding, op.x_zero_point), op.x_zero_point
    )
    columns = patches(image, (kh, kw), op.stride, op.dilation)
    n, oh, ow, _ = columns.shape
    if op.groups == 1:
        acc = dot(columns.reshape(n * oh * ow, -1), w.reshape(-1, co), carrier)
    else:
        taps = columns.reshape(n * oh * ow, kh * kw, op.groups, per_group)
        parts = [
            dot(
                taps[:, :, g].reshape(n * oh * ow, -1),
                part.reshape(-1, co // op.groups),
                carrier,
            )
            for g, part in enumerate(jnp.split(w, op.groups, axis=-1))
        ]
        acc = jnp.concatenate(parts, axis=-1)
    folded = fold_zero_point(bias, w, (0, 1, 2), zero_point, acc.dtype)
    acc = acc + folded.reshape(1, co)
    return overflow_accumulator(acc, op.accumulator).reshape(n, oh, ow, co)


def centred(
    x: Integer[Array, "*s"], x_zero_point: int
) -> tuple[Integer[Array, "*s"], int]:
    """The same values about another zero point, as operands of an exact dot.

    int8 stays; uint8 moves to int8 by 128; wider operands lose their zero point, so
    that no product is larger than the bound on partial sums allows.
    """
    if x.dtype == jnp.int8:
        return x, x_zero_point
    if x.dtype == jnp.uint8:
        return (x.astype(jnp.int16) - 128).astype(jnp.int8), x_zero_point - 128
    return x.astype(jnp.int32) - x_zero_point, 0


def fold_zero_point(
    bias: Integer[Array, " co"],
    w: Integer[Array, "..."],
    axes: tuple[int, ...],
    x_zero_point: int,
    dtype: np.dtype,
) -> Integer[Array, " co"]:
    """Bias minus zero point times the sum of the weights of each output."""
    sums = jnp.sum(w, axis=axes, dtype=dtype)
    return bias.astype(dtype) - sums * jnp.asarray(x_zero_point, dtype)


def depthwise_conv2d(
    op: DepthwiseConv2d,
    x: Integer[Array, "n h w c"],
    w: Integer[Array, "kh kw c m"],
    bias: Integer[Array, " co"],
    *,
    carrier: Carrier = Carrier.INT64,
) -> Integer[Array, "n oh ow co"]:
    """Accumulators by shifted multiply-adds in int32, or int64 where those overflow.

    int32 is exact whenever the carrier is one with 32-bit sums (INT8, FLOAT32): their
    proofs bound every partial sum, or the accumulator wraps at 32 bits or fewer.
    """
    narrow = carrier in (Carrier.INT8, Carrier.FLOAT32)
    dtype = jnp.dtype(jnp.int32 if narrow else jnp.int64)
    image, zero_point = centred(
        pad_image(x, op.padding, op.x_zero_point), op.x_zero_point
    )
    acc = _shifted_multiply_add(image, w.astype(dtype), op)
    weights = w.reshape(w.shape[0], w.shape[1], -1)
    folded = fold_zero_point(bias, weights, (0, 1), zero_point, dtype)
    acc = acc + folded.reshape(1, 1, 1, -1)
    return overflow_accumulator(acc, op.accumulator)
