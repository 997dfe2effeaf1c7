"""The pixels and shares of a resized axis, as each engine computes them."""

from typing import Final

import numpy as np
from jaxtyping import Float32, Int, Int32

from emu.errors import ConfigError
from emu.fixedpoint import Rounding
from emu.ops import (
    Coordinates,
    Interpolation,
    NearestRounding,
    Resize,
    ResizeInteger,
    ResizeSingle,
    nearest_pixels,
)
from emu.targets import ResizeStyle

_BITS: Final = {
    ResizeStyle.LITERT: 10,
    ResizeStyle.LITERT_OPTIMIZED: 10,
    ResizeStyle.XNNPACK: 11,
}
_ROUNDINGS: Final = {
    ResizeStyle.LITERT: Rounding.HALF_AWAY,
    ResizeStyle.LITERT_OPTIMIZED: Rounding.HALF_AWAY,
    ResizeStyle.XNNPACK: Rounding.HALF_UP,
}
_COORDINATES: Final = (
    Coordinates.HALF_PIXEL,
    Coordinates.PYTORCH_HALF_PIXEL,
    Coordinates.TF_HALF_PIXEL,
    Coordinates.ASYMMETRIC,
    Coordinates.ALIGN_CORNERS,
)
# What TFLite has of nearest pixels; other rules are those of ONNX.
_NEAREST: Final = (
    (Coordinates.ASYMMETRIC, NearestRounding.FLOOR),
    (Coordinates.TF_HALF_PIXEL, NearestRounding.FLOOR),
    (Coordinates.ALIGN_CORNERS, NearestRounding.ROUND_PREFER_CEIL),
)
# Styles whose bilinear kernel of uint8 is one of floats.
_IN_FLOAT32: Final = (ResizeStyle.LITERT, ResizeStyle.LITERT_OPTIMIZED)

# Constant operands by name, in order.
Constants = dict[str, Int32[np.ndarray, "k o"] | Float32[np.ndarray, "2 o"]]


def build_resize(
    op: Resize, style: ResizeStyle, size: tuple[int, int], *, unsigned: bool = False
) -> tuple[ResizeInteger | ResizeSingle, Constants]:
    """The integer operator of a float Resize of an image of `size`, and its operands.

    `unsigned`: of uint8 codes, which LiteRT interpolates in float32.
    Raises ConfigError for coordinates that TFLite has not. (Those of PyTorch are its
    half pixels, but for an axis of one pixel, which is the first.)
    """
    if op.coordinates not in _COORDINATES or op.scale is not None:
        raise ConfigError(
            f"no integer resize with coordinates {op.coordinates.value!r} and stated "
            f"scales {op.scale}"
        )
    if unsigned and op.mode is Interpolation.LINEAR and style in _IN_FLOAT32:
        (rows, down), (columns, across) = (
            _real_taps(_way(op, outer), inner, outer)
            for inner, outer in zip(size, op.size, strict=True)
        )
        joint = style is ResizeStyle.LITERT_OPTIMIZED
        return ResizeSingle(joint=joint), {
            "rows": rows,
            "columns": columns,
            "row_shares": down,
            "column_shares": across,
        }
    rows, columns = (_taps(op, style, axis, size[axis]) for axis in (0, 1))
    made = ResizeInteger(bits=_BITS[style], rounding=_ROUNDINGS[style])
    return made, {"rows": rows, "columns": columns}


def _taps(
    op: Resize, style: ResizeStyle, axis: int, inner: int
) -> Int32[np.ndarray, "3 o"]:
    outer = op.size[axis]
    way = _way(op, outer)
    if op.mode is Interpolation.NEAREST:
        known = (way, op.nearest) in _NEAREST
        pixel = (
            _nearest(way, inner, outer) if known else nearest_pixels(op, axis, inner)
        )
        return np.stack([pixel, pixel, np.zeros_like(pixel)]).astype(np.int32)
    if style in _IN_FLOAT32:
        return _fixed(way, inner, outer)
    return _single(way, inner, outer)


