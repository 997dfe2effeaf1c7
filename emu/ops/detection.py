"""DetectionPostprocess: box decoding and non-maximum suppression, in float.

Source: tensorflow/lite/kernels/detection_postprocess.cc (the custom operator
TFLite_Detection_PostProcess): float64 for decoding, float32 for overlaps, equal
scores in the order of boxes and of classes, but for the classes of one box in that
of the library's heap. Measured equal to LiteRT 2.3.0.
"""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Bool, Float32, Float64, Int

from emu.ops.heap import partial_sort

# What one box or one row of the result has.
_CORNERS = 4
_COLUMNS = 7


@dataclass(frozen=True, slots=True, kw_only=True)
class DetectionPostprocess:
    """Boxes, scores and anchors to detections: rows of a box, class, score, count.

    A box is y x h w relative to its anchor, divided by `scales`; it becomes ymin xmin
    ymax xmax. Boxes that overlap a better one by more than `iou_threshold` are
    dropped, those below `score_threshold` not looked at:
        regular: in each class by itself, at most `detections_per_class`; then the best
            `max_detections` of all classes;
        otherwise: by the best class of each box, at most `max_detections`; each gives
            its `max_classes_per_detection` best classes, a row each.
    Scores may have one more column than classes, the background, first. The result
    has max_detections * max_classes_per_detection rows of seven values; the last is 1
    in the first row of each detection. Rows that are not needed are 0.
    """

    max_detections: int
    max_classes_per_detection: int
    num_classes: int
    score_threshold: float
    iou_threshold: float
    scales: tuple[float, float, float, float]
    regular: bool = False
    detections_per_class: int = 100


def detection_postprocess(
    op: DetectionPostprocess,
    boxes: Float32[Array, "n b k"],
    scores: Float32[Array, "n b c"],
    anchors: Float32[Array, "b 4"],
) -> Float32[Array, "n d 7"]:
    """Detections of each sample, the best first. Needs 64-bit types."""
    if boxes.shape[2] < _CORNERS or scores.shape[2] - op.num_classes not in (0, 1):
        raise ValueError(
            f"boxes of {boxes.shape[2]} and scores of {scores.shape[2]} values"
        )
    corners = _decode(op, boxes, anchors)
    classes = scores[:, :, scores.shape[2] - op.num_classes :]
    rows = _regular if op.regular else _fast
    return jax.vmap(lambda box, score: rows(op, box, score))(corners, classes)


def _decode(
    op: DetectionPostprocess,
    boxes: Float32[Array, "n b k"],
    anchors: Float32[Array, "b 4"],
) -> Float32[Array, "n b 4"]:
    """Corners ymin xmin ymax xmax of each box."""
    scales = jnp.asarray(op.scales, jnp.float64).reshape(1, 1, _CORNERS)
    parts = boxes[:, :, :_CORNERS].astype(jnp.float64) / scales
    anchor = anchors.astype(jnp.float64)[None]
    centre = parts[:, :, :2] * anchor[:, :, 2:] + anchor[:, :, :2]
    half = 0.5 * jnp.exp(parts[:, :, 2:]) * anchor[:, :, 2:]
    near, far = centre.astype(jnp.float32), half.astype(jnp.float32)
    return jnp.concatenate([near - far, near + far], axis=-1)


def _fast(
    op: DetectionPostprocess,
    corners: Float32[Array, "b 4"],
    scores: Float32[Array, "b c"],
) -> Float32[Array, "d 7"]:
    """Suppression by the best class of each box."""
    chosen, found = _suppress(op, corners, jnp.max(scores, axis=1), op.max_detections)
    many = min(op.max_classes_per_detection, op.num_classes)
    classes = jax.vmap(lambda one: partial_sort(one, many))(scores[chosen])
    best = jnp.take_along_axis(scores[chosen], classes, axis=1)
    first = (jnp.arange(many) == 0).astype(jnp.float32)
    rows = jnp.concatenate(
        [
            jnp.repeat(corners[chosen][:, None], many, axis=1),
            classes.astype(jnp.float32)[:, :, None],
            best[:, :, None],
            jnp.broadcast_to(first[None, :, None], (*best.shape, 1)),
        ],
        axis=-1,
    )
    kept = jnp.where(found[:, None, None], rows, 0.0)
    missing = op.max_classes_per_detection - many
    whole = jnp.pad(kept, ((0, 0), (0, missing), (0, 0)))
    return whole.reshape(-1, _COLUMNS)


