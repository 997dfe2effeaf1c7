"""The bootstrap accumulates as COCOeval does and finds differences that are there."""

import io
from contextlib import redirect_stdout
from dataclasses import astuple

import numpy as np
import pytest

from emu.errors import DataError
from emu.evaluate.detect.coco_ap import coco_ap, match_detections
from emu.evaluate.detect.paired_ap import (
    Interval,
    bootstrap_difference,
    keep_matches,
    mean_ap,
    precisions,
)
from tests.evaluate.detect.scenes import (
    CATEGORIES,
    NOTHING,
    detections,
    objects,
    perturbed,
)

BOX = [10, 10, 60, 60]


def scene(seed, images=16):
    """Objects of three classes; some images are empty, some objects are crowds."""
    rng = np.random.default_rng(seed)
    truth = []
    for _ in range(images):
        n = int(rng.integers(0, 7))
        corner = rng.integers(0, 400, (n, 2))
        boxes = np.hstack([corner, corner + rng.integers(4, 200, (n, 2))])
        crowd = rng.random(n) < 0.1
        truth.append(objects(boxes, rng.integers(0, 2, n).tolist(), crowd=list(crowd)))
    return tuple(truth)


@pytest.mark.parametrize("seed", range(6))
def test_resampled_precisions_equal_those_of_cocoeval_bit_for_bit(seed):
    truth = scene(seed)
    evaluation = match_detections(truth, perturbed(truth, 3, seed), CATEGORIES)
    matches = keep_matches(evaluation)
    kept = evaluation.evalImgs
    rng = np.random.default_rng(seed)
    for _ in range(4):
        drawn = np.sort(rng.integers(0, len(truth), len(truth)))
        evaluation.evalImgs = [
            kept[start + image]
            for start in range(0, len(kept), len(truth))
            for image in drawn
        ]
        with redirect_stdout(io.StringIO()):
            evaluation.accumulate()
            evaluation.summarize()
        expected = evaluation.eval["precision"][:, :, :, 0, -1]
        np.testing.assert_array_equal(precisions(matches, drawn), expected)
        assert mean_ap(matches, drawn) == evaluation.stats[0]


def test_the_difference_is_that_of_the_whole_and_lies_in_its_interval():
    truth = scene(1, images=30)
    before, after = (
        perturbed(truth, 3, 0, noise=0.02),
        perturbed(truth, 3, 0, noise=0.2),
    )
    found = bootstrap_difference(truth, CATEGORIES, before, after, resamples=50)
    expected = [coco_ap(truth, run, CATEGORIES)[0].ap for run in (before, after)]
    assert found.difference == expected[1] - expected[0]
    assert found.low < found.difference < found.high < 0
    back = bootstrap_difference(truth, CATEGORIES, after, before, resamples=50)
    expected = (-found.high, -found.low, -found.difference)
    assert astuple(back) == pytest.approx(expected)


def test_equal_runs_do_not_differ():
    truth = scene(2)
    run = perturbed(truth, 3, 0)
    found = bootstrap_difference(truth, CATEGORIES, run, run, resamples=10)
    assert found == Interval(low=0.0, high=0.0, difference=0.0)


def test_equal_seeds_draw_equal_images():
    truth = scene(3)
    runs = perturbed(truth, 3, 0), perturbed(truth, 3, 1)
    first, again, other = (
        bootstrap_difference(truth, CATEGORIES, *runs, resamples=20, seed=seed)
        for seed in (5, 5, 6)
    )
    assert first == again
    assert first.difference == other.difference
    assert first.low != other.low


def test_runs_without_detections_have_an_ap_of_zero():
    truth = (objects([BOX]), objects([]))
    none, one = (NOTHING, NOTHING), (detections([BOX], [0.5]), NOTHING)
    same = bootstrap_difference(truth, CATEGORIES, none, none, resamples=20)
    assert same == Interval(low=0.0, high=0.0, difference=0.0)
    # Draws of the second image alone are left out, so AP is 1 in all others.
    won = bootstrap_difference(truth, CATEGORIES, none, one, resamples=20)
    assert astuple(won) == pytest.approx((1, 1, 1))


def test_what_cannot_be_compared_is_refused():
    truth, run = (objects([BOX]),), (NOTHING,)
    with pytest.raises(DataError, match="found 0 resamples; expected 1 or more"):
        bootstrap_difference(truth, CATEGORIES, run, run, resamples=0)
    with pytest.raises(DataError, match="no objects to find"):
        bootstrap_difference((objects([]),), CATEGORIES, run, run)
    with pytest.raises(DataError, match="1 images and the detections in 0"):
        bootstrap_difference(truth, CATEGORIES, run, ())
