"""Resize of images: Resize in float; ResizeInteger, ResizeSingle with stated pixels."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from functools import reduce
from types import MappingProxyType
from typing import Final, NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float32, Float64, Int, Int32, Integer, UInt8

from emu.fixedpoint import Rounding, round_shift
from emu.fixedpoint.wide import to_int64
from emu.ops.single import single
from emu.ops.window import MAX_PIXELS, Pair


class Coordinates(Enum):
    """Where the centre of result pixel o lies among the pixels of the operand.

    With s = result size / operand size (or the stated scale):

    HALF_PIXEL: (o + 1/2) / s - 1/2. TFLite's half_pixel_centers in bilinear mode.
    PYTORCH_HALF_PIXEL: the same, but 0 where the result has one pixel.
    TF_HALF_PIXEL: (o + 1/2) / s. TFLite's half_pixel_centers in nearest mode; ONNX
        tf_half_pixel_for_nn.
    ASYMMETRIC: o / s.
    ALIGN_CORNERS: o * (operand size - 1) / (result size - 1); 0 for one pixel.

    Source: ONNX operator Resize, coordinate_transformation_mode.
    """

    HALF_PIXEL = "half-pixel"
    PYTORCH_HALF_PIXEL = "pytorch-half-pixel"
    TF_HALF_PIXEL = "tf-half-pixel"
    ASYMMETRIC = "asymmetric"
    ALIGN_CORNERS = "align-corners"


class Interpolation(Enum):
    """What a result pixel is made of: one operand pixel, or the four around it."""

    NEAREST = "nearest"
    LINEAR = "linear"


class NearestRounding(Enum):
    """Which pixel is nearest to a coordinate (ONNX Resize, nearest_mode).

    TFLite takes FLOOR, and with align_corners ROUND_PREFER_CEIL.
    """

    ROUND_PREFER_FLOOR = "round-prefer-floor"
    ROUND_PREFER_CEIL = "round-prefer-ceil"
    FLOOR = "floor"
    CEIL = "ceil"


@dataclass(frozen=True, slots=True, kw_only=True)
class Resize:
    """Float image of another size (ONNX Resize, TFLite RESIZE_*).

    size: height and width of the result. scale: result over operand size where the
    model states it and it is not their exact quotient, as ONNX `scales` allows.
    Coordinates beyond the edge read the edge.
    """

    size: Pair
    mode: Interpolation
    coordinates: Coordinates = Coordinates.HALF_PIXEL
    nearest: NearestRounding = NearestRounding.ROUND_PREFER_FLOOR
    scale: tuple[float, float] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ResizeInteger:
    """Integer image of another size, in the format of the operand.

    Operands `rows` (3 x oh) and `columns` (3 x ow) state for each result pixel the
    two operand pixels that it lies between, and the second's share in 2**-bits. The
    products of pixels and shares are summed exactly and shifted right by 2 * bits
    with one rounding. Shares of 0 make it nearest neighbour.

    Source: LiteRT reference ResizeBilinearInteger (10 bits, half away), XNNPACK
    s8-ibilinear (11 bits, half up).
    """

    bits: int
    rounding: Rounding


@dataclass(frozen=True, slots=True, kw_only=True)
class ResizeSingle:
    """Image of codes of another size, weighted in float32: LiteRT's uint8 kernels.

    Operands `rows` (2 x oh) and `columns` (2 x ow) name the two operand pixels of each
    result pixel, `row_shares` and `column_shares` (the same shapes) their shares. Every
    product and sum is rounded to float32; 0.5 is added last, and the fraction cut off.
    joint: the two shares of a pixel are multiplied first, and both pixels of a row are
    summed before those of the other; else a pixel is multiplied by one share after the
    other, and both rows of a column come first.

    Source: LiteRT tflite/kernels/internal/reference/resize_bilinear.h, and joint
    optimized/resize_bilinear.h (measured on both).
    """

    joint: bool


class Taps(NamedTuple):
    """For each result pixel of one axis: two operand pixels and their shares."""

    first: Int[np.ndarray, " o"]
    second: Int[np.ndarray, " o"]
    first_share: Float32[np.ndarray, " o"]
    second_share: Float32[np.ndarray, " o"]


def coordinates(
    way: Coordinates, inner: int, outer: int, scale: float | None = None
) -> Float32[np.ndarray, " o"]:
    """The coordinate of each of `outer` result pixels among `inner` operand pixels.

    In float32, step by step as ONNX Runtime does.
    """
    pixels = np.arange(outer).astype(np.float32)
    half = np.float32(0.5)
    if way is Coordinates.ALIGN_CORNERS:
        return pixels * np.float32(inner - 1) / np.float32(max(outer - 1, 1))
    if way is Coordinates.PYTORCH_HALF_PIXEL and outer == 1:
        return pixels
    ratio = np.float32(outer) / np.float32(inner) if scale is None else scale
    if way is Coordinates.ASYMMETRIC:
        return pixels / np.float32(ratio)
    centres = (pixels + half) / np.float32(ratio)
    return centres if way is Coordinates.TF_HALF_PIXEL else centres - half


_NEAREST: Final[
    Mapping[
        NearestRounding,
        Callable[[Float64[np.ndarray, " o"]], Float64[np.ndarray, " o"]],
    ]
] = MappingProxyType(
    {
        NearestRounding.ROUND_PREFER_FLOOR: lambda at: np.ceil(at - 0.5),
        NearestRounding.ROUND_PREFER_CEIL: lambda at: np.floor(at + 0.5),
        NearestRounding.FLOOR: np.floor,
        NearestRounding.CEIL: np.ceil,
    }
)


def _taps(op: Resize, axis: int, inner: int) -> Taps:
    """The pixels that axis 0 (rows) or 1 (columns) of the result reads."""
    if not (inner > 0 and 0 < op.size[axis] <= MAX_PIXELS):
        raise ValueError(f"cannot resize {inner} pixels to {op.size[axis]}")
    scale = None if op.scale is None else op.scale[axis]
    at = coordinates(op.coordinates, inner, op.size[axis], scale)
    if op.mode is Interpolation.NEAREST:
        near = _NEAREST[op.nearest](at.astype(np.float64))
        pixel = np.clip(near, 0, inner - 1).astype(np.int32)
        whole = np.ones(at.shape, np.float32)
        return Taps(pixel, pixel, whole, 0 * whole)
    inside = np.clip(at, np.float32(0), np.float32(inner - 1))
    first = np.floor(inside).astype(np.int32)
    second = np.minimum(first + 1, inner - 1)
    # At the edge both are one pixel, and it gets half of the whole twice.
    edge = first == second
    shares = (np.abs(inside - end.astype(np.float32)) for end in (second, first))
    return Taps(first, second, *(np.where(edge, np.float32(0.5), s) for s in shares))


def nearest_pixels(op: Resize, axis: int, inner: int) -> Int[np.ndarray, " o"]:
    """The one operand pixel of each result pixel along rows (0) or columns (1)."""
    return _taps(op, axis, inner).first


def _linear(
    x: Float32[Array, "n h w c"], rows: Taps, columns: Taps
) -> Float32[Array, "n oh ow c"]:
    """Four weighted pixels, summed in the order of ONNX Runtime, to its last bit.

    Enlarging codes by 2 makes many exact ties; where each step is rounded decides what
    a quantization gives. Source: onnxruntime/core/providers/cpu/tensor/upsample.cc.
    """
    reals = x.astype(jnp.float64)
    parts = []
    for row, row_share in zip(rows[:2], rows[2:], strict=True):
        line = jnp.take(reals, row, axis=1)
        for column, column_share in zip(columns[:2], columns[2:], strict=True):
            weights = (row_share[:, None] * column_share).astype(np.float64)
            pixels = jnp.take(line, column, axis=2)
            parts.append(single(pixels * jnp.asarray(weights)[None, :, :, None]))
    return reduce(lambda sums, part: single(sums + part), parts).astype(jnp.float32)


def resize(op: Resize, x: Float32[Array, "n h w c"]) -> Float32[Array, "n oh ow c"]:
    """The nearest pixel of each, or the four around it weighted."""
    rows, columns = (_taps(op, axis, x.shape[1 + axis]) for axis in (0, 1))
    if op.mode is Interpolation.NEAREST:
        return jnp.take(jnp.take(x, rows.first, axis=1), columns.first, axis=2)
    return _linear(x, rows, columns)


def resize_integer(
    op: ResizeInteger,
    x: Integer[Array, "n h w c"],
    rows: Int32[Array, "3 oh"],
    columns: Int32[Array, "3 ow"],
) -> Integer[Array, "n oh ow c"]:
    """Weighted pixels, in the dtype of x."""
    one = 1 << op.bits
    # 8 bits of pixel, 2 * bits of share and the rounding stay inside 31 bits.
    fits = x.dtype.itemsize == 1 and 2 * op.bits <= 22
    sums = x.astype(jnp.int32) if fits else to_int64(x)
    for axis, (first, second, share) in ((1, rows), (2, columns)):
        shape = (1, -1, 1, 1) if axis == 1 else (1, 1, -1, 1)
        weight = share.astype(sums.dtype).reshape(shape)
        near = jnp.take(sums, first, axis=axis, mode="clip")
        far = jnp.take(sums, second, axis=axis, mode="clip")
        sums = near * (one - weight) + far * weight
    return round_shift(sums, 2 * op.bits, op.rounding).astype(x.dtype)


def resize_single(
    op: ResizeSingle,
    x: UInt8[Array, "n h w c"],
    rows: Int32[Array, "2 oh"],
    columns: Int32[Array, "2 ow"],
    row_shares: Float32[Array, "2 oh"],
    column_shares: Float32[Array, "2 ow"],
) -> UInt8[Array, "n oh ow c"]:
    """Weighted pixels, every step of which is a float32 number."""
    down = row_shares.astype(jnp.float64).reshape(2, 1, -1, 1, 1)
    across = column_shares.astype(jnp.float64).reshape(2, 1, 1, -1, 1)
    corners = [(i, j) for i in (0, 1) for j in (0, 1)]
    parts = []
    for i, j in corners if op.joint else [(i, j) for j, i in corners]:
        line = jnp.take(x, rows[i], axis=1, mode="clip")
        pixels = jnp.take(line, columns[j], axis=2, mode="clip").astype(jnp.float64)
        if op.joint:
            parts.append(single(pixels * single(down[i] * across[j])))
        else:
            parts.append(single(single(pixels * down[i]) * across[j]))
    total = reduce(lambda sums, part: single(sums + part), parts)
    codes = jnp.floor(single(total + 0.5))
    return jnp.clip(codes, 0, 255).astype(jnp.uint8)