def _regular(
    op: DetectionPostprocess,
    corners: Float32[Array, "b 4"],
    scores: Float32[Array, "b c"],
) -> Float32[Array, "d 7"]:
    """Suppression in each class, then the best of all."""
    count = min(op.detections_per_class, scores.shape[0])
    chosen, found = jax.vmap(lambda one: _suppress(op, corners, one, count))(scores.T)
    values = jnp.take_along_axis(scores.T, chosen, axis=1).reshape(-1)
    order = _best_first(values, found.reshape(-1))[: op.max_detections]
    rows = jnp.concatenate(
        [
            corners[chosen.reshape(-1)[order]],
            (order // count).astype(jnp.float32)[:, None],
            values[order][:, None],
            jnp.ones((order.shape[0], 1), jnp.float32),
        ],
        axis=-1,
    )
    kept = jnp.where(found.reshape(-1)[order][:, None], rows, 0.0)
    rows_wanted = op.max_detections * op.max_classes_per_detection
    return jnp.pad(kept, ((0, rows_wanted - kept.shape[0]), (0, 0)))


def _best_first(
    scores: Float32[Array, " b"], usable: Bool[Array, " b"]
) -> Int[Array, " b"]:
    """Indices of the usable scores from the highest on, then the others."""
    indices = jnp.arange(scores.shape[0])
    keys = (~usable, -scores, indices)
    return lax.sort(keys, num_keys=2, is_stable=True)[2]


def _suppress(
    op: DetectionPostprocess,
    corners: Float32[Array, "b 4"],
    scores: Float32[Array, " b"],
    count: int,
) -> tuple[Int[Array, " d"], Bool[Array, " d"]]:
    """Up to `count` boxes, the best first, none overlapping a better one by much.

    The second array tells which of the indices in the first are boxes found.
    """
    usable = scores >= jnp.float32(op.score_threshold)
    order = _best_first(scores, usable)
    sorted_corners = corners[order]

    def pick(
        active: Bool[Array, " b"], _: None
    ) -> tuple[Bool[Array, " b"], tuple[Int[Array, ""], Bool[Array, ""]]]:
        best = jnp.argmax(active)
        overlap = _overlap(sorted_corners[best], sorted_corners)
        near = overlap > jnp.float64(jnp.float32(op.iou_threshold))
        rest = active & ~near & (jnp.arange(active.shape[0]) != best)
        return rest, (order[best], active[best])

    _, found = lax.scan(pick, usable[order], None, length=count)
    return found


def _overlap(
    one: Float32[Array, " 4"], many: Float32[Array, "b 4"]
) -> Float64[Array, " b"]:
    """Intersection over union with each of many boxes; 0 for boxes without area."""
    a, b = one.astype(jnp.float64)[None], many.astype(jnp.float64)
    sides = _single(jnp.minimum(a[:, 2:], b[:, 2:]) - jnp.maximum(a[:, :2], b[:, :2]))
    shared = _single(jnp.prod(jnp.maximum(sides, 0.0), axis=1))
    areas = [_single(jnp.prod(_single(x[:, 2:] - x[:, :2]), axis=1)) for x in (a, b)]
    union = _single(_single(areas[0] + areas[1]) - shared)
    empty = (areas[0] <= 0) | (areas[1] <= 0)
    return jnp.where(empty, 0.0, _single(shared / jnp.where(empty, 1.0, union)))


def _single(x: Float64[Array, "*s"]) -> Float64[Array, "*s"]:
    """The nearest float32 number (half even), as float64; no subnormal ones.

    By the bits, because compilers merge the products and sums of plain float32
    arithmetic into operations that round once, as no engine does.
    """
    bits = lax.bitcast_convert_type(x, jnp.int64)
    odd = (bits >> 29) & 1
    rounded = ((bits + ((1 << 28) - 1) + odd) >> 29) << 29
    return lax.bitcast_convert_type(rounded, jnp.float64)