def _way(op: Resize, outer: int) -> Coordinates:
    """TFLite's name for the coordinates along an axis."""
    if op.coordinates is not Coordinates.PYTORCH_HALF_PIXEL:
        return op.coordinates
    return Coordinates.HALF_PIXEL if outer > 1 else Coordinates.ASYMMETRIC


def _nearest(way: Coordinates, inner: int, outer: int) -> Int[np.ndarray, " o"]:
    """LiteRT internal/reference/resize_nearest_neighbor.h, in float32."""
    corners = way is Coordinates.ALIGN_CORNERS
    scale = _scale(corners, inner, outer)
    half = np.float32(0.5 if way is Coordinates.TF_HALF_PIXEL else 0.0)
    at = (np.arange(outer).astype(np.float32) + half) * scale
    # No coordinate is negative: half away is half up.
    pixel = np.floor(at.astype(np.float64) + 0.5) if corners else np.floor(at)
    return np.clip(pixel, 0, inner - 1).astype(np.int64)


def _scale(corners: bool, inner: int, outer: int) -> np.float32:
    if corners and outer > 1:
        return np.float32(inner - 1) / np.float32(outer - 1)
    return np.float32(inner) / np.float32(outer)


def _fixed(way: Coordinates, inner: int, outer: int) -> Int32[np.ndarray, "3 o"]:
    """LiteRT internal/reference/resize_bilinear.h: coordinates of 10 fraction bits."""
    less = int(way is Coordinates.ALIGN_CORNERS and outer > 1)
    over, under = inner - less, outer - less
    step = (1024 * over + under // 2) // under
    at = np.arange(outer, dtype=np.int64) * step
    if way is Coordinates.HALF_PIXEL:
        at = at + step // 2 - 512
    at = np.maximum(at, 0)
    first = np.minimum(at >> 10, inner - 1)
    return _stacked(first, at - (first << 10), inner)


def _real_taps(
    way: Coordinates, inner: int, outer: int
) -> tuple[Int32[np.ndarray, "2 o"], Float32[np.ndarray, "2 o"]]:
    """LiteRT ComputeInterpolationValues: float32 coordinates, below 0 at the edge."""
    half = np.float32(0.5 if way is Coordinates.HALF_PIXEL else 0.0)
    scale = _scale(way is Coordinates.ALIGN_CORNERS, inner, outer)
    at = (np.arange(outer).astype(np.float32) + half) * scale - half
    first = np.maximum(np.floor(at), 0)
    second = np.minimum(np.ceil(at), inner - 1)
    share = at - first
    pixels = np.stack([first, second]).astype(np.int32)
    return np.clip(pixels, 0, inner - 1), np.stack([np.float32(1) - share, share])


def _single(way: Coordinates, inner: int, outer: int) -> Int32[np.ndarray, "3 o"]:
    """XNNPACK src/indirection.c (q11): float32 coordinates, shares of 11 bits."""
    scale = _scale(way is Coordinates.ALIGN_CORNERS, inner, outer)
    at: Float32[np.ndarray, " o"] = np.arange(outer).astype(np.float32) * scale
    if way is Coordinates.HALF_PIXEL:
        at = at + (np.float32(0.5) * scale - np.float32(0.5))
    at = np.clip(at, np.float32(0), np.float32(inner - 1))
    first = at.astype(np.int64)
    share = np.rint((at - first.astype(np.float32)) * np.float32(2048))
    return _stacked(first, share.astype(np.int64), inner)


def _stacked(
    first: Int[np.ndarray, " o"], share: Int[np.ndarray, " o"], inner: int
) -> Int32[np.ndarray, "3 o"]:
    second = np.minimum(first + 1, inner - 1)
    # Beyond the edge both pixels are the edge, whatever the share.
    share = np.where(second == first, 0, share)
    return np.stack([first, second, share]).astype(np.int32)
