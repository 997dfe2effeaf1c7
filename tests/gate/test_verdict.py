"""Verdicts: every kind, and that they are two-sided."""

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from emu.evaluate import AucCounts, ReconstructResult
from emu.gate import Bands, Baseline, Kind, Limits, Outcome, baseline_of
from emu.gate.limits import judge_limits
from emu.gate.verdict import differences, judge

BAND_DB = Bands().sqnr_db


@pytest.fixture
def base(measured) -> Baseline:
    return baseline_of(measured)


def outcome(found: Baseline, stored: Baseline, kind: Kind) -> tuple[Outcome, str]:
    return next((o, detail) for k, o, detail in judge(found, stored) if k is kind)


def with_counts(base: Baseline, **changes: int) -> Baseline:
    counts = {key: base.quantized[key] + by for key, by in changes.items()}
    return base.model_copy(update={"quantized": {**base.quantized, **counts}})


def with_sqnr(base: Baseline, by: float, row: int = 1, mode: str = "isolated"):
    return with_figure(base, "sqnr_db", by, row, mode)


def with_figure(
    base: Baseline, key: str, by: float, row: int = 1, mode: str = "isolated"
) -> Baseline:
    rows = list(base.layers[mode])
    update = {key: getattr(rows[row], key) + by}
    rows[row] = rows[row].model_copy(update=update)
    return base.model_copy(update={"layers": {**base.layers, mode: tuple(rows)}})


def test_a_result_equals_its_own_baseline(base):
    assert {o for _, o, _ in judge(base, base)} == {Outcome.EQUAL}
    assert differences(base, base) == []


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"top1_correct": 1}, Outcome.IMPROVED),
        ({"top1_correct": -1}, Outcome.REGRESSED),
        ({"top5_correct": 1}, Outcome.IMPROVED),
        ({"top5_correct": -1}, Outcome.REGRESSED),
        ({"top1_correct": 1, "top5_correct": -1}, Outcome.REGRESSED),
        ({"n": 1}, Outcome.REGRESSED),
        ({"n": -1, "top1_correct": 1}, Outcome.REGRESSED),
    ],
)
def test_accuracy_is_judged_both_ways(base, changes, expected):
    found, detail = outcome(with_counts(base, **changes), base, Kind.ACCURACY)
    assert found is expected
    key = next(iter(changes))
    old = base.quantized[key]
    assert f"{key}: {old} -> {old + changes[key]}" in detail


def test_counts_that_change_where_no_output_does_are_told_apart(base):
    labels = with_counts(base, top1_correct=-1)
    _, detail = outcome(labels, base, Kind.ACCURACY)
    assert "every output is as it was: the labels are others" in detail
    program = labels.model_copy(update={"digest": "0" * 64})
    _, detail = outcome(program, base, Kind.ACCURACY)
    assert "labels" not in detail


@pytest.mark.parametrize(
    ("before", "now", "expected"),
    [
        (0, 0, Outcome.EQUAL),
        (0, 1, Outcome.REGRESSED),
        (1, 0, Outcome.IMPROVED),
        (7, 8, Outcome.EQUAL),
    ],
)
def test_a_register_that_begins_to_overflow_is_a_change(base, before, now, expected):
    stored = with_figure(base, "acc_overflows", before)
    found, detail = outcome(with_figure(base, "acc_overflows", now), stored, Kind.LAYER)
    assert found is expected
    told = f"isolated conv accumulator overflows {before} -> {now}"
    assert (told in detail) == (expected is not Outcome.EQUAL)


def test_other_fp32_counts_are_told(base):
    other = base.model_copy(update={"fp32": {**base.fp32, "top1_correct": 1}})
    found, detail = outcome(other, base, Kind.ACCURACY)
    assert found is Outcome.EQUAL
    assert f"FP32 top1_correct: {base.fp32['top1_correct']} -> 1" in detail


