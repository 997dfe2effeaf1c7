"""TFLite's detection post-processing in plain Python and NumPy scalars, box by box."""

import itertools
import math
from typing import Any

import numpy as np

from emu import ops

Array = np.ndarray[Any, Any]
single = np.float32


def detection_postprocess(
    op: ops.DetectionPostprocess, boxes: Array, scores: Array, anchors: Array
) -> Array:
    with np.errstate(over="ignore"):
        return np.stack(
            [
                _sample(op, box, score, anchors)
                for box, score in zip(boxes, scores, strict=True)
            ]
        )


def _sample(
    op: ops.DetectionPostprocess, boxes: Array, scores: Array, anchors: Array
) -> Array:
    corners = [_corners(op, b, a) for b, a in zip(boxes, anchors, strict=True)]
    classes = scores[:, scores.shape[1] - op.num_classes :]
    result = np.zeros((op.max_detections * op.max_classes_per_detection, 7), single)
    if op.regular:
        found = [
            (corners[box], label, classes[box, label])
            for label in range(op.num_classes)
            for box in _survivors(
                op, corners, classes[:, label], op.detections_per_class
            )
        ]
        found.sort(key=lambda one: -one[2])
        for row, (box, label, score) in enumerate(found[: op.max_detections]):
            result[row] = (*box, label, score, 1)
        return result
    best = classes.max(axis=1)
    many = min(op.max_classes_per_detection, op.num_classes)
    for i, box in enumerate(_survivors(op, corners, best, op.max_detections)):
        for j, label in enumerate(partial_sort(classes[box], many)):
            row = i * op.max_classes_per_detection + j
            result[row] = (*corners[box], label, classes[box, label], j == 0)
    return result


def _corners(op: ops.DetectionPostprocess, box: Array, anchor: Array) -> list[Any]:
    y, x, h, w = (
        float(value) / scale for value, scale in zip(box[:4], op.scales, strict=True)
    )
    up, left, high, wide = map(float, anchor)
    half_h = single(0.5 * math.exp(h) * high)
    half_w = single(0.5 * math.exp(w) * wide)
    centre_y, centre_x = single(y * high + up), single(x * wide + left)
    return [
        centre_y - half_h,
        centre_x - half_w,
        centre_y + half_h,
        centre_x + half_w,
    ]


def _survivors(
    op: ops.DetectionPostprocess, corners: list[Any], scores: Array, most: int
) -> list[int]:
    usable = [i for i, s in enumerate(scores) if s >= single(op.score_threshold)]
    usable.sort(key=lambda i: -scores[i])
    kept: list[int] = []
    for i in usable:
        limit = single(op.iou_threshold)
        if len(kept) < most and all(
            _overlap(corners[k], corners[i]) <= limit for k in kept
        ):
            kept.append(i)
    return kept


def _overlap(a: list[Any], b: list[Any]) -> Any:
    areas = [(box[2] - box[0]) * (box[3] - box[1]) for box in (a, b)]
    if min(areas) <= 0:
        return single(0)
    height = max(min(a[2], b[2]) - max(a[0], b[0]), single(0))
    width = max(min(a[3], b[3]) - max(a[1], b[1]), single(0))
    shared = height * width
    return shared / (areas[0] + areas[1] - shared)


def partial_sort(values: Array, count: int) -> list[int]:
    """Indices as std::partial_sort of libstdc++ leaves them, by a heap on a list."""
    heap = list(range(count))
    for at in reversed(range(count // 2)):
        _put(values, heap, at, count, heap[at])
    for i in range(count, len(values)):
        if values[i] > values[heap[0]]:
            _put(values, heap, 0, count, i)
    for end in reversed(range(1, count)):
        last, heap[end] = heap[end], heap[0]
        _put(values, heap, 0, end, last)
    return heap


def _put(values: Array, heap: list[int], top: int, size: int, index: int) -> None:
    path = [top]
    while 2 * path[-1] + 1 < size:
        left, right = 2 * path[-1] + 1, 2 * path[-1] + 2
        lower = right < size and not values[heap[right]] > values[heap[left]]
        path.append(right if lower else left)
    for above, below in itertools.pairwise(path):
        heap[above] = heap[below]
    while len(path) > 1 and values[heap[path[-2]]] > values[index]:
        heap[path[-1]] = heap[path[-2]]
        path.pop()
    heap[path[-1]] = index
