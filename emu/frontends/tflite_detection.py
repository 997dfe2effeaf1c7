"""Importer of TFLite_Detection_PostProcess: its options, its four results."""

import struct
from typing import Final

import numpy as np
from flatbuffers import flexbuffers

from emu.errors import ModelError, UnsupportedError
from emu.frontends.tflite_file import TfliteNode
from emu.frontends.tflite_scope import Scope
from emu.ops import DetectionPostprocess, ReduceSum, Reshape, Slice
from emu.ops.rearrange import TO_THE_END

# What damaged options raise.
_DAMAGE: Final = (
    struct.error,
    ValueError,
    TypeError,
    IndexError,
    KeyError,
    OverflowError,
)

MOST_BYTES: Final = 1 << 14
MOST_DETECTIONS: Final = 1 << 14


def import_detection_postprocess(scope: Scope, node: TfliteNode) -> None:
    """Boxes, class scores, constant anchors -> boxes, classes, scores, their count."""
    if len(node.inputs) != 3 or len(node.outputs) != 4:
        raise ModelError(f"{len(node.inputs)} operands and {len(node.outputs)} results")
    boxes, scores, anchors = node.inputs
    op = _read_options(node.custom)
    _check(op, scope.shape(scores)[-1] or 0)
    values = scope.reals(anchors, "list of anchors")
    if values.ndim != 2 or values.shape[1] != 4 or (values[:, 2:] < 0).any():
        raise UnsupportedError(f"anchors of shape {values.shape}, or of negative size")
    title = scope.derived(f"{scope.tensor(anchors).name}:real")
    held = scope.add_constant(title, values)
    inputs = (scope.real(boxes), scope.real(scores), held)
    packed = scope.step(node, op, inputs, "detections")
    count = op.max_detections * op.max_classes_per_detection
    for result, (start, size) in zip(
        node.outputs, ((0, 4), (4, 1), (5, 1), (6, 1)), strict=True
    ):
        part = Slice(
            starts=(0, 0, start), sizes=(TO_THE_END, count, size), steps=(1, 1, 1)
        )
        if size > 1:
            scope.emit(node, part, (packed,), result)
            continue
        column = scope.step(node, part, (packed,), f"column{start}")
        last = result == node.outputs[-1]
        op_of_column = (
            ReduceSum(axes=(1, 2), keepdims=False) if last else Reshape(shape=(count,))
        )
        scope.emit(node, op_of_column, (column,), result)


def _read_options(data: bytes) -> DetectionPostprocess:
    """The operator that the options state, a map in the form of flexbuffers."""
    if len(data) > MOST_BYTES:
        raise ModelError(f"{len(data)} bytes of options")
    try:
        found = flexbuffers.GetRoot(data).AsMap
        per_class = _optional(found, "detections_per_class")
        regular = _optional(found, "use_regular_nms")
        return DetectionPostprocess(
            max_detections=found["max_detections"].AsInt,
            max_classes_per_detection=found["max_classes_per_detection"].AsInt,
            num_classes=found["num_classes"].AsInt,
            detections_per_class=100 if per_class is None else per_class.AsInt,
            regular=regular is not None and regular.AsBool,
            score_threshold=_single(found["nms_score_threshold"]),
            iou_threshold=_single(found["nms_iou_threshold"]),
            scales=(
                _single(found["y_scale"]),
                _single(found["x_scale"]),
                _single(found["h_scale"]),
                _single(found["w_scale"]),
            ),
        )
    except _DAMAGE as error:
        raise ModelError(f"damaged or missing options: {error}") from error


def _optional(found: flexbuffers.Map, name: str) -> flexbuffers.Ref | None:
    try:
        return found[name]
    except KeyError:
        return None


def _check(op: DetectionPostprocess, columns: int) -> None:
    """Refuse what the engine refuses, and endless work."""
    rows = op.max_detections * op.max_classes_per_detection
    least = min(
        op.max_detections, op.max_classes_per_detection, op.detections_per_class
    )
    if least < 1 or max(rows, op.detections_per_class) > MOST_DETECTIONS:
        raise UnsupportedError(f"{rows} rows, {op.detections_per_class} a class")
    finite = np.isfinite(op.scales).all() and 0 not in op.scales
    if not 0 < op.iou_threshold <= 1 or not finite:
        raise UnsupportedError(f"threshold {op.iou_threshold}, scales {op.scales}")
    if op.num_classes < 1 or columns - op.num_classes not in (0, 1):
        raise UnsupportedError(f"{op.num_classes} classes in {columns} scores")


def _single(value: flexbuffers.Ref) -> float:
    """A number as float32."""
    return float(np.float32(value.AsFloat))
