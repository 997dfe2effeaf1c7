"""Transposed convolutions: ConvTranspose in float, TransposeConv2d on integers.

Each spreads a pixel over a window of the result. Both are computed as an ordinary
convolution: pixels a stride apart with nothing between them, the window turned round.
"""

from dataclasses import dataclass

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float32, Integer, Shaped

from emu.fixedpoint import Accumulator, Carrier, Register
from emu.ops.conv import Conv, Conv2d, conv, conv2d, watch_conv2d
from emu.ops.sums import WRAPPING_32
from emu.ops.window import MAX_PIXELS, NO_PADDING, UNIT, Padding, Pair


@dataclass(frozen=True, slots=True, kw_only=True)
class ConvTranspose:
    """Float transposed convolution, ONNX ConvTranspose with NHWC images.

    Weights are kh kw cig co: output channels of group g (co / groups of them, side by
    side) see the cig input channels of that group. Tap i, j of input pixel y, x adds
    to output pixel y * stride + i * dilation - the padding before, and so in x;
    `padding` cuts the result, `output_padding` lengthens it below and at the right.
    """

    stride: Pair = UNIT
    padding: Padding = NO_PADDING
    output_padding: Pair = (0, 0)
    dilation: Pair = UNIT
    groups: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class TransposeConv2d:
    """Integer transposed convolution to accumulators: TOSA TRANSPOSE_CONV2D.

    Weights are kh kw cig co as in ConvTranspose. Tap i, j of input pixel y, x adds to
    output pixel y * stride + i * dilation + out_pad before; `out_pad` lengthens the
    result before and after each axis (cuts it where negative), which is then
    (size - 1) * stride + (kernel - 1) * dilation + 1 + out_pad long. Dilation and
    groups are no part of TOSA.
    """

    stride: Pair = UNIT
    out_pad: Padding = NO_PADDING
    dilation: Pair = UNIT
    groups: int = 1
    x_zero_point: int = 0
    w_zero_point: int = 0
    accumulator: Accumulator = WRAPPING_32


def conv_transpose(
    op: ConvTranspose,
    x: Float32[Array, "n h w ci"],
    w: Float32[Array, "kh kw cig co"],
    bias: Float32[Array, " co"] | None = None,
) -> Float32[Array, "n oh ow co"]:
    """Float transposed convolution plus bias."""
    (top, bottom), (left, right) = op.padding
    below, beside = op.output_padding
    out_pad = ((-top, below - bottom), (-left, beside - right))
    spread = _spread(x, w, op.stride, op.dilation, out_pad, 0.0)
    return conv(
        Conv(dilation=op.dilation, groups=op.groups), spread, w[::-1, ::-1], bias
    )


def transpose_conv2d(
    op: TransposeConv2d,
    x: Integer[Array, "n h w ci"],
    w: Integer[Array, "kh kw cig co"],
    bias: Integer[Array, " co"],
    *,
    carrier: Carrier | None = None,
) -> Integer[Array, "n oh ow co"]:
    """Accumulators, int32 (int64 for accumulators wider than 32 bits)."""
    spread = _spread(x, w, op.stride, op.dilation, op.out_pad, op.x_zero_point)
    return conv2d(as_conv2d(op), spread, w[::-1, ::-1], bias, carrier=carrier)


def watch_transpose_conv2d(
    op: TransposeConv2d,
    x: Integer[Array, "n h w ci"],
    w: Integer[Array, "kh kw cig co"],
    bias: Integer[Array, " co"],
) -> Register:
    """What happens in the registers of `transpose_conv2d`."""
    spread = _spread(x, w, op.stride, op.dilation, op.out_pad, op.x_zero_point)
    return watch_conv2d(as_conv2d(op), spread, w[::-1, ::-1], bias)


def as_conv2d(op: TransposeConv2d) -> Conv2d:
    """The ordinary convolution of the spread image with the window turned round."""
    return Conv2d(
        dilation=op.dilation,
        groups=op.groups,
        x_zero_point=op.x_zero_point,
        w_zero_point=op.w_zero_point,
        accumulator=op.accumulator,
    )


def _spread(
    x: Shaped[Array, "n h w c"],
    w: Shaped[Array, "kh kw cig co"],
    stride: Pair,
    dilation: Pair,
    out_pad: Padding,
    nothing: float | int,
) -> Shaped[Array, "n ph pw c"]:
    """Pixels `stride` apart, and around them what the windows of the result reach."""
    if min(*stride, *dilation) < 1:
        raise ValueError(f"no stride is {stride}, no dilation {dilation}")
    edges = [(0, 0, 0)]
    for axis in (0, 1):
        reach = (w.shape[axis] - 1) * dilation[axis]
        before, after = out_pad[axis]
        edges.append((reach + before, reach + after, stride[axis] - 1))
    edges.append((0, 0, 0))
    h, wide = (
        (x.shape[axis] - 1) * (gap + 1) + 1 + low + high
        for axis, (low, high, gap) in ((1, edges[1]), (2, edges[2]))
    )
    if min(h, wide) < 1 or h * wide > MAX_PIXELS:
        raise ValueError(f"an image spread over {h} x {wide} pixels")
    return lax.pad(x, jnp.asarray(nothing, x.dtype), edges)
