"""Sliding windows over NHWC images: output sizes, padding, shifted slices, patches.

A window of kh x kw taps is read as kh*kw strided slices of the padded image. The
slices serve pooling (combine them), depthwise convolution (multiply-add them) and
ordinary convolution (lay them side by side, then one matrix product).
"""

import math
from collections.abc import Iterator
from typing import Final

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Shaped

from emu.fixedpoint import Number

Pair = tuple[int, int]
Padding = tuple[Pair, Pair]

UNIT: Pair = (1, 1)
NO_PADDING: Padding = ((0, 0), (0, 0))

# Far beyond any network; a hostile file asks for more, and would get endless work.
MAX_TAPS: Final = 1 << 16
MAX_PIXELS: Final = 1 << 26


def output_size(
    size: Pair, kernel: Pair, stride: Pair, padding: Padding, dilation: Pair
) -> Pair:
    """Height and width of the result: floor((size + pads - extent) / stride) + 1."""
    h, w = (
        (n + sum(pads) - d * (k - 1) - 1) // s + 1
        for n, k, s, pads, d in zip(
            size, kernel, stride, padding, dilation, strict=True
        )
    )
    return h, w


def pad_image(
    x: Shaped[Array, "n h w c"], padding: Padding, value: float | Number
) -> Shaped[Array, "n ph pw c"]:
    """Surround every image with `value` (cast to the dtype of x, which must hold it).

    Raises ValueError for a result that is empty or of more than MAX_PIXELS.
    """
    if padding == NO_PADDING:
        return x
    (top, bottom), (left, right) = padding
    h, w = x.shape[1] + top + bottom, x.shape[2] + left + right
    if min(h, w) < 1 or h * w > MAX_PIXELS:
        raise ValueError(f"padding makes an image of {h} x {w} pixels")
    edges = ((0, 0, 0), (top, bottom, 0), (left, right, 0), (0, 0, 0))
    return lax.pad(x, jnp.asarray(value, x.dtype), edges)


def window_count(size: Pair, kernel: Pair, stride: Pair, dilation: Pair) -> Pair:
    """How many windows fit a padded image of `size`, down and across.

    Raises ValueError for a window that is empty, of more than MAX_TAPS, or larger
    than the image, and for strides and dilations below 1.
    """
    if min(*kernel, *stride, *dilation) < 1 or math.prod(kernel) > MAX_TAPS:
        raise ValueError(
            f"no window has kernel {kernel}, stride {stride}, dilation {dilation}"
        )
    oh, ow = output_size(size, kernel, stride, NO_PADDING, dilation)
    if min(oh, ow) < 1:
        raise ValueError(
            f"a kernel of {kernel} does not fit {size[0]} x {size[1]} padded pixels"
        )
    return oh, ow


def slices(
    x: Shaped[Array, "n ph pw c"], kernel: Pair, stride: Pair, dilation: Pair
) -> Iterator[tuple[Pair, Shaped[Array, "n oh ow c"]]]:
    """Yield ((i, j), what tap i, j of the window sees) for a padded image.

    Raises ValueError as `window_count` does.
    """
    n, ph, pw, c = x.shape
    oh, ow = window_count((ph, pw), kernel, stride, dilation)
    for i in range(kernel[0]):
        for j in range(kernel[1]):
            top, left = i * dilation[0], j * dilation[1]
            yield (
                (i, j),
                lax.slice(
                    x,
                    (0, top, left, 0),
                    (
                        n,
                        top + (oh - 1) * stride[0] + 1,
                        left + (ow - 1) * stride[1] + 1,
                        c,
                    ),
                    (1, *stride, 1),
                ),
            )


def patches(
    x: Shaped[Array, "n ph pw c"], kernel: Pair, stride: Pair, dilation: Pair
) -> Shaped[Array, "n oh ow k"]:
    """Lay the taps of each window side by side: k = kh*kw*c in the order kh, kw, c.

    First along the width, then along the height: kh + kw pieces compile much faster
    than kh * kw do, and run as fast. A strided slice alone stays apart from a product
    that reads it on NVIDIA GPUs: XLA cannot compile them together there (a failed check
    in its triton_tiling_propagation.cc; jax 0.11.2, H200).
    """
    (kh, kw), (sh, sw), (dh, dw) = kernel, stride, dilation
    if kh == kw == 1 and max(stride) > 1:
        ((_, tap),) = slices(x, kernel, stride, dilation)
        return lax.platform_dependent(tap, cuda=lax.optimization_barrier, default=_same)
    columns = [tap for _, tap in slices(x, (1, kw), (1, sw), (1, dw))]
    wide = columns[0] if kw == 1 else jnp.concatenate(columns, axis=-1)
    rows = [tap for _, tap in slices(wide, (kh, 1), (sh, 1), (dh, 1))]
    return rows[0] if kh == 1 else jnp.concatenate(rows, axis=-1)


def _same(x: Shaped[Array, "*s"]) -> Shaped[Array, "*s"]:
    return x
