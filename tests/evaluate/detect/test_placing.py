"""Boxes of the model's input on the image, there and back."""

import numpy as np
from hypothesis import given, strategies as st

from emu.evaluate.detect.boxes import Placement
from emu.evaluate.detect.placing import to_image
from emu.evaluate.preprocess import Preprocess


def test_a_box_is_moved_and_scaled_with_x_first():
    placement = Placement(size=(100, 200), scale=(0.5, 2.0), offset=(10.0, 20.0))
    boxes = np.array([[40, 20, 60, 35]], np.float32)
    out = to_image(boxes, placement)
    assert out.dtype == np.float32
    assert out.tolist() == [[10.0, 20.0, 20.0, 50.0]]


def test_boxes_are_clipped_to_the_image():
    placement = Placement(size=(10, 20), scale=(1.0, 1.0), offset=(0.0, 0.0))
    boxes = np.array([[-5, -6, 99, 98], [30, 1, 40, 2], [-np.inf, 0, np.inf, 1]])
    out = to_image(boxes, placement)
    assert out.tolist() == [[0, 0, 20, 10], [20, 1, 20, 2], [0, 0, 20, 1]]


def test_no_boxes_stay_no_boxes():
    placement = Placement(size=(10, 20), scale=(1.0, 1.0), offset=(0.0, 0.0))
    assert to_image(np.zeros((0, 4), np.float32), placement).shape == (0, 4)


STEPS = st.lists(
    st.sampled_from(
        [
            {"op": "resize", "size": [70, 90]},
            {"op": "resize_short", "size": 66},
            {"op": "letterbox", "size": [80, 64], "align": "center"},
            {"op": "letterbox", "size": [96, 99], "rounding": "nearest"},
            {"op": "center_crop", "size": [50, 41]},
        ]
    ),
    max_size=3,
    unique_by=lambda step: step["op"],
)


@given(steps=STEPS, h=st.integers(100, 300), w=st.integers(100, 300))
def test_to_image_undoes_the_placement(steps, h, w):
    placed = Preprocess.model_validate(steps).placement(h, w)
    box = np.array([3.0, 5.0, 70.0, 90.0])
    scale, offset = np.tile(placed.scale[::-1], 2), np.tile(placed.offset[::-1], 2)
    back = to_image((box * scale + offset)[None], placed)
    np.testing.assert_allclose(back[0], box, rtol=0, atol=1e-4)
