"""Preprocessing as data: the steps from a raw sample to what a model is fed.

A step is a frozen record with the key `op`; `STEPS` names the function of each. In a
TOML file::

    preprocess = [
      { op = "resize_short", size = 256 },
      { op = "center_crop", size = [224, 224] },
      { op = "normalize", sub = 127.5, div = 127.5 },
      { op = "layout", to = "NCHW" },
    ]
"""

from collections.abc import Callable
from enum import Enum
from types import MappingProxyType
from typing import Annotated, Any, ClassVar, Final, Literal

import numpy as np
from jaxtyping import Float32, Shaped, UInt8
from PIL import Image
from pydantic import Field, FiniteFloat, model_validator

from emu.config import Config
from emu.errors import DataError

Size = Annotated[int, Field(ge=1, le=1 << 16)]
# One number for all channels, or one for each.
PerChannel = FiniteFloat | tuple[FiniteFloat, ...]
AnySample = Shaped[np.ndarray, "..."]


class Stage(Enum):
    """What a step works on; steps come in this order."""

    PIXELS = 0
    VALUES = 1
    SHAPE = 2


class Filter(Enum):
    """Pillow's resampling filters, which widen when an image shrinks."""

    NEAREST = "nearest"
    BILINEAR = "bilinear"
    BICUBIC = "bicubic"
    LANCZOS = "lanczos"


_PILLOW_FILTERS: Final = MappingProxyType(
    {
        Filter.NEAREST: Image.Resampling.NEAREST,
        Filter.BILINEAR: Image.Resampling.BILINEAR,
        Filter.BICUBIC: Image.Resampling.BICUBIC,
        Filter.LANCZOS: Image.Resampling.LANCZOS,
    }
)


class _Step(Config):
    """What all steps share."""

    stage: ClassVar[Stage]


class ResizeShort(_Step):
    """Scale an image so that its shorter side is `size`; the other side is rounded.

    With s = size / min(w, h), the new image is round(w*s) x round(h*s).
    """

    stage: ClassVar[Stage] = Stage.PIXELS
    op: Literal["resize_short"] = "resize_short"
    size: Size
    filter: Filter = Filter.BILINEAR


class Resize(_Step):
    """Scale the whole image to `size` = [height, width], whatever its shape."""

    stage: ClassVar[Stage] = Stage.PIXELS
    op: Literal["resize"] = "resize"
    size: tuple[Size, Size]
    filter: Filter = Filter.BILINEAR


class CenterCrop(_Step):
    """Cut `size` = [height, width] from the centre; offsets are rounded down."""

    stage: ClassVar[Stage] = Stage.PIXELS
    op: Literal["center_crop"] = "center_crop"
    size: tuple[Size, Size]


class Channels(_Step):
    """Order the channels of an RGB image; "BGR" reverses them."""

    stage: ClassVar[Stage] = Stage.PIXELS
    op: Literal["channels"] = "channels"
    order: Literal["RGB", "BGR"]


class Normalize(_Step):
    """(x - sub) / div in float32; lists hold one number per channel (last axis)."""

    stage: ClassVar[Stage] = Stage.VALUES
    op: Literal["normalize"] = "normalize"
    sub: PerChannel = 0.0
    div: PerChannel = 1.0

    @model_validator(mode="after")
    def _divides(self) -> "Normalize":
        if 0.0 in (self.div if isinstance(self.div, tuple) else (self.div,)):
            raise ValueError("div must not be 0")
        return self


class Scale(_Step):
    """(x + add) * mul in float32; lists hold one number per channel (last axis)."""

    stage: ClassVar[Stage] = Stage.VALUES
    op: Literal["scale"] = "scale"
    add: PerChannel = 0.0
    mul: PerChannel = 1.0


class Layout(_Step):
    """Order the axes of a [h, w, c] sample for a model that takes NCHW or NHWC."""

    stage: ClassVar[Stage] = Stage.SHAPE
    op: Literal["layout"] = "layout"
    to: Literal["NCHW", "NHWC"]


class Reshape(_Step):
    """Give the sample another shape (without batch axis) of as many values."""

    stage: ClassVar[Stage] = Stage.SHAPE
    op: Literal["reshape"] = "reshape"
    shape: Annotated[tuple[Size, ...], Field(min_length=1, max_length=8)]


