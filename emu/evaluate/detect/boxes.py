"""What a detector finds, what there is to find, and where an image lies on its canvas.

Boxes are [x0, y0, x1, y1]: the left, upper, right and lower edge in pixels, where pixel
k covers k to k + 1. Classes are positions in a list of categories.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float32, Float64, Int64


@dataclass(frozen=True, slots=True, kw_only=True)
class Category:
    """A kind of object: `id` as the annotations number it, `name` for people."""

    id: int
    name: str


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Objects:
    """What there is to find in one image.

    Fields:
        size: height and width of the image as it is stored, in pixels.
        boxes: in pixels of the image; may reach beyond it.
        classes: positions in the dataset's categories.
        areas: of the objects in pixels, for the sizes of COCO's metric; of the box
            where the annotations say nothing.
        crowd: whether a box holds many objects (COCO `iscrowd`).
        difficult: whether a box is left out of VOC's metric.
    """

    size: tuple[int, int]
    boxes: Float64[np.ndarray, "n 4"]
    classes: Int64[np.ndarray, " n"]
    areas: Float64[np.ndarray, " n"]
    crowd: Bool[np.ndarray, " n"]
    difficult: Bool[np.ndarray, " n"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Detections:
    """What a detector finds in one image, the highest score first.

    Fields:
        boxes: in pixels of the image, clipped to it.
        scores: 0 to 1.
        classes: positions in the dataset's categories.
    """

    boxes: Float32[np.ndarray, "n 4"]
    scores: Float32[np.ndarray, " n"]
    classes: Int64[np.ndarray, " n"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """Where preprocessing puts an image on the model's input.

    A point (x, y) of the image comes to (x * scale[1] + offset[1],
    y * scale[0] + offset[0]): heights first, as in shapes.

    Fields:
        size: height and width of the image, in its own pixels.
        scale: of rows and of columns.
        offset: of the first row and column, in pixels of the model's input.
    """

    size: tuple[int, int]
    scale: tuple[float, float]
    offset: tuple[float, float]
