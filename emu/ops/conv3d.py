"""Conv3d: integer convolution over volumes."""

from dataclasses import dataclass
from typing import Final

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Integer

from emu.fixedpoint import Accumulator, Carrier, Register
from emu.ops.sums import WRAPPING_32, Axes, sum_products, watch_products
from emu.ops.window import MAX_PIXELS, MAX_TAPS, Pair

Triple = tuple[int, int, int]
Padding3d = tuple[Pair, Pair, Pair]

NO_PADDING_3D: Final[Padding3d] = ((0, 0), (0, 0), (0, 0))


@dataclass(frozen=True, slots=True, kw_only=True)
class Conv3d:
    """Integer convolution over depth, height and width: TOSA CONV3D.

    Volumes are n d h w c, weights kd kh kw ci co; the rest is as in Conv2d.
    """

    stride: Triple = (1, 1, 1)
    padding: Padding3d = NO_PADDING_3D
    dilation: Triple = (1, 1, 1)
    x_zero_point: int = 0
    w_zero_point: int = 0
    accumulator: Accumulator = WRAPPING_32


def conv3d(
    op: Conv3d,
    x: Integer[Array, "n d h w ci"],
    w: Integer[Array, "kd kh kw ci co"],
    bias: Integer[Array, " co"],
    *,
    carrier: Carrier | None = None,
) -> Integer[Array, "n od oh ow co"]:
    """Accumulators, int32 (int64 for accumulators wider than 32 bits).

    Raises ValueError for a window that is empty, too large, or does not fit.
    """
    matrices, shape = _matrices(op, x, w, bias)
    return sum_products(op, *matrices, carrier).reshape(shape)


def watch_conv3d(
    op: Conv3d,
    x: Integer[Array, "n d h w ci"],
    w: Integer[Array, "kd kh kw ci co"],
    bias: Integer[Array, " co"],
) -> Register:
    """What happens in the registers of `conv3d`."""
    matrices, shape = _matrices(op, x, w, bias)
    return Register(*(a.reshape(shape) for a in watch_products(op, *matrices)))


def _matrices(
    op: Conv3d, x: Array, w: Array, bias: Array
) -> tuple[tuple[Array, Array, Array, Axes], tuple[int, ...]]:
    """Every tap of every window side by side; one axis after the other as `patches`."""
    kernel = w.shape[:3]
    if (
        min(*kernel, *op.stride, *op.dilation) < 1
        or kernel[0] * kernel[1] * kernel[2] > MAX_TAPS
    ):
        raise ValueError(
            f"no window has kernel {kernel}, stride {op.stride}, dilation {op.dilation}"
        )
    edges = ((0, 0, 0), *((low, high, 0) for low, high in op.padding), (0, 0, 0))
    sizes = [n + low + high for n, (low, high, _) in zip(x.shape, edges, strict=True)]
    if min(sizes[1:4]) < 1 or sizes[1] * sizes[2] * sizes[3] > MAX_PIXELS:
        raise ValueError(f"padding makes a volume of {sizes[1:4]} pixels")
    columns = lax.pad(x, jnp.asarray(op.x_zero_point, x.dtype), edges)
    for axis in (3, 2, 1):
        columns = _taps(
            columns, axis, kernel[axis - 1], op.stride[axis - 1], op.dilation[axis - 1]
        )
    co = w.shape[4]
    matrices = (
        columns.reshape(-1, columns.shape[4]),
        w.reshape(-1, co),
        bias.reshape(1, co),
        tuple(zip(("kd", "kh", "kw", "ci"), w.shape[:4], strict=True)),
    )
    return matrices, (*columns.shape[:4], co)


def _taps(x: Array, axis: int, kernel: int, stride: int, dilation: int) -> Array:
    """The taps of windows along one axis, laid side by side in the last one."""
    count = (x.shape[axis] - dilation * (kernel - 1) - 1) // stride + 1
    if count < 1:
        raise ValueError(f"a kernel of {kernel} does not fit {x.shape[axis]} pixels")
    parts = [
        lax.slice_in_dim(
            x, tap * dilation, tap * dilation + (count - 1) * stride + 1, stride, axis
        )
        for tap in range(kernel)
    ]
    return jnp.concatenate(parts, axis=-1)