class Transpose(_Step):
    """Order the axes of a sample anew: axis i of the result is axis `axes[i]`."""

    stage: ClassVar[Stage] = Stage.SHAPE
    op: Literal["transpose"] = "transpose"
    axes: Annotated[tuple[int, ...], Field(min_length=1, max_length=8)]

    @model_validator(mode="after")
    def _names_each_axis(self) -> "Transpose":
        if sorted(self.axes) != list(range(len(self.axes))):
            raise ValueError(f"expected each axis 0..{len(self.axes) - 1} once")
        return self


class Windows(_Step):
    """Cut a [t, f] sample into windows of `length` slices, each flattened.

    Window k holds slices k*stride ... k*stride + length - 1 and becomes one row of
    the model's input: [t, f] -> [1 + (t - length) // stride, length * f].
    """

    stage: ClassVar[Stage] = Stage.SHAPE
    op: Literal["windows"] = "windows"
    length: Size
    stride: Size = 1


Step = Annotated[
    ResizeShort
    | Resize
    | CenterCrop
    | Channels
    | Normalize
    | Scale
    | Layout
    | Reshape
    | Transpose
    | Windows,
    Field(discriminator="op"),
]


class Preprocess(Config):
    """The steps from a raw sample to a float32 input of the model, in order.

    Steps on pixels come before steps on values, those before steps on the shape, so
    that every step finds the layout and the type that it works on. `windows` is the
    last step.
    """

    steps: tuple[Step, ...] = ()

    @model_validator(mode="before")
    @classmethod
    def _accept_a_list(cls, data: Any) -> Any:  # noqa: ANN401 - anything a file holds
        """Let a file write the list of steps itself."""
        return {"steps": data} if isinstance(data, list | tuple) else data

    @model_validator(mode="after")
    def _in_order(self) -> "Preprocess":
        for first, second in zip(self.steps, self.steps[1:], strict=False):
            if second.stage.value < first.stage.value:
                raise ValueError(f"{second.op} must come before {first.op}")
            if isinstance(first, Windows):
                raise ValueError("windows must be the last step")  # noqa: TRY004
        return self

    @property
    def windowed(self) -> bool:
        """Whether one sample becomes several rows of the model's input."""
        return bool(self.steps) and isinstance(self.steps[-1], Windows)

    def apply(self, sample: AnySample) -> Float32[np.ndarray, "*input"]:
        """Prepare one raw sample; the result has no batch axis.

        With `windows` the result is [windows, values] instead.

        Raises:
            DataError: a step cannot work on a sample of this type or shape.
        """
        for step in self.steps:
            sample = STEPS[type(step)](step, sample)
        # A double too large for float32 becomes inf, which the caller reports.
        with np.errstate(over="ignore"):
            return np.ascontiguousarray(sample, dtype=np.float32)


def resize_short(step: ResizeShort, x: AnySample) -> UInt8[np.ndarray, "h w c"]:
    """See `ResizeShort`."""
    _require_pixels(step.op, x)
    h, w = x.shape[:2]
    scale = step.size / min(w, h)
    return _resample(x, round(h * scale), round(w * scale), step.filter)


def resize(step: Resize, x: AnySample) -> UInt8[np.ndarray, "h w c"]:
    """See `Resize`."""
    _require_pixels(step.op, x)
    return _resample(x, *step.size, step.filter)


def center_crop(step: CenterCrop, x: AnySample) -> AnySample:
    """See `CenterCrop`."""
    _require_rank(step.op, x, 3, "[h, w, c]")
    (h, w), (new_h, new_w) = x.shape[:2], step.size
    if new_h > h or new_w > w:
        raise DataError(f"center_crop to {new_h}x{new_w}: the sample is only {h}x{w}")
    top, left = (h - new_h) // 2, (w - new_w) // 2
    return x[top : top + new_h, left : left + new_w]


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


STEPS: Final[MappingProxyType[type[_Step], Callable[..., np.ndarray]]] = (
    MappingProxyType(
        {
            ResizeShort: resize_short,
            Resize: resize,
            CenterCrop: center_crop,
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
