"""Samples as small pictures: those that came out wrong, and images with their boxes."""

import io
from dataclasses import dataclass
from typing import Final

import numpy as np
from jaxtyping import Bool, Float, Int64, Shaped, UInt8
from PIL import Image

from emu.evaluate import (
    Category,
    ClassifyResult,
    Dataset,
    Detections,
    DetectResult,
    Objects,
)

# How many of a case, and the longer side in pixels.
_PICTURES: Final = 24
_PICTURE_SIDE: Final = 96
_SCENES: Final = 6
_SCENE_SIDE: Final = 480
# Up to here a picture is kept as it is; a larger one as JPEG.
_LOSSLESS_SIDE: Final = 64
_QUALITY: Final = 75
# Boxes below this score are noise to the eye; as many as this are kept of an image.
_SCORE: Final = 0.3
_BOXES: Final = 40
_OVERLAP: Final = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """A sample that the program gets wrong.

    Fields:
        name: of the sample.
        image: a PNG or JPEG file; empty if the sample is nothing to look at.
        newly_wrong: whether the run before had it right; else FP32 has.
        label, now: the class that is right, and the program's: number and name.
        before, fp32: those of the run before and of FP32, where they are known.
    """

    name: str
    image: bytes
    newly_wrong: bool
    label: str
    now: str
    before: str | None = None
    fp32: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Box:
    """Left, upper, right and lower edge in pixels of the image; objects have no score."""

    edges: tuple[float, float, float, float]
    category: str
    score: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """An image with boxes.

    Fields:
        name: of the sample.
        image: a JPEG or PNG file, scaled down.
        size: height and width of the image in its own pixels, as boxes count them.
        objects: what there is to find.
        fp32, now: what FP32 and the program find, from a score of 0.3 on.
        lost: objects that FP32 finds and the program does not.
    """

    name: str
    image: bytes
    size: tuple[int, int]
    objects: tuple[Box, ...]
    fp32: tuple[Box, ...]
    now: tuple[Box, ...]
    lost: int


def choose_pictures(
    dataset: Dataset,
    found: ClassifyResult,
    fp32: Int64[np.ndarray, " n"] | None,
    before: tuple[int, ...],
    count: int = _PICTURES,
) -> tuple[Picture, ...]:
    """The first samples that are newly wrong, else those that only FP32 has right.

    `before` are the classes of an earlier run, () where they are not known.
    """
    wrong = found.predictions != found.labels
    nobody = np.zeros_like(wrong)
    old = np.array(before, np.int64) if len(before) == found.n else None
    newly = nobody if old is None else wrong & (old == found.labels)
    lost = nobody if fp32 is None else wrong & (fp32 == found.labels)
    chosen = np.flatnonzero(newly if newly.any() else lost)[:count]
    return tuple(
        Picture(
            name=found.ids[row],
            image=encode(picture_of(dataset.load(row)), _PICTURE_SIDE),
            newly_wrong=bool(newly[row]),
            label=_class_text(dataset, found.labels[row]),
            now=_class_text(dataset, found.predictions[row]),
            before=None if old is None else _class_text(dataset, old[row]),
            fp32=None if fp32 is None else _class_text(dataset, fp32[row]),
        )
        for row in map(int, chosen)
    )


def _class_text(dataset: Dataset, klass: np.int64) -> str:
    """A class by its number, and its name where the data has one."""
    names = dataset.classes
    return f"{klass} {names[klass] if 0 <= klass < len(names) else ''}".strip()


def choose_scenes(
    dataset: Dataset,
    found: DetectResult,
    fp32: DetectResult | None,
    count: int = _SCENES,
) -> tuple[Scene, ...]:
    """Images with their boxes, those first that lose most objects against FP32."""
    golden = fp32.detections if fp32 else found.detections
    lost = [
        int(np.count_nonzero(seen(one, full) & ~seen(one, now)))
        for one, full, now in zip(found.objects, golden, found.detections, strict=True)
    ]
    chosen = np.argsort(-np.array(lost), kind="stable")[:count]
    return tuple(
        Scene(
            name=found.ids[row],
            image=encode(picture_of(dataset.load(row)), _SCENE_SIDE),
            size=found.objects[row].size,
            objects=_objects(found.objects[row], found.categories),
            fp32=_found(fp32.detections[row], found.categories) if fp32 else (),
            now=_found(found.detections[row], found.categories),
            lost=lost[row],
        )
        for row in map(int, chosen)
    )


