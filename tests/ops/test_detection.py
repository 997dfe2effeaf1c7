"""Detection post-processing against LiteRT, equal scores included."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flatbuffers import flexbuffers

from emu import ops
from emu.ops.heap import partial_sort
from tests.frontends.tflite_models import LiteNode, packed, tflite_model
from tests.ops.detection_cases import ANCHORS, VARIANTS
from tests.oracles import detection
from tests.oracles.litert import Lite, Resolver, run_litert_all

pytestmark = pytest.mark.usefixtures("x64")

BOXES, COLUMNS = len(ANCHORS), 5


def detection_options(op: ops.DetectionPostprocess) -> bytes:
    builder: Any = flexbuffers.Builder()
    with builder.Map():
        for axis, scale in zip("yxhw", op.scales, strict=True):
            builder.Float(f"{axis}_scale", scale)
        builder.Float("nms_score_threshold", op.score_threshold)
        builder.Float("nms_iou_threshold", op.iou_threshold)
        builder.Int("max_detections", op.max_detections)
        builder.Int("max_classes_per_detection", op.max_classes_per_detection)
        builder.Int("num_classes", op.num_classes)
        builder.Int("detections_per_class", op.detections_per_class)
        builder.Bool("use_regular_nms", op.regular)
    return bytes(builder.Finish())


def detection_model(op: ops.DetectionPostprocess) -> Any:
    tensors = [
        Lite(shape=(1, BOXES, 4), dtype="float32"),
        Lite(shape=(1, BOXES, COLUMNS), dtype="float32"),
        Lite(shape=ANCHORS.shape, dtype="float32", data=ANCHORS),
        *(Lite(shape=(), dtype="float32") for _ in range(4)),
    ]
    node = LiteNode(
        operator="TFLite_Detection_PostProcess",
        inputs=(0, 1, 2),
        outputs=(3, 4, 5, 6),
        custom=detection_options(op),
    )
    return tflite_model(tensors, [node], (0, 1), (3, 4, 5, 6))


@pytest.mark.parametrize("levels", [0, 6, 40], ids=["reals", "6 levels", "40 levels"])
@pytest.mark.parametrize("name", VARIANTS)
def test_detections_equal_litert_and_so_do_ties(name, levels):
    op, rng = VARIANTS[name], np.random.default_rng(levels)
    model = packed(detection_model(op))
    kernel = jax.jit(lambda *xs: ops.KERNELS[type(op)](op, *xs))
    for _ in range(12):
        boxes = rng.normal(0, 2, (1, BOXES, 4)).astype(np.float32)
        scores = rng.uniform(0, 1, (1, BOXES, COLUMNS))
        if levels:
            scores = np.floor(scores * levels) / levels
        scores = scores.astype(np.float32)
        found = np.asarray(kernel(boxes, scores, ANCHORS))[0]
        outputs, _ = run_litert_all(model, [boxes, scores], Resolver.REFERENCE)
        count = int(outputs[3][0])
        assert found[:, 6].sum() == count
        # What follows the detections is what LiteRT's memory held before.
        rows = count * (1 if op.regular else op.max_classes_per_detection)
        expected = np.concatenate(
            [outputs[0][0], outputs[1][0, :, None], outputs[2][0, :, None]], axis=1
        )
        np.testing.assert_array_equal(found[:rows, :6], expected[:rows])


@pytest.mark.parametrize("count", [1, 2, 5, 8, 9])
def test_a_partial_sort_orders_ties_as_a_heap_does(count):
    rng = np.random.default_rng(count)
    sort = jax.jit(lambda values: partial_sort(values, count))
    for _ in range(40):
        values = rng.integers(0, 4, 9).astype(np.float32)
        expected = detection.partial_sort(values, count)
        np.testing.assert_array_equal(np.asarray(sort(values)), expected)


def test_boxes_of_three_numbers_are_refused():
    op = VARIANTS["fast"]
    boxes, scores = jnp.zeros((1, 2, 3)), jnp.zeros((1, 2, 4))
    with pytest.raises(ValueError, match="boxes of 3"):
        ops.KERNELS[type(op)](op, *map(_float, (boxes, scores, ANCHORS[:2])))


def _float(values: Any) -> jax.Array:
    return jnp.asarray(values, jnp.float32)
