"""Convolutions: Conv in float; Conv2d and DepthwiseConv2d on integers."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import reduce
from typing import Final

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float32, Integer

from emu.fixedpoint import (
    Accumulator,
    Carrier,
    Register,
    exact_carrier,
    is_zero,
    overflow_accumulator,
)
from emu.ops.sums import (
    WRAPPING_32,
    Axes,
    centred,
    fold_zero_point,
    sum_products,
    watch_products,
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

    acc = overflow(bias + sum over kh, kw, ci of (x - x_zero_point) *
    (w - w_zero_point)); padding contributes nothing, that is, x is padded with its
    zero point.
    """

    stride: Pair = UNIT
    padding: Padding = NO_PADDING
    dilation: Pair = UNIT
    groups: int = 1
    x_zero_point: int = 0
    w_zero_point: int = 0
    accumulator: Accumulator = WRAPPING_32


@dataclass(frozen=True, slots=True, kw_only=True)
class DepthwiseConv2d:
    """Integer depthwise convolution to accumulators: TOSA DEPTHWISE_CONV2D.

    Weights are kh kw c m; output channel c*m_count + m sees input channel c only.
    Zero points as in Conv2d.
    """

    stride: Pair = UNIT
    padding: Padding = NO_PADDING
    dilation: Pair = UNIT
    x_zero_point: int = 0
    w_zero_point: int = 0
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
    carrier: Carrier | None = None,
) -> Integer[Array, "n oh ow co"]:
    """Accumulators, int32 (int64 for accumulators wider than 32 bits).

    `carrier` must be proved exact for these weights (`fixedpoint.choose_carrier`).
    """
    columns = _columns(op, x, w)
    parts = [
        sum_products(op, *group, carrier) for group in _groups(op, columns, w, bias)
    ]
    acc = parts[0] if len(parts) == 1 else jnp.concatenate(parts, axis=-1)
    return acc.reshape(*columns.shape[:3], w.shape[3])


def watch_conv2d(
    op: Conv2d,
    x: Integer[Array, "n h w ci"],
    w: Integer[Array, "kh kw cig co"],
    bias: Integer[Array, " co"],
) -> Register:
    """What happens in the registers of `conv2d`."""
    columns = _columns(op, x, w)
    parts = [watch_products(op, *group) for group in _groups(op, columns, w, bias)]
    shape = (*columns.shape[:3], w.shape[3])
    return Register(
        *(
            jnp.concatenate(same, axis=-1).reshape(shape)
            for same in zip(*parts, strict=True)
        )
    )


def _columns(op: Conv2d, x: Array, w: Array) -> Integer[Array, "n oh ow k"]:
    image = pad_image(x, op.padding, op.x_zero_point)
    kh, kw, _, _ = w.shape
    return patches(image, (kh, kw), op.stride, op.dilation)


def _groups(
    op: Conv2d, columns: Array, w: Array, bias: Array
) -> Iterator[tuple[Array, Array, Array, Axes]]:
    """Matrices to multiply, one pair and a bias for each group, and the axes of k."""
    kh, kw, per_group, co = w.shape
    axes = (("kh", kh), ("kw", kw), ("ci", per_group))
    taps = columns.reshape(-1, kh * kw, op.groups, per_group)
    width = co // op.groups
    for g in range(op.groups):
        outputs = slice(g * width, (g + 1) * width)
        yield (
            taps[:, :, g].reshape(taps.shape[0], -1),
            w[..., outputs].reshape(-1, width),
            bias[outputs].reshape(1, width),
            axes,
        )


def depthwise_conv2d(
    op: DepthwiseConv2d,
    x: Integer[Array, "n h w c"],
    w: Integer[Array, "kh kw c m"],
    bias: Integer[Array, " co"],
    *,
    carrier: Carrier | None = None,
) -> Integer[Array, "n oh ow co"]:
    """Accumulators by shifted multiply-adds in int32, or int64 where those overflow.

    int32 is exact whenever the carrier is one with 32-bit sums (INT8, FLOAT32): their
    proofs bound every partial sum, or the accumulator wraps at 32 bits or fewer.
    """
    carrier = carrier or exact_carrier(op.accumulator)
    if carrier is Carrier.SEQUENTIAL:
        matrices, to_image = _by_channel(op, x, w, bias)
        return to_image(sum_products(op, *matrices, carrier))
    narrow = carrier in (Carrier.INT8, Carrier.FLOAT32)
    dtype = jnp.dtype(jnp.int32 if narrow else jnp.int64)
    image, zero_point = centred(
        pad_image(x, op.padding, op.x_zero_point), op.x_zero_point, carrier
    )
    weights = w.astype(dtype)
    if not is_zero(op.w_zero_point):
        weights = weights - jnp.asarray(op.w_zero_point, dtype)
    acc = _shifted_multiply_add(image, weights, op)
    by_output = weights.reshape(1, w.shape[0] * w.shape[1], 1, -1)
    acc = acc + fold_zero_point(
        bias.reshape(1, 1, 1, -1), by_output, 1, zero_point, dtype
    )
    return overflow_accumulator(acc, op.accumulator)


def watch_depthwise_conv2d(
    op: DepthwiseConv2d,
    x: Integer[Array, "n h w c"],
    w: Integer[Array, "kh kw c m"],
    bias: Integer[Array, " co"],
) -> Register:
    """What happens in the registers of `depthwise_conv2d`."""
    matrices, to_image = _by_channel(op, x, w, bias)
    return Register(*map(to_image, watch_products(op, *matrices)))


def _by_channel(
    op: DepthwiseConv2d, x: Array, w: Array, bias: Array
) -> tuple[tuple[Array, Array, Array, Axes], Callable[[Array], Array]]:
    """One product of matrices a channel, and how to make an image of the products."""
    kh, kw, c, m = w.shape
    image = pad_image(x, op.padding, op.x_zero_point)
    columns = patches(image, (kh, kw), op.stride, op.dilation)
    n, oh, ow, _ = columns.shape
    matrices = (
        columns.reshape(-1, kh * kw, c).transpose(2, 0, 1),
        w.reshape(kh * kw, c, m).transpose(1, 0, 2),
        bias.reshape(c, 1, m),
        (("kh", kh), ("kw", kw)),
    )
    return matrices, lambda sums: sums.transpose(1, 0, 2).reshape(n, oh, ow, c * m)
