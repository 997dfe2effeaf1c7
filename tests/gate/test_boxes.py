"""Boxes in a baseline: the same to the last bit, and never more than is said."""

import base64
import zlib
from dataclasses import astuple

import numpy as np
import pytest
from hypothesis import given, strategies as st
from hypothesis.extra import numpy as arrays
from pydantic import ValidationError

from emu.errors import DataError
from emu.evaluate import Detections
from emu.evaluate.detect.coco_ap import coco_ap
from emu.gate.boxes import KeptBoxes, keep_boxes, kept_detections
from tests.evaluate.detect.scenes import CATEGORIES, objects, perturbed

BITS = st.integers(0, 2**32 - 1)


def found(scores, boxes, classes) -> Detections:
    return Detections(boxes=boxes, scores=scores, classes=classes)


@given(count=st.integers(0, 20), values=st.data())
def test_any_boxes_come_back_to_the_last_bit(count, values):
    def draw(*shape):
        return values.draw(arrays.arrays(np.uint32, shape, elements=BITS)).view("f4")

    classes = values.draw(arrays.arrays(np.uint16, count)).astype(np.int64)
    kept = keep_boxes(found(draw(count), draw(count, 4), classes))
    again = kept_detections(KeptBoxes.model_validate(kept.model_dump()))
    assert keep_boxes(again) == kept
    assert (again.scores.shape, again.boxes.shape) == ((count,), (count, 4))
    assert (again.classes == classes).all()
    assert max(map(len, kept.data), default=0) <= 96


def test_average_precision_of_kept_boxes_is_the_same():
    boxes = [[10, 10, 60, 60], [100, 20, 180, 90]]
    truth = tuple(objects(boxes, [0, 1]) for _ in range(6))
    detected = perturbed(truth, 3, 5)
    kept = [kept_detections(keep_boxes(one)) for one in detected]
    whole, again = (coco_ap(truth, run, CATEGORIES)[0] for run in (detected, kept))
    assert astuple(whole) == astuple(again)
    assert 0 < whole.ap < 1


def packed(data: bytes) -> list[str]:
    return [base64.b64encode(data).decode()]


@pytest.mark.parametrize(
    "data",
    [
        [],
        ["no base64!"],
        ["\u00e9"],
        packed(b"no zlib"),
        packed(zlib.compress(bytes(21))),
        packed(zlib.compress(bytes(10_000_000))),
        packed(zlib.compress(bytes(22))[:-5]),
        packed(zlib.compress(bytes(22)) + b"more"),
    ],
    ids=["nothing", "base64", "ascii", "zlib", "short", "bomb", "cut", "more"],
)
def test_what_does_not_unpack_to_its_count_is_refused(data):
    with pytest.raises(ValidationError, match="unpack"):
        KeptBoxes.model_validate({"count": 1, "data": data})


def test_more_boxes_than_any_baseline_holds_are_refused_before_they_are_unpacked():
    with pytest.raises(ValidationError, match="less than or equal to 3000000"):
        KeptBoxes.model_validate({"count": 3_000_001, "data": []})


def test_a_class_that_does_not_fit_is_one_clear_line():
    one = found(np.ones(1, "f4"), np.ones((1, 4), "f4"), np.array([65536]))
    with pytest.raises(DataError, match="found class 65536"):
        keep_boxes(one)
