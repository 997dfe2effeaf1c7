"""VOC's average precision equals the kit's, written out in fractions."""

from dataclasses import astuple
from fractions import Fraction

import pytest
from hypothesis import given, strategies as st

from emu.errors import DataError
from emu.evaluate.detect.voc_ap import VocAp, voc_ap
from tests.evaluate.detect.scenes import CATEGORIES, NOTHING, detections, objects
from tests.oracles.voc import average_precisions

BOX = [10, 10, 60, 60]
FAR = [300, 300, 350, 350]

# Few corners and scores, so that boxes overlap and scores tie.
CORNERS = st.sampled_from([0, 4, 8, 9, 12, 16, 20])
BOXES = st.tuples(CORNERS, CORNERS, st.integers(1, 12), st.integers(1, 12)).map(
    lambda box: (box[0], box[1], box[0] + box[2], box[1] + box[3])
)
CLASSES = st.integers(0, 2)
TRUTHS = st.lists(st.tuples(BOXES, CLASSES, st.booleans()), max_size=6)
SCORES = st.integers(1, 4).map(lambda score: score / 4)
FOUNDS = st.lists(st.tuples(BOXES, CLASSES, SCORES), max_size=8)


@given(st.lists(st.tuples(TRUTHS, FOUNDS), min_size=1, max_size=4))
def test_every_class_equals_the_kit(images):
    truth = [
        objects(
            [box for box, _, _ in truths],
            [klass for _, klass, _ in truths],
            difficult=[hard for _, _, hard in truths],
        )
        for truths, _ in images
    ]
    # The kit needs no order of detections within an image, nor does ours.
    found = [
        detections(
            [box for box, _, _ in founds],
            [score for _, _, score in founds],
            [klass for _, klass, _ in founds],
        )
        for _, founds in images
    ]
    means, table = voc_ap(truth, found, CATEGORIES)
    expected = [
        average_precisions(
            [
                (i, klass, pixels(box), hard)
                for i, (truths, _) in enumerate(images)
                for box, klass, hard in truths
            ],
            [
                (i, klass, pixels(box), Fraction(score))
                for i, (_, founds) in enumerate(images)
                for box, klass, score in founds
            ],
            category,
        )
        for category in range(3)
    ]
    flat = [(-1, -1) if pair is None else pair for pair in expected]
    assert table["ap"].tolist() == pytest.approx([float(a) for a, _ in flat])
    assert table["ap_11_points"].tolist() == pytest.approx([float(p) for _, p in flat])
    known = [pair for pair in expected if pair is not None]
    if known:
        mean = float(sum(area for area, _ in known) / len(known))
        assert means.ap == pytest.approx(mean)
    else:
        assert means == VocAp(ap=-1.0, ap_11_points=-1.0)


def pixels(box):
    """Edges as the first and last pixel, counted from 1."""
    x0, y0, x1, y1 = (Fraction(value) for value in box)
    return x0 + 1, y0 + 1, x1, y1


def measured(truth, found):
    means, _ = voc_ap(truth, found, CATEGORIES)
    return means


def test_half_of_the_objects_found_without_a_mistake():
    # Precision is 1 up to a recall of 1/2: half the area, and 6 of the 11 points.
    means = measured([objects([BOX, FAR])], [detections([BOX], [0.9])])
    assert astuple(means) == pytest.approx((0.5, 6 / 11))


def test_a_mistake_between_two_hits_lowers_the_second_half():
    found = detections([BOX, [200, 0, 250, 50], FAR], [0.9, 0.8, 0.7])
    means = measured([objects([BOX, FAR])], [found])
    assert means.ap == pytest.approx(1 / 2 + 1 / 2 * 2 / 3)
    assert means.ap_11_points == pytest.approx((6 + 5 * 2 / 3) / 11)


def test_the_second_detection_of_an_object_is_wrong():
    found = detections([BOX, BOX, FAR], [0.9, 0.8, 0.7])
    means = measured([objects([BOX, FAR])], [found])
    assert means.ap == pytest.approx(1 / 2 + 1 / 2 * 2 / 3)


def test_a_detection_goes_to_the_object_of_highest_overlap_even_if_it_is_taken():
    # Both overlap the first object most, and the second one by more than a half.
    close = objects([[0, 0, 100, 100], [0, 0, 100, 70]])
    found = detections([[0, 0, 100, 99], [0, 0, 100, 98]], [0.9, 0.8])
    assert measured([close], [found]).ap == 0.5


def test_difficult_objects_count_neither_way():
    image = objects([BOX, FAR], difficult=[False, True])
    both = detections([FAR, FAR, BOX], [0.9, 0.8, 0.7])
    means, table = voc_ap([image], [both], CATEGORIES)
    assert astuple(means) == pytest.approx((1, 1))
    assert table["objects"].tolist() == [1, 0, 0]
    assert table["ap"].tolist() == [1, -1, -1]


@pytest.mark.parametrize(("width", "ap"), [(50, 1.0), (49, 0.0)])
def test_an_overlap_of_one_half_is_enough(width, ap):
    image = objects([[0, 0, 100, 10]])
    assert measured([image], [detections([[0, 0, width, 10]], [1])]).ap == ap


def test_three_of_ten_objects_reach_a_recall_of_three_tenths():
    boxes = [[60 * i, 0, 60 * i + 50, 50] for i in range(10)]
    found = detections(boxes[:3], [0.9, 0.8, 0.7])
    means = measured([objects(boxes)], [found])
    assert means.ap_11_points == pytest.approx(4 / 11)


def test_nothing_detected_is_zero_and_no_objects_are_undefined():
    assert measured([objects([BOX])], [NOTHING]) == VocAp(ap=0.0, ap_11_points=0.0)
    one = detections([BOX], [0.5])
    assert measured([objects([])], [one]) == VocAp(ap=-1.0, ap_11_points=-1.0)
    half = measured([objects([BOX]), objects([BOX])], [one, NOTHING])
    assert half.ap == 0.5


def test_equal_scores_rank_by_image_then_by_their_order():
    image, nothing = objects([BOX]), objects([])
    assert measured([image], [detections([BOX, FAR], [0.5, 0.5])]).ap == 1
    assert measured([image], [detections([FAR, BOX], [0.5, 0.5])]).ap == 0.5
    right, wrong = detections([BOX], [0.5]), detections([FAR], [0.5])
    assert measured([image, nothing], [right, wrong]).ap == 1
    assert measured([nothing, image], [wrong, right]).ap == 0.5


def test_boxes_without_area_find_nothing():
    flat = [5, 5, 5, 9]
    assert measured([objects([flat])], [detections([flat], [0.5])]).ap == 0


def test_what_does_not_fit_together_is_refused():
    with pytest.raises(DataError, match="the objects of 1 images and the detections"):
        voc_ap([objects([BOX])], [], CATEGORIES)
