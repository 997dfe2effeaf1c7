"""Pictures of samples that came out wrong, and of images with boxes."""

import io

import numpy as np
import pytest
from hypothesis import given, strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image

from emu.evaluate import (
    Category,
    ClassifyResult,
    Detections,
    DetectResult,
    Objects,
    from_arrays,
)
from emu.gate.pictures import (
    choose_pictures,
    choose_scenes,
    encode,
    picture_of,
    seen,
)

LABELS = np.array([0, 1, 2, 0, 1], np.int64)
X = np.arange(5 * 8 * 8, dtype=np.uint8).reshape(5, 8, 8)


def found(*predictions: int) -> ClassifyResult:
    return ClassifyResult(
        ids=tuple("abcde"),
        labels=LABELS,
        predictions=np.array(predictions, np.int64),
        top5_hits=np.ones(5, bool),
    )


def dataset(classes: tuple[str, ...] = ("cat", "dog")):
    return from_arrays(X, LABELS, ids=tuple("abcde"), classes=classes)


def test_newly_wrong_samples_come_with_all_predictions():
    pictures = choose_pictures(
        dataset(), found(0, 0, 0, 0, 1), np.array([0, 1, 2, 0, 1]), (0, 1, 1, 0, 1)
    )
    (one,) = pictures
    assert (one.name, one.newly_wrong) == ("b", True)
    assert (one.label, one.before) == ("1 dog", "1 dog")
    assert (one.now, one.fp32) == ("0 cat", "1 dog")
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(one.image))), X[1])


def test_where_nothing_is_newly_wrong_fp32_is_the_measure():
    pictures = choose_pictures(
        dataset(), found(0, 1, 0, 0, 0), np.array([0, 1, 2, 0, 0]), (0, 1, 0, 0, 0)
    )
    assert [(one.name, one.newly_wrong) for one in pictures] == [("c", False)]
    # Class 2 has no name.
    assert (pictures[0].label, pictures[0].before) == ("2", "0 cat")


def test_no_more_than_a_few_are_shown():
    pictures = choose_pictures(dataset(), found(1, 0, 0, 1, 0), LABELS, (), 2)
    assert [one.name for one in pictures] == ["a", "b"]
    assert [one.before for one in pictures] == [None, None]


@pytest.mark.parametrize(
    ("shape", "pixels"),
    [
        ((5, 7), (5, 7)),
        ((5, 7, 1), (5, 7)),
        ((1, 5, 7), (5, 7)),
        ((5, 7, 3), (5, 7, 3)),
        ((3, 5, 7), (5, 7, 3)),
        ((640,), None),
        ((1, 640), None),
        ((5, 7, 4), None),
    ],
)
def test_what_has_two_dimensions_is_a_picture(shape, pixels):
    picture = picture_of(np.zeros(shape, np.float32))
    assert (None if picture is None else picture.shape) == pixels


@given(arrays(np.float32, (4, 6), elements=st.floats(-1e6, 1e6, width=32)))
def test_reals_are_spread_over_all_greys(sample):
    picture = picture_of(sample)
    assert picture is not None
    assert picture.dtype == np.uint8
    assert picture.min() == 0
    assert picture.max() == (255 if sample.max() > sample.min() else 0)


@pytest.mark.parametrize(
    ("shape", "kind", "size"),
    [((8, 8), "PNG", (8, 8)), ((300, 150, 3), "JPEG", (48, 96))],
)
def test_small_pictures_are_exact_and_large_ones_are_scaled(shape, kind, size):
    image = Image.open(io.BytesIO(encode(np.full(shape, 9, np.uint8), 96)))
    assert (image.format, image.size) == (kind, size)
    assert encode(None, 96) == b""


def objects(*boxes: tuple[float, float, float, float]) -> Objects:
    count = len(boxes)
    return Objects(
        size=(100, 200),
        boxes=np.array(boxes, np.float64).reshape(-1, 4),
        classes=np.zeros(count, np.int64),
        areas=np.ones(count),
        crowd=np.zeros(count, bool),
        difficult=np.zeros(count, bool),
    )


def boxes(*found: tuple[float, float, float, float, float, int]) -> Detections:
    table = np.array(found, np.float64).reshape(-1, 6)
    return Detections(
        boxes=table[:, :4].astype(np.float32),
        scores=table[:, 4].astype(np.float32),
        classes=table[:, 5].astype(np.int64),
    )


def test_an_object_is_seen_by_a_clear_box_of_its_class_over_half_of_it():
    one = objects((0, 0, 10, 10))
    assert seen(one, boxes((0, 0, 10, 10, 0.9, 0))).tolist() == [True]
    assert seen(one, boxes((0, 0, 10, 5.1, 0.9, 0))).tolist() == [True]
    assert seen(one, boxes((0, 0, 10, 4.9, 0.9, 0))).tolist() == [False]
    assert seen(one, boxes((0, 0, 10, 10, 0.9, 1))).tolist() == [False]
    assert seen(one, boxes((0, 0, 10, 10, 0.2, 0))).tolist() == [False]
    assert seen(one, boxes()).tolist() == [False]


def test_images_that_lose_objects_come_first():
    full = boxes((0, 0, 10, 10, 0.9, 0), (50, 0, 60, 10, 0.8, 1), (0, 0, 5, 5, 0.1, 0))
    there = objects((0, 0, 10, 10))

    def result(*detections: Detections) -> DetectResult:
        return DetectResult(
            ids=("a", "b"),
            objects=(there, there),
            detections=detections,
            categories=(Category(id=1, name="cat"), Category(id=7, name="dog")),
        )

    data = from_arrays(np.zeros((2, 100, 200, 3), np.uint8), ids=("a", "b"))
    scenes = choose_scenes(data, result(full, boxes()), result(full, full))
    assert [(one.name, one.lost) for one in scenes] == [("b", 1), ("a", 0)]
    first = scenes[1]
    assert [(box.category, box.score) for box in first.objects] == [("cat", None)]
    assert [box.category for box in first.now] == ["cat", "dog"]
    assert first.now[1].edges == (50.0, 0.0, 60.0, 10.0)
    assert scenes[0].now == ()
    assert Image.open(io.BytesIO(first.image)).size == (200, 100)
    # A quantized file has no FP32 beside it.
    assert choose_scenes(data, result(full, boxes()), None)[0].fp32 == ()