def seen(objects: Objects, found: Detections) -> Bool[np.ndarray, " n"]:
    """Whether each object has a box of its class over half of it (IoU of 0.5)."""
    clear = found.scores >= _SCORE
    overlaps = _iou(objects.boxes, found.boxes[clear].astype(np.float64))
    same = objects.classes[:, None] == found.classes[clear]
    return (same & (overlaps >= _OVERLAP)).any(axis=1)


def _iou(
    a: Float[np.ndarray, "n 4"], b: Float[np.ndarray, "m 4"]
) -> Float[np.ndarray, "n m"]:
    low = np.maximum(a[:, None, :2], b[:, :2])
    high = np.minimum(a[:, None, 2:], b[:, 2:])
    both = np.prod(np.maximum(high - low, 0), axis=2)
    areas = [np.prod(boxes[:, 2:] - boxes[:, :2], axis=1) for boxes in (a, b)]
    return both / np.maximum(areas[0][:, None] + areas[1] - both, 1e-9)


def _objects(found: Objects, categories: tuple[Category, ...]) -> tuple[Box, ...]:
    return tuple(
        Box(edges=_edges(box), category=categories[int(klass)].name)
        for box, klass in zip(found.boxes[:_BOXES], found.classes, strict=False)
    )


def _found(found: Detections, categories: tuple[Category, ...]) -> tuple[Box, ...]:
    clear = np.flatnonzero(found.scores >= _SCORE)[:_BOXES]
    return tuple(
        Box(
            edges=_edges(found.boxes[row]),
            category=categories[int(found.classes[row])].name,
            score=float(found.scores[row]),
        )
        for row in clear
    )


def _edges(box: Float[np.ndarray, " 4"]) -> tuple[float, float, float, float]:
    left, upper, right, lower = (round(float(edge), 1) for edge in box)
    return left, upper, right, lower


def picture_of(
    sample: Shaped[np.ndarray, "..."],
) -> UInt8[np.ndarray, "h w"] | UInt8[np.ndarray, "h w 3"] | None:
    """A sample as pixels, grey or RGB; None for what is not two-dimensional.

    Channels may come first or last. What is not 8-bit already is spread over the
    whole range, its least value black.
    """
    if sample.ndim == 3 and sample.shape[0] in (1, 3) and sample.shape[2] > 3:
        sample = np.moveaxis(sample, 0, 2)
    if sample.ndim == 3 and sample.shape[2] == 1:
        sample = sample[:, :, 0]
    if not (sample.ndim == 2 or (sample.ndim == 3 and sample.shape[2] == 3)):
        return None
    if min(sample.shape[:2]) < 2:
        return None
    if sample.dtype == np.uint8:
        return sample
    values = np.nan_to_num(sample.astype(np.float64))
    low, high = values.min(), values.max()
    return np.rint((values - low) * (255 / ((high - low) or 1.0))).astype(np.uint8)


def encode(pixels: UInt8[np.ndarray, "..."] | None, side: int) -> bytes:
    """A file of an image whose longer side is at most `side`; b"" for None.

    Small ones are PNG, exact; larger ones JPEG.
    """
    if pixels is None:
        return b""
    image = Image.fromarray(pixels)
    lossless = max(image.size) <= _LOSSLESS_SIDE
    image.thumbnail((side, side))
    file = io.BytesIO()
    if lossless:
        image.save(file, "PNG", optimize=True)
    else:
        image.save(file, "JPEG", quality=_QUALITY, optimize=True)
    return file.getvalue()
