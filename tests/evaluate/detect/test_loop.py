"""The loop of detectors: every image its own detections, whatever the batch size."""

import numpy as np
import pytest

from emu.errors import DataError, UnsupportedError
from emu.evaluate import Category, Dataset, Preprocess, Task, from_arrays
from emu.evaluate.detect.boxes import Objects
from emu.evaluate.detect.final import FinalDetections
from emu.evaluate.detect.loop import evaluate_detector

SIZE = 8
DECODER = FinalDetections(size=(SIZE, SIZE))
PREPROCESS = Preprocess.model_validate([{"op": "resize", "size": [SIZE, SIZE]}])
SIDES = (16, 24, 8, 40, 32)


def objects(side: int) -> Objects:
    """One object: the left upper quarter of a square image."""
    return Objects(
        size=(side, side),
        boxes=np.array([[0, 0, side / 2, side / 2]]),
        classes=np.zeros(1, np.int64),
        areas=np.array([side * side / 4]),
        crowd=np.zeros(1, bool),
        difficult=np.zeros(1, bool),
    )


class Squares:
    """Grey images, each of its own size and brightness."""

    def load(self, position: int) -> np.ndarray:
        side = SIDES[position]
        return np.full((side, side, 3), 10 * position, np.uint8)

    def content(self, position: int) -> bytes:
        return bytes([position])


DATASET = Dataset(
    name="squares",
    ids=tuple(f"square{i}" for i in range(len(SIDES))),
    labels=None,
    source=Squares(),
    positions=np.arange(len(SIDES)),
    objects=tuple(map(objects, SIDES)),
    categories=(Category(id=1, name="square"),),
)


def finds_quarters(x: np.ndarray) -> dict[str, np.ndarray]:
    """The quarter of every image; the second image of the set is missed."""
    n = len(x)
    missed = x[:, 0, 0, 0] == 10
    return {
        "boxes": np.tile(np.array([0, 0, 0.5, 0.5], np.float32), (n, 1, 1)),
        "classes": np.zeros((n, 1), np.float32),
        "scores": np.where(missed, 0, 0.9).astype(np.float32)[:, None],
        "count": np.where(missed, 0, 1).astype(np.float32),
    }


def evaluated(predict=finds_quarters, dataset=DATASET, **options):
    return evaluate_detector(
        predict, dataset, preprocess=PREPROCESS, decoder=DECODER, **options
    )


@pytest.mark.parametrize("batch_size", [1, 2, 5, 8])
def test_detections_are_in_the_pixels_of_each_image(batch_size):
    result = evaluated(batch_size=batch_size)
    assert result.task is Task.DETECT
    assert result.n == 5
    for side, found in zip(SIDES, result.detections, strict=True):
        expected = [] if side == 24 else [[0, 0, side / 2, side / 2]]
        assert found.boxes.tolist() == expected
    # One of five objects is missed: precision 1 up to a recall of 0.8 (of 101 points).
    assert result.ap.ap50 == pytest.approx(81 / 101)
    assert result.counts()["map50_ppm"] == round(1e6 * 81 / 101)
    assert result.counts()["objects"] == 5
    assert result.counts()["detections"] == 4


def test_progress_counts_images():
    told = []
    evaluated(batch_size=2, progress=lambda done, every: told.append((done, every)))
    assert told == [(2, 5), (4, 5), (5, 5)]


def test_data_without_objects_is_refused():
    plain = from_arrays(np.zeros((2, SIZE, SIZE, 3), np.uint8))
    with pytest.raises(DataError, match="no annotated objects"):
        evaluated(dataset=plain)


def test_outputs_that_are_nan_name_the_image():
    def broken(x):
        outputs = finds_quarters(x)
        outputs["scores"][-1] = np.nan
        return outputs

    with pytest.raises(DataError, match="'scores' is NaN") as raised:
        evaluated(broken, batch_size=3)
    assert raised.value.where == "square2"


def test_a_class_that_the_data_lacks_is_an_error():
    def beyond(x):
        return {**finds_quarters(x), "classes": np.ones((len(x), 1), np.float32)}

    with pytest.raises(DataError, match="class 1, the data has 1 categories"):
        evaluated(beyond)


def test_missing_outputs_are_an_error():
    with pytest.raises(UnsupportedError, match="3 outputs"):
        evaluated(lambda x: dict(list(finds_quarters(x).items())[:3]))
