"""PASCAL VOC's average precision, in both of its interpolations.

Source: VOCevaldet.m and VOCap.m of the development kits of VOC2007 and VOC2012;
Everingham et al., "The PASCAL Visual Object Classes (VOC) Challenge", IJCV 2010.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float64, Int64

from emu.evaluate.detect.ap_inputs import require_comparable
from emu.evaluate.detect.boxes import Category, Detections, Objects

# Intersection over union from which a detection has found an object.
MIN_OVERLAP: Final = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class VocAp:
    """Mean average precision over the categories that have objects, 0 to 1.

    -1 where no category has any.

    Fields:
        ap: the area under precision, made to fall with recall (VOC2010 and later).
        ap_11_points: its mean at the recalls 0, 0.1, ..., 1 (VOC2007).
    """

    ap: float
    ap_11_points: float


def voc_ap(
    objects: Sequence[Objects],
    detections: Sequence[Detections],
    categories: Sequence[Category],
) -> tuple[VocAp, pd.DataFrame]:
    """Measure detections as VOC's development kits do.

    The best detection first, each goes to the object of its category that it overlaps
    most, of equal ones the first. It is right if that is `MIN_OVERLAP` or more and the
    object is not found yet; if the object is difficult it counts neither way; else it
    is wrong. Equal scores rank by image, then by their order in it. `crowd` and
    `areas` play no part.

    Overlap is that of plain areas in pixels. The kits add 1 to every side because
    their corners are pixels that belong to the box; ours are its edges (xmin - 1 and
    xmax), which gives the same sides. Recall is compared with 0.1, 0.2, ... as a
    ratio of whole numbers; the kits' floats put 3 of 10 objects below 0.3.

    Arguments:
        objects: of each image.
        detections: in each image, of any number.
        categories: what classes mean.

    Returns:
        The means, and a row for each category, in order: its name, its number of
        objects without difficult ones, `ap` and `ap_11_points` (-1 where there are no
        such objects).

    Raises:
        DataError: objects and detections do not fit together, see
            `require_comparable`.
    """
    require_comparable(objects, detections, categories)
    ranked = _rank(objects, detections)
    counts = np.zeros(len(categories), np.int64)
    for image in objects:
        np.add.at(counts, image.classes[~image.difficult], 1)
    rows = [
        _average(ranked.right[own], ranked.wrong[own], int(counts[klass]))
        for klass in range(len(categories))
        for own in [ranked.classes == klass]
    ]
    values = np.array(rows, np.float64).reshape(-1, 2)
    table = pd.DataFrame(
        {
            "name": [category.name for category in categories],
            "objects": counts,
            "ap": values[:, 0],
            "ap_11_points": values[:, 1],
        }
    )
    known = values[counts > 0]
    area, points = known.mean(axis=0) if len(known) else (-1.0, -1.0)
    return VocAp(ap=float(area), ap_11_points=float(points)), table


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Ranked:
    """All detections, the highest score first: of what class, and what they count."""

    classes: Int64[np.ndarray, " d"]
    right: Bool[np.ndarray, " d"]
    wrong: Bool[np.ndarray, " d"]


def _rank(objects: Sequence[Objects], detections: Sequence[Detections]) -> _Ranked:
    # Objects are numbered through all images; -1 is none.
    starts = np.cumsum([0, *(len(image.classes) for image in objects)])
    taken = [
        np.where(best >= 0, best + start, -1)
        for image, found, start in zip(objects, detections, starts[:-1], strict=True)
        for best in [_best_object(image, found)]
    ]
    best = np.concatenate([np.zeros(0, np.int64), *taken])
    scores = np.concatenate([np.zeros(0, np.float32), *(f.scores for f in detections)])
    classes = np.concatenate([np.zeros(0, np.int64), *(f.classes for f in detections)])
    order = np.argsort(-scores, kind="stable")
    best = best[order]
    # The last entry is what -1 stands for.
    difficult = np.concatenate([*(image.difficult for image in objects), [False]])
    first = np.zeros(len(best), np.bool_)
    first[np.unique(best, return_index=True)[1]] = True
    left_out = difficult[best]
    right = (best >= 0) & first & ~left_out
    return _Ranked(classes=classes[order], right=right, wrong=~right & ~left_out)


def _best_object(image: Objects, found: Detections) -> Int64[np.ndarray, " d"]:
    """Return the object that each detection overlaps most; -1 for too little."""
    if not len(image.classes):
        return np.full(len(found.classes), -1, np.int64)
    overlaps = _overlaps(found.boxes.astype(np.float64), image.boxes)
    overlaps[found.classes[:, None] != image.classes[None, :]] = -1
    best = np.argmax(overlaps, axis=1)
    enough = overlaps[np.arange(len(best)), best] >= MIN_OVERLAP
    return np.where(enough, best, -1)


def _overlaps(
    a: Float64[np.ndarray, "n 4"], b: Float64[np.ndarray, "m 4"]
) -> Float64[np.ndarray, "n m"]:
    """Return intersection over union; 0 for boxes that share no area."""
    low = np.maximum(a[:, None, :2], b[None, :, :2])
    high = np.minimum(a[:, None, 2:], b[None, :, 2:])
    shared = np.clip(high - low, 0, None).prod(axis=2)
    areas = [(box[:, 2:] - box[:, :2]).prod(axis=1) for box in (a, b)]
    union = areas[0][:, None] + areas[1][None, :] - shared
    return np.divide(shared, union, out=np.zeros_like(shared), where=shared > 0)


def _average(
    right: Bool[np.ndarray, " d"], wrong: Bool[np.ndarray, " d"], count: int
) -> tuple[float, float]:
    """Return the area and the mean at 11 points of one category's precision.

    Recall rises only where a detection is right, so only precision there matters.
    """
    if count == 0:
        return -1.0, -1.0
    hits, misses = np.cumsum(right)[right], np.cumsum(wrong)[right]
    precision = hits / (hits + misses)
    falling = np.maximum.accumulate(precision[::-1])[::-1]
    # The fewest hits with recall >= k / 10; with no recall asked for, the first hit.
    needed = np.maximum(-(-np.arange(11) * count // 10), 1)
    at_points = np.append(falling, 0.0)[np.minimum(needed - 1, len(falling))]
    return float(falling.sum() / count), float(at_points.sum() / 11)
