"""COCO's twelve numbers for boxes, computed by pycocotools.

Source: https://cocodataset.org/#detection-eval; Lin et al., "Microsoft COCO: Common
Objects in Context", ECCV 2014.
"""

import io
from collections.abc import Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float64
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from emu.evaluate.detect.ap_inputs import require_comparable
from emu.evaluate.detect.boxes import Category, Detections, Objects


@dataclass(frozen=True, slots=True, kw_only=True)
class CocoAp:
    """Average precision and recall, 0 to 1; -1 where there are no such objects.

    Each is the mean over the categories that have objects. Recall counts the best 1,
    10 or 100 detections of a category in an image, precision the best 100.

    Fields:
        ap: mean over intersection over union (IoU) 0.50, 0.55, ..., 0.95.
        ap50, ap75: at one IoU.
        ap_small, ap_medium, ap_large: objects of up to 32 * 32 pixels, up to 96 * 96,
            and larger.
        ar1, ar10, ar100: the highest recall with as many detections, mean over IoU.
        ar_small, ar_medium, ar_large: `ar100` by the sizes of objects.
    """

    ap: float
    ap50: float
    ap75: float
    ap_small: float
    ap_medium: float
    ap_large: float
    ar1: float
    ar10: float
    ar100: float
    ar_small: float
    ar_medium: float
    ar_large: float


def coco_ap(
    objects: Sequence[Objects],
    detections: Sequence[Detections],
    categories: Sequence[Category],
) -> tuple[CocoAp, pd.DataFrame]:
    """Measure detections as COCO does, to the last digit.

    Detections of equal scores rank by image, then by their order in it. A crowd box
    takes any number of detections, which then count neither way. Images without
    objects count: what is detected there is wrong. No detections at all give 0 where
    there are objects. `difficult` plays no part.

    Arguments:
        objects: of each image.
        detections: in each image, of any number.
        categories: what classes mean.

    Returns:
        The twelve numbers, and a row for each category, in order: its name, its number
        of objects without crowds, its ap and ap50 (-1 where it has no such objects).

    Raises:
        DataError: objects and detections do not fit together, see
            `require_comparable`.
    """
    evaluation = match_detections(objects, detections, categories)
    with redirect_stdout(io.StringIO()):
        evaluation.accumulate()
        evaluation.summarize()
    # pycocotools and CocoAp have the same order.
    stats = zip(fields(CocoAp), evaluation.stats, strict=True)
    numbers = CocoAp(**{field.name: float(value) for field, value in stats})
    return numbers, _by_category(evaluation.eval["precision"], objects, categories)


def match_detections(
    objects: Sequence[Objects],
    detections: Sequence[Detections],
    categories: Sequence[Category],
) -> COCOeval:
    """Match detections with objects; nothing is accumulated yet.

    Ids of images and categories are their positions. Errors as of `coco_ap`.
    """
    require_comparable(objects, detections, categories)
    # pycocotools reports its progress on stdout, which belongs to our results.
    with redirect_stdout(io.StringIO()):
        truth = _indexed(objects, categories, _true_boxes(objects))
        found = _indexed(objects, categories, _found_boxes(detections))
        evaluation = COCOeval(truth, found, "bbox")
        evaluation.evaluate()
    return evaluation


def _indexed(
    objects: Sequence[Objects],
    categories: Sequence[Category],
    annotations: list[dict[str, Any]],
) -> COCO:
    """Make the form in which pycocotools holds boxes.

    Its `loadRes` would do for detections, but fails on none at all.
    """
    # It takes an id of 0 for "not matched".
    for number, annotation in enumerate(annotations, start=1):
        annotation["id"] = number
    dataset: Any = {  # Any: its published types want segmentations too
        "images": [{"id": position} for position in range(len(objects))],
        "categories": [{"id": position} for position in range(len(categories))],
        "annotations": annotations,
    }
    coco = COCO()
    coco.dataset = dataset
    coco.createIndex()
    return coco


def _true_boxes(objects: Sequence[Objects]) -> list[dict[str, Any]]:
    return [
        {
            "image_id": position,
            "category_id": int(image.classes[row]),
            "bbox": [float(value) for value in boxes[row]],
            "area": float(image.areas[row]),
            "iscrowd": int(image.crowd[row]),
        }
        for position, image in enumerate(objects)
        for boxes in [written_boxes(image.boxes)]
        for row in range(len(boxes))
    ]


def _found_boxes(detections: Sequence[Detections]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for position, image in enumerate(detections):
        # float64 holds the difference of two float32 pixels.
        corners = image.boxes.astype(np.float64)
        sides = corners[:, 2:] - corners[:, :2]
        for row, (width, height) in enumerate(sides.tolist()):
            x, y = corners[row, :2].tolist()
            found.append(
                {
                    "image_id": position,
                    "category_id": int(image.classes[row]),
                    "bbox": [x, y, width, height],
                    "area": width * height,
                    "iscrowd": 0,
                    "score": float(image.scores[row]),
                }
            )
    return found


def written_boxes(
    boxes: Float64[np.ndarray, "n 4"],
) -> Float64[np.ndarray, "n 4"]:
    """Return corners as [x, y, width, height], exactly as annotations wrote them.

    x + width - x differs from width in the last bit. COCO's files have two decimals:
    the width of at most six decimals that gives the corner again is the one written.
    """
    low, high = boxes[:, :2], boxes[:, 2:]
    sides = high - low
    short = np.round(sides, 6)
    return np.hstack([low, np.where(low + short == high, short, sides)])


def _by_category(
    precision: Float64[np.ndarray, "t r k a m"],
    objects: Sequence[Objects],
    categories: Sequence[Category],
) -> pd.DataFrame:
    """The table of `coco_ap`, for objects of all sizes and 100 detections."""
    counts = np.zeros(len(categories), np.int64)
    for image in objects:
        np.add.at(counts, image.classes[~image.crowd], 1)
    # [t, k]: a category's precisions are all -1, or none is.
    means = precision[:, :, :, 0, -1].mean(axis=1)
    return pd.DataFrame(
        {
            "name": [category.name for category in categories],
            "objects": counts,
            "ap": means.mean(axis=0),
            "ap50": means[0],
        }
    )