@pytest.mark.parametrize("mode", ["cumulative", "isolated"])
@pytest.mark.parametrize(
    ("by", "expected"),
    [
        (0.9 * BAND_DB, Outcome.EQUAL),
        (-0.9 * BAND_DB, Outcome.EQUAL),
        (1.1 * BAND_DB, Outcome.IMPROVED),
        (-1.1 * BAND_DB, Outcome.REGRESSED),
        (float("inf"), Outcome.IMPROVED),
        (float("-inf"), Outcome.REGRESSED),
    ],
)
def test_a_layer_may_move_within_the_band_only(base, mode, by, expected):
    found, detail = outcome(with_sqnr(base, by, mode=mode), base, Kind.LAYER)
    assert found is expected
    name = base.layers[mode][1].name
    assert (f"{mode} {name}" in detail) == (expected is not Outcome.EQUAL)


@pytest.mark.parametrize("mode", ["cumulative", "isolated"])
@pytest.mark.parametrize(
    ("key", "by", "expected"),
    [
        ("cosine", 0.0009, Outcome.EQUAL),
        ("cosine", -0.0009, Outcome.EQUAL),
        ("cosine", 0.0011, Outcome.IMPROVED),
        ("cosine", -0.0011, Outcome.REGRESSED),
        ("max_lsb", 1.9, Outcome.EQUAL),
        ("max_lsb", -1.9, Outcome.EQUAL),
        ("max_lsb", -2.1, Outcome.IMPROVED),
        ("max_lsb", 2.1, Outcome.REGRESSED),
        ("max_lsb", float("inf"), Outcome.REGRESSED),
        ("sqnr_db", float("nan"), Outcome.REGRESSED),
        ("cosine", float("nan"), Outcome.REGRESSED),
    ],
)
def test_cosine_and_largest_error_have_bands_too(base, mode, key, by, expected):
    found, detail = outcome(with_figure(base, key, by, mode=mode), base, Kind.LAYER)
    assert found is expected
    name = base.layers[mode][1].name
    assert (f"{mode} {name}" in detail) == (expected is not Outcome.EQUAL)


def test_a_moved_layer_is_told_with_its_figures_before_and_after(base):
    moved = with_figure(with_sqnr(base, -3.0), "max_lsb", 4.0)
    row = base.layers["isolated"][1]
    assert outcome(moved, base, Kind.LAYER)[1] == (
        f"isolated {row.name} SQNR {row.sqnr_db:.1f} -> {row.sqnr_db - 3:.1f} dB, "
        f"max {row.max_lsb:.1f} -> {row.max_lsb + 4:.1f} LSB"
    )


def test_a_layer_better_in_one_figure_and_worse_in_another_is_worse(base):
    mixed = with_figure(with_sqnr(base, 3.0), "max_lsb", 4.0)
    assert outcome(mixed, base, Kind.LAYER)[0] is Outcome.REGRESSED


def test_what_was_and_is_no_number_has_not_moved(base):
    none = with_figure(base, "cosine", float("nan"))
    assert outcome(none, none, Kind.LAYER)[0] is Outcome.EQUAL
    assert outcome(base, none, Kind.LAYER)[0] is Outcome.REGRESSED


def test_a_case_may_set_other_bands(base):
    moved = with_sqnr(base, -3.0)
    [layer] = [o for k, o, _ in judge(moved, base, Bands(sqnr_db=4)) if k is Kind.LAYER]
    assert layer is Outcome.EQUAL
    [layer] = [o for k, o, _ in judge(base, base, Bands(sqnr_db=0)) if k is Kind.LAYER]
    assert layer is Outcome.EQUAL


def test_one_worse_layer_outweighs_a_better_one(base):
    mixed = with_sqnr(with_sqnr(base, 5.0, row=0), -5.0, row=1)
    assert outcome(mixed, base, Kind.LAYER)[0] is Outcome.REGRESSED


def test_infinite_sqnr_equals_infinite_sqnr(base):
    endless = with_sqnr(base, float("inf"))
    assert outcome(endless, endless, Kind.LAYER)[0] is Outcome.EQUAL


