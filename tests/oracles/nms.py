"""Greedy non-maximum suppression in plain Python, one candidate after another."""

from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]


def suppress(
    boxes: Array,
    scores: Array,
    *,
    score_threshold: float,
    iou_threshold: float,
    max_candidates: int,
    max_boxes: int,
    class_wise: bool,
) -> list[tuple[int, int]]:
    """Anchor and class of the boxes of one image that stay, in order."""
    candidates = [
        (float(-score), anchor, label)
        for (anchor, label), score in np.ndenumerate(scores)
        if score > np.float32(score_threshold)
    ]
    kept: list[tuple[int, int]] = []
    for _, anchor, label in sorted(candidates)[:max_candidates]:
        rivals = [a for a, c in kept if c == label or not class_wise]
        if len(kept) < max_boxes and all(
            overlap(boxes[a], boxes[anchor]) <= iou_threshold for a in rivals
        ):
            kept.append((anchor, label))
    return kept


def overlap(a: Array, b: Array) -> float:
    """Intersection over union; sides in float32, all else in double precision."""
    shared = area(np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2]))
    union = area(a[2:] - a[:2]) + area(b[2:] - b[:2]) - shared
    return shared / union if shared > 0 else 0.0


def area(sides: Array) -> float:
    return max(float(sides[0]), 0.0) * max(float(sides[1]), 0.0)
