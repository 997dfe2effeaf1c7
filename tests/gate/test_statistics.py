"""The exact McNemar test, against sums of fractions and against pandas-free counting."""

from fractions import Fraction
from math import comb

import numpy as np
import pytest
from hypothesis import given, strategies as st

from emu.evaluate import DetectResult
from emu.evaluate.detect.coco_ap import coco_ap
from emu.gate.statistics import (
    detection_change,
    mcnemar,
    paired_change,
    smallest_loss,
)
from tests.evaluate.detect.scenes import CATEGORIES, NOTHING, objects, perturbed


def exact_p_value(lost: int, won: int) -> Fraction:
    """Splits of lost + won fair coins that are no likelier than this one."""
    n = lost + won
    likely = comb(n, lost)
    return Fraction(sum(comb(n, k) for k in range(n + 1) if comb(n, k) <= likely), 2**n)


@given(lost=st.integers(0, 60), won=st.integers(0, 60))
def test_the_p_value_is_the_sum_of_splits_as_unlikely(lost, won):
    assert mcnemar(lost, won) == pytest.approx(float(exact_p_value(lost, won)))


@given(lost=st.integers(0, 500), won=st.integers(0, 500))
def test_losing_and_winning_are_judged_alike(lost, won):
    assert mcnemar(lost, won) == pytest.approx(mcnemar(won, lost))


def test_six_lost_samples_are_the_fewest_that_chance_does_not_explain():
    assert smallest_loss(1000) == 6
    assert exact_p_value(6, 0) < Fraction(1, 20) < exact_p_value(5, 0)


def test_too_few_samples_resolve_nothing_smaller_than_all_of_them():
    assert smallest_loss(4) == 4


@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=40))
def test_a_change_names_the_samples_that_it_loses_and_wins(rows):
    before, after = (np.array(column) for column in zip(*rows, strict=True))
    ids = [f"s{i}" for i in range(len(rows))]
    change = paired_change(ids, before, after)
    assert change.newly_wrong == tuple(
        name for name, (b, a) in zip(ids, rows, strict=True) if b and not a
    )
    assert change.newly_right == tuple(
        name for name, (b, a) in zip(ids, rows, strict=True) if a and not b
    )
    assert change.points == pytest.approx(100 * (after.mean() - before.mean()))
    assert not change.is_worse(0.05) or change.points < 0


def test_a_change_is_worse_only_where_chance_does_not_explain_it():
    ids = [f"s{i}" for i in range(100)]
    before = np.ones(100, np.bool_)
    after = before.copy()
    after[:5] = False
    assert not paired_change(ids, before, after).is_worse(0.05)
    after[5] = False
    assert paired_change(ids, before, after).is_worse(0.05)
    assert not paired_change(ids, after, before).is_worse(0.05)
    assert paired_change(ids, before, after).resolvable_points == 6.0


def scenes(images: int = 12):
    """Two objects an image, all found but for some noise."""
    boxes = [[10, 10, 60, 60], [100, 20, 180, 90]]
    truth = tuple(objects(boxes, [0, 1]) for _ in range(images))
    return truth, perturbed(truth, 2, 7, missed=0, wrong=0)


def detected(truth, found) -> DetectResult:
    ids = tuple(f"image-{i}" for i in range(len(truth)))
    return DetectResult(
        ids=ids, objects=truth, detections=tuple(found), categories=CATEGORIES
    )


def test_the_change_of_a_detector_names_the_images_that_it_loses():
    truth, before = scenes()
    after = [NOTHING if i in (3, 8) else one for i, one in enumerate(before)]
    change = detection_change(before, detected(truth, after))
    assert set(change.worse) == {"image-3", "image-8"}
    assert change.better == ()
    whole, less = (coco_ap(truth, run, CATEGORIES)[0].ap for run in (before, after))
    assert change.points == pytest.approx(100 * (less - whole))
    assert change.low <= change.points <= change.high
    assert change.low < 0
    assert change.resolvable_points == pytest.approx((change.high - change.low) / 2)
    back = detection_change(after, detected(truth, before))
    assert set(back.better) == {"image-3", "image-8"}
    assert back.points == pytest.approx(-change.points)
    assert back == detection_change(after, detected(truth, before))