def test_missing_and_new_layers_are_named(base):
    rows = base.layers["isolated"]
    layers = {**base.layers, "isolated": rows[1:]}
    shorter = base.model_copy(update={"layers": layers})
    found, detail = outcome(shorter, base, Kind.LAYER)
    assert (found, detail) == (
        Outcome.REGRESSED,
        f"isolated {rows[0].name} is missing",
    )
    found, detail = outcome(base, shorter, Kind.LAYER)
    assert (found, detail) == (Outcome.REGRESSED, f"isolated {rows[0].name} is new")


def test_a_mode_that_is_gone_is_missing_layers(base):
    only = {"cumulative": base.layers["cumulative"]}
    found, detail = outcome(base.model_copy(update={"layers": only}), base, Kind.LAYER)
    assert found is Outcome.REGRESSED
    assert "is missing" in detail


def test_another_digest_is_a_regression(base):
    other = base.model_copy(update={"digest": "0" * 64})
    found, detail = outcome(other, base, Kind.BIT)
    assert found is Outcome.REGRESSED
    assert f"{base.digest[:12]} -> 000000000000" in detail


def test_another_prediction_is_a_regression_of_bits(base):
    first, *rest = base.predictions
    old = first.split()[0]
    changed = " ".join(["9", *first.split()[1:]])
    other = base.model_copy(update={"predictions": (changed, *rest)})
    found, detail = outcome(other, base, Kind.BIT)
    assert found is Outcome.REGRESSED
    assert f"1 of 70 predictions differ, first sample 0: {old} -> 9" in detail


def test_what_was_asked_for_is_named_when_bits_differ(base):
    case = {**base.case, "target": "other"}
    other = base.model_copy(update={"digest": "0" * 64, "case": case})
    assert "target: generic-int8 -> other" in outcome(other, base, Kind.BIT)[1]


@pytest.mark.parametrize(("lost", "expected"), [(7, "holds"), (8, "regressed")])
def test_the_limit_on_top1_is_exact(measured, lost, expected):
    # 7 of 70 samples are 10 points, which a float quotient may not be.
    labels = measured.fp32.labels
    fp32 = replace(measured.fp32, predictions=labels)
    wrong = np.where(np.arange(len(labels)) < lost, labels + 1, labels)
    quantized = replace(measured.fp32, predictions=wrong)
    case = measured.case.model_copy(update={"limits": Limits(max_drop_points=10)})
    result = replace(measured, fp32=fp32, quantized=quantized, case=case)
    [(kind, found, detail)] = judge_limits(result)
    assert (kind, found.value) == (Kind.LIMIT, expected)
    assert "below FP32, limit 10 below" in detail


def test_no_limit_gives_no_verdict(measured):
    case = measured.case.model_copy(update={"limits": Limits()})
    assert judge_limits(replace(measured, case=case)) == []


@pytest.mark.parametrize(
    ("numerator", "expected"),
    [(90, Outcome.HOLDS), (88, Outcome.HOLDS), (87, Outcome.REGRESSED)],
)
def test_the_limit_on_the_area_is_exact(measured, numerator, expected):
    def result(numerator: int) -> ReconstructResult:
        return ReconstructResult(
            ids=("a", "b"),
            labels=np.array([0, 1]),
            scores=np.array([0.0, 1.0]),
            auc_counts=AucCounts(numerator=numerator, denominator=100),
        )

    assert Fraction("0.1") == Fraction(98 - 88, 100)
    case = measured.case.model_copy(update={"limits": Limits(max_drop_auc=0.1)})
    both = replace(measured, fp32=result(98), quantized=result(numerator), case=case)
    assert judge_limits(both)[0][1] is expected


def test_differences_are_lines_old_to_new(base):
    other = with_sqnr(with_counts(base, top1_correct=1), 2.0)
    lines = differences(other, base)
    right = base.quantized["top1_correct"]
    assert f"quantized top1_correct: {right} -> {right + 1}" in lines
    name = base.layers["isolated"][1].name
    assert any(line.startswith(f"isolated {name} sqnr_db: ") for line in lines)
    assert len(lines) == 2


def test_a_first_baseline_tells_its_counts(base):
    assert differences(base, None) == [
        "new baseline: "
        + ", ".join(f"{key} {value}" for key, value in base.quantized.items())
    ]
