"""Detections of the graph: order of values, count, threshold."""

import numpy as np
import pytest

from emu.errors import UnsupportedError
from emu.evaluate.detect.final import FinalDetections, final_detections

DECODER = FinalDetections(size=(100, 200))
BOXES = np.array([[[0.1, 0.2, 0.5, 0.6], [0, 0, 1, 1], [0.2, 0.2, 0.3, 0.3]]], "f4")
CLASSES = np.array([[7, 0, 3]], np.float32)
SCORES = np.array([[0.9, 0.5, 0.4]], np.float32)


def found(count, decoder=DECODER, scores=SCORES):
    counts = np.array([count], np.float32)
    (one,) = final_detections(decoder, BOXES, CLASSES, scores, counts)
    return one


def test_boxes_become_pixels_with_x_first():
    one = found(3)
    np.testing.assert_allclose(one.boxes[0], [40, 10, 120, 50], rtol=1e-6)
    assert one.boxes[1].tolist() == [0, 0, 200, 100]
    assert one.boxes.dtype == one.scores.dtype == np.float32
    assert one.classes.dtype == np.int64
    assert one.classes.tolist() == [7, 0, 3]


def test_rows_behind_the_count_mean_nothing():
    assert found(2).classes.tolist() == [7, 0]
    assert found(0).boxes.shape == (0, 4)


def test_scores_at_the_threshold_go():
    decoder = DECODER.model_copy(update={"score_threshold": 0.5})
    assert found(3, decoder).classes.tolist() == [7]


def test_the_best_comes_first_and_equal_scores_keep_their_order():
    scores = np.array([[0.4, 0.9, 0.4]], np.float32)
    assert found(3, scores=scores).classes.tolist() == [0, 7, 3]


def test_other_shapes_are_refused():
    count = np.ones(1, np.float32)
    with pytest.raises(UnsupportedError, match=r"shapes \[\[1, 3\], \[1, 3, 4\]"):
        final_detections(DECODER, CLASSES, BOXES, SCORES, count)
    with pytest.raises(UnsupportedError, match="expected boxes"):
        final_detections(DECODER, BOXES, CLASSES, SCORES, count.reshape(1, 1))
