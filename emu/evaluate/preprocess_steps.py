"""The steps of preprocessing as frozen records, and where they put an image."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from types import MappingProxyType
from typing import Annotated, ClassVar, Final, Literal

from pydantic import Field, FiniteFloat, model_validator

from emu.config import Config
from emu.errors import DataError

Size = Annotated[int, Field(ge=1, le=1 << 16)]
# One number for all channels, or one for each.
PerChannel = FiniteFloat | tuple[FiniteFloat, ...]
Pixel = Annotated[int, Field(ge=0, le=255)]


class Stage(Enum):
    """What a step works on; steps come in this order."""

    PIXELS = 0
    VALUES = 1
    SHAPE = 2


class Filter(Enum):
    """Pillow's resampling filters, which widen when an image shrinks, and OpenCV's one.

    OPENCV_BILINEAR: cv2.resize with INTER_LINEAR, see `emu.evaluate.opencv_resize`.
    """

    NEAREST = "nearest"
    BILINEAR = "bilinear"
    BICUBIC = "bicubic"
    LANCZOS = "lanczos"
    OPENCV_BILINEAR = "opencv-bilinear"


class AbstractStep(Config):
    """What all steps share."""

    stage: ClassVar[Stage]


class ResizeShort(AbstractStep):
    """Scale an image so that its shorter side is `size`; the other side is rounded.

    With s = size / min(w, h), the new image is round(w*s) x round(h*s).
    """

    stage: ClassVar[Stage] = Stage.PIXELS
    op: Literal["resize_short"] = "resize_short"
    size: Size
    filter: Filter = Filter.BILINEAR


class Resize(AbstractStep):
    """Scale the whole image to `size` = [height, width], whatever its shape."""

    stage: ClassVar[Stage] = Stage.PIXELS
    op: Literal["resize"] = "resize"
    size: tuple[Size, Size]
    filter: Filter = Filter.BILINEAR


class CenterCrop(AbstractStep):
    """Cut `size` = [height, width] from the centre; offsets are rounded down."""

    stage: ClassVar[Stage] = Stage.PIXELS
    op: Literal["center_crop"] = "center_crop"
    size: tuple[Size, Size]


class Letterbox(AbstractStep):
    """Scale an image to fit into `size` = [height, width], its shape kept; fill up.

    With r = min(height / h, width / w) the new image is h*r x w*r in double precision,
    rounded down or to nearest (ties to even) and at least 1 x 1. It lies in the upper
    left corner, or in the middle with offsets rounded down, of a canvas of value `pad`.

    Rounded down is what Python makes of int(h * (height / h)), which is sometimes one
    less than `height` (360 rows to 416 become 415): YOLOX was trained with that
    (yolox/data/data_augment.py, preproc).

    Boxes come back to the image by the one ratio r ("ratio", as in YOLOX's code), or on
    each axis by the ratio of the rounded size ("sizes"), which is where the pixels lie.
    """

    stage: ClassVar[Stage] = Stage.PIXELS
    op: Literal["letterbox"] = "letterbox"
    size: tuple[Size, Size]
    align: Literal["top-left", "center"] = "top-left"
    pad: Pixel | tuple[Pixel, ...] = 114
    rounding: Literal["down", "nearest"] = "down"
    boxes_by: Literal["ratio", "sizes"] = "ratio"
    filter: Filter = Filter.BILINEAR


class Channels(AbstractStep):
    """Order the channels of an RGB image; "BGR" reverses them."""

    stage: ClassVar[Stage] = Stage.PIXELS
    op: Literal["channels"] = "channels"
    order: Literal["RGB", "BGR"]


class Normalize(AbstractStep):
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


class Scale(AbstractStep):
    """(x + add) * mul in float32; lists hold one number per channel (last axis)."""

    stage: ClassVar[Stage] = Stage.VALUES
    op: Literal["scale"] = "scale"
    add: PerChannel = 0.0
    mul: PerChannel = 1.0


class Layout(AbstractStep):
    """Order the axes of a [h, w, c] sample for a model that takes NCHW or NHWC."""

    stage: ClassVar[Stage] = Stage.SHAPE
    op: Literal["layout"] = "layout"
    to: Literal["NCHW", "NHWC"]


class Reshape(AbstractStep):
    """Give the sample another shape (without batch axis) of as many values."""

    stage: ClassVar[Stage] = Stage.SHAPE
    op: Literal["reshape"] = "reshape"
    shape: Annotated[tuple[Size, ...], Field(min_length=1, max_length=8)]


class Transpose(AbstractStep):
    """Order the axes of a sample anew: axis i of the result is axis `axes[i]`."""

    stage: ClassVar[Stage] = Stage.SHAPE
    op: Literal["transpose"] = "transpose"
    axes: Annotated[tuple[int, ...], Field(min_length=1, max_length=8)]

    @model_validator(mode="after")
    def _names_each_axis(self) -> "Transpose":
        if sorted(self.axes) != list(range(len(self.axes))):
            raise ValueError(f"expected each axis 0..{len(self.axes) - 1} once")
        return self


class Windows(AbstractStep):
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
    | Letterbox
    | Channels
    | Normalize
    | Scale
    | Layout
    | Reshape
    | Transpose
    | Windows,
    Field(discriminator="op"),
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """Where a step on pixels puts a point: (y, x) comes to (y, x) * scale + offset.

    Fields:
        size: height and width of the result.
        scale: of rows and of columns.
        offset: of the first row and column, in pixels of the result.
    """

    size: tuple[int, int]
    scale: tuple[float, float] = (1.0, 1.0)
    offset: tuple[float, float] = (0.0, 0.0)


def move(step: Step, h: int, w: int) -> Move:
    """Return where a step puts the pixels of an image of h x w.

    A step on values or on the shape of the sample leaves them where they are.

    Raises:
        DataError: the step cannot work on an image of that size.
    """
    moved = _MOVES.get(type(step))
    return Move(size=(h, w)) if moved is None else moved(step, h, w)


def _moved_by_resize_short(step: ResizeShort, h: int, w: int) -> Move:
    factor = step.size / min(w, h)
    size = round(h * factor), round(w * factor)
    return Move(size=size, scale=(size[0] / h, size[1] / w))


def _moved_by_resize(step: Resize, h: int, w: int) -> Move:
    return Move(size=step.size, scale=(step.size[0] / h, step.size[1] / w))


def _moved_by_crop(step: CenterCrop, h: int, w: int) -> Move:
    new_h, new_w = step.size
    if new_h > h or new_w > w:
        raise DataError(f"center_crop to {new_h}x{new_w}: the sample is only {h}x{w}")
    offset = -float((h - new_h) // 2), -float((w - new_w) // 2)
    return Move(size=step.size, offset=offset)


def _moved_by_letterbox(step: Letterbox, h: int, w: int) -> Move:
    ratio, (new_h, new_w) = letterboxed(step, h, w)
    scale = (ratio, ratio) if step.boxes_by == "ratio" else (new_h / h, new_w / w)
    if step.align == "top-left":
        return Move(size=step.size, scale=scale)
    offset = float((step.size[0] - new_h) // 2), float((step.size[1] - new_w) // 2)
    return Move(size=step.size, scale=scale, offset=offset)


def letterboxed(step: Letterbox, h: int, w: int) -> tuple[float, tuple[int, int]]:
    """Return the ratio, and the size of the scaled image on the canvas."""
    ratio = min(step.size[0] / h, step.size[1] / w)
    rounded = int if step.rounding == "down" else round
    return ratio, (max(rounded(h * ratio), 1), max(rounded(w * ratio), 1))


_MOVES: Final[MappingProxyType[type[AbstractStep], Callable[..., Move]]] = (
    MappingProxyType(
        {
            ResizeShort: _moved_by_resize_short,
            Resize: _moved_by_resize,
            CenterCrop: _moved_by_crop,
            Letterbox: _moved_by_letterbox,
        }
    )
)
