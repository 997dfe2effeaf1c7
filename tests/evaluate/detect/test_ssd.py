"""SSD's anchors against written-out ones; decoding against TFLite's operator."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from emu.errors import UnsupportedError
from emu.evaluate.detect.ssd import Ssd, SsdAnchors, ssd, ssd_anchors
from emu.evaluate.detect.tables import Tables, exp_table, sigmoid_table
from emu.ops.detection import DetectionPostprocess, detection_postprocess

SMALL = SsdAnchors(strides=(32, 64))
DECODER = Ssd(size=(64, 96), boxes="b", scores="s", anchors=SMALL)
MANY = 2 * 3 * 3 + 1 * 2 * 6


def heads(n=2, classes=4):
    rng = np.random.default_rng(0)
    codes = rng.normal(0, 2, (n, MANY, 4)).astype(np.float32)
    return codes, rng.normal(0, 2, (n, MANY, classes)).astype(np.float32)


def test_the_anchors_of_ssd_300_are_those_of_the_paper_of_mobilenet_ssd():
    anchors = ssd_anchors(SsdAnchors(), (300, 300)) / 300
    assert len(anchors) == 1917
    root = 2**0.5
    first = [
        [0.5 / 19, 0.5 / 19, 0.1, 0.1],
        [0.5 / 19, 0.5 / 19, 0.2 / root, 0.2 * root],
        [0.5 / 19, 0.5 / 19, 0.2 * root, 0.2 / root],
        [0.5 / 19, 1.5 / 19, 0.1, 0.1],
    ]
    np.testing.assert_allclose(anchors[:4], first, rtol=1e-12)
    # The last level has one cell, and the scale 0.95 between neighbours 0.8 and 1.
    mean = (0.95 * 1.0) ** 0.5
    sides = [(0.95 / r**0.5, 0.95 * r**0.5) for r in (1, 2, 0.5, 3, 1 / 3)]
    last = [[0.5, 0.5, h, w] for h, w in [*sides, (mean, mean)]]
    np.testing.assert_allclose(anchors[-6:], last, rtol=1e-12)


def test_anchors_are_shares_of_the_shorter_side():
    anchors = ssd_anchors(SMALL, (64, 96))
    assert len(anchors) == MANY
    assert anchors[0].tolist() == pytest.approx([16, 16, 6.4, 6.4])
    assert anchors[3 * 3].tolist() == pytest.approx([48, 16, 6.4, 6.4])
    # One row and two columns of stride 64; the second is cut off by the input.
    assert anchors[18, :2].tolist() == [32, 24]
    assert anchors[24, :2].tolist() == [32, 72]


def test_full_and_plain_levels_have_the_anchors_that_they_are_told():
    full = SsdAnchors(strides=(64,), reduce_lowest=False)
    assert len(ssd_anchors(full, (64, 64))) == 6
    plain = SsdAnchors(strides=(64,), reduce_lowest=False, interpolated_ratio=0)
    assert len(ssd_anchors(plain, (64, 64))) == 5


def test_no_offset_is_the_anchor_itself_with_x_first():
    out = ssd(DECODER, jnp.zeros((1, MANY, 4)), jnp.zeros((1, MANY, 4)))
    y, x, h, w = ssd_anchors(SMALL, (64, 96)).T
    expected = np.stack([x - w / 2, y - h / 2, x + w / 2, y + h / 2], axis=1)
    np.testing.assert_allclose(out.boxes[0], expected, rtol=1e-6)


def test_boxes_equal_those_of_tflites_operator(x64):
    # Thresholds that drop nothing: each box comes back with the row of its score.
    codes, _ = heads(1)
    scores = np.linspace(0.9, 0.1, MANY, dtype=np.float32)[None, :, None]
    anchors = (ssd_anchors(SMALL, (64, 96)) / [64, 96, 64, 96]).astype(np.float32)
    op = DetectionPostprocess(
        max_detections=MANY,
        max_classes_per_detection=1,
        num_classes=1,
        score_threshold=0.0,
        iou_threshold=1.0,
        scales=DECODER.factors,
    )
    theirs = np.asarray(
        detection_postprocess(
            op, jnp.asarray(codes), jnp.asarray(scores), jnp.asarray(anchors)
        )
    )[0, :, [1, 0, 3, 2]].T * np.array([96, 64, 96, 64], np.float32)
    plain = DECODER.model_copy(update={"background": False, "activation": "none"})
    ours = ssd(plain, jnp.asarray(codes), jnp.asarray(scores))
    np.testing.assert_allclose(ours.boxes[0], theirs, rtol=1e-5, atol=1e-4)
    np.testing.assert_array_equal(ours.scores[0], scores[0])


@pytest.mark.parametrize("activation", ["none", "sigmoid", "softmax"])
@pytest.mark.parametrize("background", [True, False])
def test_scores_are_activated_before_the_background_goes(activation, background):
    codes, scores = heads()
    settings = {"activation": activation, "background": background}
    out = ssd(
        DECODER.model_copy(update=settings), jnp.asarray(codes), jnp.asarray(scores)
    )
    real = {
        "none": lambda x: x,
        "sigmoid": jax.nn.sigmoid,
        "softmax": jax.nn.softmax,
    }[activation](jnp.asarray(scores))
    np.testing.assert_array_equal(out.scores, real[..., 1:] if background else real)


def test_an_axis_of_one_in_the_encodings_is_dropped():
    codes, scores = heads()
    flat = ssd(DECODER, jnp.asarray(codes), jnp.asarray(scores))
    deep = ssd(DECODER, jnp.asarray(codes[:, :, None]), jnp.asarray(scores))
    np.testing.assert_array_equal(flat.boxes, deep.boxes)


def test_tables_replace_exp_and_sigmoid():
    codes, scores = heads()
    out = ssd(
        DECODER.model_copy(update={"tables": Tables()}),
        jnp.asarray(codes),
        jnp.asarray(scores),
    )
    q = np.clip(np.round(scores[..., 1:] * 16), -128, 127).astype(int)
    np.testing.assert_array_equal(out.scores, sigmoid_table(1 / 16)[q + 128] / 256)
    q = np.clip(np.round(codes[..., 2] / np.float32(5) * 32), -128, 127).astype(int)
    heights = exp_table(1 / 32)[q + 128] / 256 * ssd_anchors(SMALL, (64, 96))[:, 2]
    np.testing.assert_allclose(
        out.boxes[..., 3] - out.boxes[..., 1], heights, rtol=1e-4
    )


def test_outputs_that_do_not_fit_are_refused_by_name():
    codes, scores = heads()
    with pytest.raises(UnsupportedError, match=rf"^s has shape .*\[n, {MANY}, 4\]"):
        ssd(DECODER, jnp.asarray(codes), jnp.asarray(scores[:, 1:]))
    with pytest.raises(UnsupportedError, match=r"^b has shape"):
        ssd(DECODER, jnp.asarray(scores[..., :3]), jnp.asarray(scores))
