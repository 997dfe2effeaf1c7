"""Limits that people write: each holds at its edge and fails beyond it."""

from dataclasses import replace

import numpy as np
import pytest

from emu.compare import Difference, Mode
from emu.evaluate import ClassifyResult
from emu.gate import CaseResult, Kind, Limits, Outcome
from emu.gate.limits import judge_limits


def with_limits(result: CaseResult, **limits) -> CaseResult:
    case = result.case.model_copy(update={"limits": Limits(**limits)})
    return replace(result, case=case)


def losing(result: CaseResult, lost: int, won: int = 0, wrong: int = 0) -> CaseResult:
    """FP32 has all but `wrong + won` right; the program loses and wins so many."""
    fp32 = result.fp32
    assert isinstance(fp32, ClassifyResult)
    labels = fp32.labels
    row = np.arange(len(labels))
    before = np.where(row < wrong + won, labels + 1, labels)
    after = np.where((row >= wrong) & (row < wrong + won), labels, before)
    after = np.where(row >= len(labels) - lost, labels + 1, after)
    return replace(
        result,
        fp32=replace(fp32, predictions=before),
        quantized=replace(fp32, predictions=after),
    )


def judged(result: CaseResult) -> tuple[Outcome, str]:
    [(kind, outcome, detail)] = judge_limits(result)
    assert kind is Kind.LIMIT
    return outcome, detail


@pytest.mark.parametrize(
    ("lost", "expected"), [(6, Outcome.HOLDS), (7, Outcome.REGRESSED)]
)
def test_a_relative_limit_counts_in_shares_of_fp32(measured, lost, expected):
    # FP32 has 60 of 70 right; a tenth of them is 6 samples.
    result = with_limits(losing(measured, lost, wrong=10), max_drop_percent=10)
    outcome, detail = judged(result)
    assert outcome is expected
    assert "percent of FP32's Top-1 below FP32, limit 10 below" in detail


@pytest.mark.parametrize(
    ("lost", "won", "expected"),
    [
        (5, 0, Outcome.HOLDS),
        (6, 0, Outcome.REGRESSED),
        (9, 3, Outcome.HOLDS),
        (0, 9, Outcome.HOLDS),
    ],
)
def test_a_loss_may_be_no_more_than_chance_explains(measured, lost, won, expected):
    result = with_limits(losing(measured, lost, won), not_worse_alpha=0.05)
    outcome, detail = judged(result)
    assert outcome is expected
    assert detail.startswith(f"{lost} samples lost and {won} won against FP32, p ")


def test_the_least_sqnr_is_that_of_every_layer_alone(measured):
    table = measured.layers.tables[Mode.ISOLATED]
    worst = float(table["sqnr_db"].min())
    assert judged(with_limits(measured, min_sqnr_db=worst))[0] is Outcome.HOLDS
    outcome, detail = judged(with_limits(measured, min_sqnr_db=worst + 0.1))
    assert outcome is Outcome.REGRESSED
    name = table["name"][table["sqnr_db"].argmin()]
    assert f"{name} {worst:.1f} dB of" in detail


def test_patterns_choose_the_layers_of_a_limit(measured):
    table = measured.layers.tables[Mode.ISOLATED]
    own = dict(zip(table["name"], table["sqnr_db"], strict=True))
    limits = {"fc": own["fc"], "con*": own["conv"] + 1}
    outcome, detail = judged(with_limits(measured, min_sqnr_db=limits))
    assert outcome is Outcome.REGRESSED
    assert "conv" in detail
    assert "fc" not in detail
    outcome, detail = judged(with_limits(measured, min_sqnr_db={"cnov": 1.0}))
    assert (outcome, detail) == (Outcome.REGRESSED, "no layer is named 'cnov'")


@pytest.mark.parametrize(("limit", "expected"), [(2, "holds"), (1, "regressed")])
def test_the_largest_step_off_an_engine(measured, limit, expected):
    rows = [("a", 0, 0), ("b", 3, 2), ("c", 9, 1)]
    against = tuple(
        Difference(
            name=name, op="Conv2d", dtype="int8", elements=9, differing=n, max_lsb=lsb
        )
        for name, n, lsb in rows
    )
    result = replace(measured, against={"litert": against})
    outcome, detail = judged(with_limits(result, max_lsb={"litert": limit}))
    assert outcome.value == expected
    assert detail == f"2 LSB off litert (b), limit {limit}"


def test_each_limit_has_a_verdict_of_its_own(measured):
    result = with_limits(measured, max_drop_points=100, not_worse_alpha=1e-9)
    assert [outcome for _, outcome, _ in judge_limits(result)] == [Outcome.HOLDS] * 2


def test_an_engine_that_is_not_known_is_refused():
    with pytest.raises(ValueError, match="no engine 'litter'; did you mean 'litert"):
        Limits(max_lsb={"litter": 1})


@pytest.mark.parametrize(
    ("limit", "expected"), [(2.5, Outcome.HOLDS), (2.4, Outcome.REGRESSED)]
)
def test_a_limit_on_time_holds_at_its_edge(measured, limit, expected):
    case = with_limits(measured, max_time_ratio={"onnxruntime": limit})
    outcome, detail = judged(replace(case, time_ratios={"onnxruntime": 2.5}))
    assert outcome is expected
    assert detail == f"2.5 times as long as onnxruntime, limit {limit}"
