"""The functions of the steps of preprocessing: one raw sample to the next."""

from collections.abc import Callable
from types import MappingProxyType
from typing import Final

import numpy as np
from jaxtyping import Float32, Shaped, UInt8
from PIL import Image

from emu.errors import DataError
from emu.evaluate.opencv_resize import resize_opencv
from emu.evaluate.preprocess_steps import (
    AbstractStep,
    CenterCrop,
    Channels,
    Filter,
    Layout,
    Letterbox,
    Normalize,
    PerChannel,
    Reshape,
    Resize,
    ResizeShort,
    Scale,
    Transpose,
    Windows,
    letterboxed,
    move,
)

AnySample = Shaped[np.ndarray, "..."]

_PILLOW_FILTERS: Final = MappingProxyType(
    {
        Filter.NEAREST: Image.Resampling.NEAREST,
        Filter.BILINEAR: Image.Resampling.BILINEAR,
        Filter.BICUBIC: Image.Resampling.BICUBIC,
        Filter.LANCZOS: Image.Resampling.LANCZOS,
    }
)


def resize_short(step: ResizeShort, x: AnySample) -> UInt8[np.ndarray, "h w c"]:
    """See `ResizeShort`."""
    _require_pixels(step.op, x)
    return _resample(x, *move(step, *x.shape[:2]).size, step.filter)


def resize(step: Resize, x: AnySample) -> UInt8[np.ndarray, "h w c"]:
    """See `Resize`."""
    _require_pixels(step.op, x)
    return _resample(x, *step.size, step.filter)


def center_crop(step: CenterCrop, x: AnySample) -> AnySample:
    """See `CenterCrop`."""
    _require_rank(step.op, x, 3, "[h, w, c]")
    top, left = (-int(part) for part in move(step, *x.shape[:2]).offset)
    return x[top : top + step.size[0], left : left + step.size[1]]


def letterbox(step: Letterbox, x: AnySample) -> UInt8[np.ndarray, "h w c"]:
    """See `Letterbox`."""
    _require_pixels(step.op, x)
    pad, c = step.pad, x.shape[2]
    if isinstance(pad, tuple) and len(pad) != c:
        raise DataError(
            f"{step.op}: found {len(pad)} values of pad for {c} channels; expected one "
            "for each"
        )
    new_h, new_w = letterboxed(step, *x.shape[:2])[1]
    top, left = (int(part) for part in move(step, *x.shape[:2]).offset)
    canvas = np.empty((*step.size, c), np.uint8)
    canvas[:] = pad
    canvas[top : top + new_h, left : left + new_w] = _resample(
        x, new_h, new_w, step.filter
    )
    return canvas


def channels(step: Channels, x: AnySample) -> AnySample:
    """See `Channels`."""
    if x.ndim != 3 or x.shape[2] != 3:
        raise DataError(
            f"channels: found a sample of shape {list(x.shape)}; expected [h, w, 3]"
        )
    return x[:, :, ::-1] if step.order == "BGR" else x


def normalize(step: Normalize, x: AnySample) -> Float32[np.ndarray, "..."]:
    """See `Normalize`."""
    sub, div = _factor(step.op, step.sub, x), _factor(step.op, step.div, x)
    with np.errstate(over="ignore"):
        return (x.astype(np.float32) - sub) / div


def scale(step: Scale, x: AnySample) -> Float32[np.ndarray, "..."]:
    """See `Scale`."""
    add, mul = _factor(step.op, step.add, x), _factor(step.op, step.mul, x)
    with np.errstate(over="ignore"):
        return (x.astype(np.float32) + add) * mul


def layout(step: Layout, x: AnySample) -> AnySample:
    """See `Layout`."""
    _require_rank(step.op, x, 3, "[h, w, c]")
    return x.transpose(2, 0, 1) if step.to == "NCHW" else x


def reshape(step: Reshape, x: AnySample) -> AnySample:
    """See `Reshape`."""
    if int(np.prod(step.shape)) != x.size:
        raise DataError(
            f"reshape to {list(step.shape)}: the sample has shape {list(x.shape)}"
        )
    return x.reshape(step.shape)


def transpose(step: Transpose, x: AnySample) -> AnySample:
    """See `Transpose`."""
    if x.ndim != len(step.axes):
        raise DataError(
            f"transpose: found a sample of shape {list(x.shape)}; expected "
            f"{len(step.axes)} axes"
        )
    return x.transpose(step.axes)


def windows(step: Windows, x: AnySample) -> Shaped[np.ndarray, "windows values"]:
    """See `Windows`."""
    _require_rank(step.op, x, 2, "[t, f]")
    if step.length > x.shape[0]:
        raise DataError(
            f"windows of {step.length} slices: the sample has only {x.shape[0]}"
        )
    view = np.lib.stride_tricks.sliding_window_view(x, step.length, axis=0)
    # [windows, f, length] -> [windows, length, f]: slices stay whole.
    view = view[:: step.stride].transpose(0, 2, 1)
    return view.reshape(len(view), -1)


STEPS: Final[MappingProxyType[type[AbstractStep], Callable[..., np.ndarray]]] = (
    MappingProxyType(
        {
            ResizeShort: resize_short,
            Resize: resize,
            CenterCrop: center_crop,
            Letterbox: letterbox,
            Channels: channels,
            Normalize: normalize,
            Scale: scale,
            Layout: layout,
            Reshape: reshape,
            Transpose: transpose,
            Windows: windows,
        }
    )
)


def _require_rank(op: str, x: AnySample, rank: int, expected: str) -> None:
    if x.ndim != rank:
        raise DataError(
            f"{op}: found a sample of shape {list(x.shape)}; expected {expected}"
        )


def _require_pixels(op: str, x: AnySample) -> None:
    if x.dtype != np.uint8 or x.ndim != 3 or x.shape[2] not in (1, 3):
        raise DataError(
            f"{op}: found {x.dtype} of shape {list(x.shape)}; expected uint8 [h, w, 3] "
            "or [h, w, 1]"
        )


def _resample(
    x: UInt8[np.ndarray, "h w c"], h: int, w: int, kind: Filter
) -> UInt8[np.ndarray, "nh nw c"]:
    if kind is Filter.OPENCV_BILINEAR:
        return resize_opencv(x, h, w)
    image = Image.fromarray(x[:, :, 0] if x.shape[2] == 1 else x)
    pixels = np.asarray(image.resize((w, h), _PILLOW_FILTERS[kind]))
    return pixels.reshape(h, w, x.shape[2])


def _factor(op: str, value: PerChannel, x: AnySample) -> Float32[np.ndarray, "..."]:
    if isinstance(value, tuple) and (x.ndim == 0 or x.shape[-1] != len(value)):
        raise DataError(
            f"{op}: found {len(value)} values for a sample of shape {list(x.shape)}; "
            "expected one for each channel (last axis)"
        )
    return np.asarray(value, dtype=np.float32)
