"""What changed since a baseline: images of a detector, if they can be compared."""

from dataclasses import replace

import pytest

from emu.evaluate import DetectResult
from emu.gate import CaseResult, DetectionChange, Kind, baseline_of
from emu.gate.since import change_since
from emu.gate.verdict import differences, judge
from tests.evaluate.detect.scenes import CATEGORIES, NOTHING, objects, perturbed


@pytest.fixture
def detector(measured) -> CaseResult:
    boxes = [[10, 10, 60, 60], [100, 20, 180, 90]]
    truth = tuple(objects(boxes, [0, 1]) for _ in range(10))
    found = DetectResult(
        ids=tuple(f"image-{i}" for i in range(10)),
        objects=truth,
        detections=perturbed(truth, 2, 7, missed=0),
        categories=CATEGORIES,
    )
    return replace(measured, fp32=found, quantized=found)


def blind(detector: CaseResult, image: int) -> CaseResult:
    """Nothing is found in one image any more."""
    found = detector.quantized
    assert isinstance(found, DetectResult)
    rest = [NOTHING if i == image else d for i, d in enumerate(found.detections)]
    return replace(detector, quantized=replace(found, detections=tuple(rest)))


def test_boxes_of_a_baseline_give_its_map(detector):
    change = change_since(
        blind(detector, 2), baseline_of(blind(detector, 2)), baseline_of(detector)
    )
    assert isinstance(change, DetectionChange)
    assert change.worse == ("image-2",)
    expected = blind(detector, 2).quantized.score - detector.quantized.score
    assert change.points == pytest.approx(100 * expected)


def test_the_same_boxes_are_no_change(detector):
    found = baseline_of(detector)
    assert change_since(detector, found, found) is None


@pytest.mark.parametrize(
    "other",
    [
        {"boxes": ()},
        {"case": {"data": "other"}},
        {"quantized": {"n": 9, "objects": 20}},
        {"quantized": {"n": 10, "objects": 19}},
    ],
)
def test_what_cannot_be_compared_is_not(detector, other):
    stored = baseline_of(detector).model_copy(update=other)
    now = blind(detector, 2)
    assert change_since(now, baseline_of(now), stored) is None


def test_an_update_adds_boxes_where_there_are_none(detector):
    found = baseline_of(detector)
    none = found.model_copy(update={"boxes": ()})
    total = sum(len(one.scores) for one in detector.quantized.detections)
    assert differences(found, none) == [f"boxes: none -> all {total}"]
    assert differences(found, found.model_copy(update={"reason": "other"})) == []


def test_changed_boxes_are_counted_by_image(detector):
    found, before = baseline_of(blind(detector, 2)), baseline_of(detector)
    [bits] = [d for k, _, d in judge(found, before) if k is Kind.BIT]
    assert bits.startswith("1 of 10 predictions differ, first sample 2: ")
    assert " -> 0:" in bits
