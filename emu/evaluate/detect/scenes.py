"""Scenes for detectors: small labelled images laid on a canvas, with their boxes.

Integer arithmetic alone, on the raw words of NumPy's Philox, whose stream is fixed for
all versions: scene number k of a seed has the same bytes everywhere, however many
scenes there are.

A scene is a grey canvas with a gradient and noise. Each image is ink on it: scaled by
linear interpolation to a size of its own, drawn in one grey over what lies there. Its box is
the smallest around the pixels with at least half of its deepest ink, also where a later
image covers them.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from jaxtyping import Int64, Shaped, UInt8

from emu.errors import DataError
from emu.evaluate.datasets import ArraySource, Dataset
from emu.evaluate.detect.annotations import Item, objects_of
from emu.evaluate.detect.boxes import Category, Objects
from emu.evaluate.npz import open_npz

CANVAS: Final = 96
# Pixels of a scaled image's height; its width is 80 to 120 % of it.
_HEIGHTS: Final = (20, 48)
_WIDTH_PERCENT: Final = (80, 120)
# How many images a scene tries to hold, and how often one may look for a place.
_IMAGES: Final = (2, 7)
_ATTEMPTS: Final = 8
# A place is taken where the boxes share at most 1 / so much of the smaller one.
_SHARED: Final = 4
# Greys: of the canvas in its middle, from edge to edge, of a pixel's noise, and how far
# ink differs from the middle at least.
_MIDDLE: Final = (48, 207)
_SLOPE: Final = 32
_NOISE: Final = 8
_CONTRAST: Final = 64
_WHITE: Final = 255
# A pixel's full ink, in parts.
FULL: Final = 256

Box = tuple[float, float, float, float]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Scene:
    """One canvas, and its objects in the order in which they are drawn."""

    pixels: UInt8[np.ndarray, "96 96 1"]
    objects: Objects


def open_scenes(
    path: Path, *, name: str, x: str, y: str, count: int, seed: int
) -> Dataset:
    """Compose scenes of the images in an .npz file.

    Arguments:
        path: the file.
        name: of the dataset, for messages and results.
        x: the array of images, uint8 [n, h, w]; its largest value is full ink.
        y: the array of their classes [n]; class k is the category of id and name k.
        count: of the scenes, named "scene-0", ...
        seed: 0 to 2**64 - 1.

    Raises:
        MissingError: there is no such file.
        DataError: the file is damaged or too large, or the arrays hold something else.
    """
    images = open_npz(path, name=name, x=x, y=y)
    if images.labels is None:
        raise DataError(f"holds no array {y!r} of classes", file=path)
    samples = np.stack([images.load(i) for i in range(len(images))])
    if samples.ndim != 3 or samples.dtype != np.uint8 or not samples.any():
        raise DataError(
            f"found {samples.dtype} of shape {list(samples.shape)}, at most "
            f"{samples.max()}; expected uint8 [n, h, w] that are not all 0",
            file=path,
            where=x,
        )
    ink = parts_of_ink(samples)
    scenes = [compose(ink, images.labels, number, seed) for number in range(count)]
    classes = range(int(images.labels.max()) + 1)
    return Dataset(
        name=name,
        ids=tuple(f"scene-{number}" for number in range(count)),
        labels=None,
        source=ArraySource(x=np.stack([scene.pixels for scene in scenes])),
        positions=np.arange(count, dtype=np.int64),
        file=path,
        objects=tuple(scene.objects for scene in scenes),
        categories=tuple(Category(id=k, name=str(k)) for k in classes),
    )


def compose(
    ink: Int64[np.ndarray, "n h w"],
    classes: Int64[np.ndarray, " n"],
    number: int,
    seed: int,
) -> Scene:
    """Draw scene `number` of a seed from images of ink, 0 to 256 parts."""
    bits = np.random.Philox(key=seed, counter=np.array([0, 0, 0, number], np.uint64))
    middle = _draw(bits, *_MIDDLE)
    canvas = _background(bits, middle)
    placed: list[Item] = []
    for _ in range(_draw(bits, *_IMAGES)):
        which = _draw(bits, 0, len(ink) - 1)
        height = _draw(bits, *_HEIGHTS)
        width = height * _draw(bits, *_WIDTH_PERCENT) // 100
        scaled = _scaled(_scaled(ink[which], height).T, width).T
        grey = _draw(bits, 0, _WHITE)
        while abs(grey - middle) < _CONTRAST:
            grey = _draw(bits, 0, _WHITE)
        for _ in range(_ATTEMPTS):
            top, left = _draw(bits, 0, CANVAS - height), _draw(bits, 0, CANVAS - width)
            box = _around(scaled, top, left)
            if all(_apart(box, other.box) for other in placed):
                under = canvas[top : top + height, left : left + width]
                under += (grey - under) * scaled // FULL
                klass, area = int(classes[which]), _area(box)
                placed.append(Item(box=box, klass=klass, area=area))
                break
    return Scene(
        pixels=canvas.astype(np.uint8)[:, :, None],
        objects=objects_of((CANVAS, CANVAS), placed),
    )


def parts_of_ink(x: Shaped[np.ndarray, "n h w"]) -> Int64[np.ndarray, "n h w"]:
    """Return images as parts of ink: the largest value of all becomes 256."""
    return x.astype(np.int64) * FULL // int(x.max())


def _draw(bits: np.random.Philox, low: int, high: int) -> int:
    """A whole number of low to high; 64 bits make them equally likely but for 2**-56."""
    return low + int(bits.random_raw()) % (high - low + 1)


def _background(bits: np.random.Philox, middle: int) -> Int64[np.ndarray, "96 96"]:
    """A slope with noise; all of its values are greys, for `_MIDDLE` is that narrow."""
    along = np.arange(CANVAS) - CANVAS // 2
    down, right = (_draw(bits, -_SLOPE, _SLOPE) for _ in range(2))
    slope = (down * along[:, None] + right * along[None, :]) // CANVAS
    words = bits.random_raw(CANVAS * CANVAS).reshape(CANVAS, CANVAS)
    noise = (words % np.uint64(2 * _NOISE + 1)).astype(np.int64) - _NOISE
    return middle + slope + noise


def _scaled(
    image: Int64[np.ndarray, "rows columns"], size: int
) -> Int64[np.ndarray, "{size} columns"]:
    """Interpolate the rows linearly, pixel centres at half numbers, edges held."""
    rows = len(image)
    unit = 2 * size
    at = np.clip((2 * np.arange(size) + 1) * rows - size, 0, (rows - 1) * unit)
    low, part = np.divmod(at, unit)
    high = np.minimum(low + 1, rows - 1)
    part = part[:, None]
    return (image[low] * (unit - part) + image[high] * part) // unit


def _around(ink: Int64[np.ndarray, "h w"], top: int, left: int) -> Box:
    """The box of the pixels with at least half of the deepest ink."""
    deep = 2 * ink >= ink.max()
    rows, columns = np.flatnonzero(deep.any(axis=1)), np.flatnonzero(deep.any(axis=0))
    corners = (columns[0], rows[0], columns[-1] + 1, rows[-1] + 1)
    x0, y0, x1, y1 = (float(corner) for corner in corners)
    return x0 + left, y0 + top, x1 + left, y1 + top


def _apart(first: Box, second: Box) -> bool:
    """Whether two boxes share as little as a place allows."""
    left, top = max(first[0], second[0]), max(first[1], second[1])
    right, bottom = min(first[2], second[2]), min(first[3], second[3])
    shared = max(right - left, 0) * max(bottom - top, 0)
    return shared * _SHARED <= min(_area(first), _area(second))


def _area(box: Box) -> float:
    return (box[2] - box[0]) * (box[3] - box[1])
