"""The gate as a whole: exit codes, updates, and cases that do not stop one another."""

import textwrap
from pathlib import Path

import numpy as np
import pytest

from emu.errors import ConfigError, DataError
from emu.gate import (
    Kind,
    Outcome,
    PairedChange,
    Selection,
    baseline_path,
    read_baseline,
    run_gate,
    write_baseline,
)
from emu.gate.visuals import Before

SECOND = """
[[case]]
id = "second"
model = "tiny.toml"
calibration = "data.npz[0:20]"
"""


def files(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def outcomes(result) -> dict[Kind, Outcome]:
    return {verdict.kind: verdict.outcome for verdict in result.verdicts}


@pytest.mark.usefixtures("instant")
def test_a_missing_baseline_exits_2_and_writes_nothing(suite):
    before = files(suite.parent.parent)
    result = run_gate([suite])
    assert outcomes(result) == {Kind.BASELINE: Outcome.MISSING}
    assert result.exit_code == 2
    assert str(baseline_path(suite, "tiny")) in result.verdicts[0].detail
    assert str(result.errors[0]) == result.verdicts[0].detail
    assert files(suite.parent.parent) == before


@pytest.mark.usefixtures("instant")
def test_an_update_writes_what_the_next_run_equals(suite):
    first = run_gate([suite], reason="first")
    assert outcomes(first)[Kind.BASELINE] is Outcome.ACCEPTED
    assert first.exit_code == 0
    assert first.changes[0].startswith("small/tiny: new baseline: n 70")
    second = run_gate([suite])
    assert outcomes(second) == {
        Kind.ACCURACY: Outcome.EQUAL,
        Kind.LAYER: Outcome.EQUAL,
        Kind.BIT: Outcome.EQUAL,
        Kind.LIMIT: Outcome.HOLDS,
    }
    assert second.exit_code == 0
    assert second.changes == ()


@pytest.mark.usefixtures("instant")
@pytest.mark.parametrize("by", [1, -1])
def test_better_and_worse_both_fail_until_accepted(suite, by):
    run_gate([suite], reason="first")
    path = baseline_path(suite, "tiny")
    good = path.read_bytes()
    stored = read_baseline(path)
    right = stored.quantized["top1_correct"] - by
    counts = {**stored.quantized, "top1_correct": right}
    write_baseline(path, stored.model_copy(update={"quantized": counts}))
    expected = Outcome.IMPROVED if by > 0 else Outcome.REGRESSED
    checked = run_gate([suite])
    assert outcomes(checked)[Kind.ACCURACY] is expected
    assert checked.exit_code == 1
    updated = run_gate([suite], reason="first")
    line = f"small/tiny: quantized top1_correct: {right} -> {right + by}"
    assert updated.changes == (line, "small/tiny: reason: first")
    assert outcomes(updated)[Kind.ACCURACY] is Outcome.ACCEPTED
    assert updated.exit_code == 0
    assert path.read_bytes() == good
    assert run_gate([suite]).exit_code == 0


@pytest.mark.usefixtures("instant")
def test_an_update_without_change_leaves_the_file_alone(suite):
    run_gate([suite], reason="first\n time")
    path = baseline_path(suite, "tiny")
    before = path.stat().st_mtime_ns
    assert run_gate([suite], reason="another").changes == ()
    assert path.stat().st_mtime_ns == before
    assert read_baseline(path).reason == "first time"


@pytest.mark.usefixtures("instant")
def test_an_update_for_no_reason_is_refused(suite):
    with pytest.raises(ConfigError, match="no reason"):
        run_gate([suite], reason=" ")
    assert not baseline_path(suite, "tiny").exists()


@pytest.mark.usefixtures("instant")
def test_a_baseline_edited_by_hand_exits_2_until_an_update(suite):
    run_gate([suite], reason="first")
    path = baseline_path(suite, "tiny")
    good = path.read_text()
    path.write_text(good.replace('"reason": "first"', '"reason": "mine"'))
    edited = run_gate([suite])
    assert outcomes(edited) == {Kind.BASELINE: Outcome.MISSING}
    assert "edited by hand or damaged" in edited.verdicts[0].detail
    assert edited.exit_code == 2
    assert run_gate([suite], reason="first").exit_code == 0
    assert path.read_text() == good


@pytest.mark.usefixtures("instant")
def test_a_damaged_baseline_exits_2_and_can_be_updated(suite):
    path = baseline_path(suite, "tiny")
    path.parent.mkdir(parents=True)
    path.write_text("{")
    result = run_gate([suite])
    assert result.exit_code == 2
    assert "damaged baseline" in result.verdicts[0].detail
    assert path.read_text() == "{"
    assert run_gate([suite], reason="first").exit_code == 0
    assert run_gate([suite]).exit_code == 0


@pytest.mark.usefixtures("instant")
def test_a_baseline_whose_case_is_gone_exits_2(suite):
    run_gate([suite], reason="first")
    orphan = baseline_path(suite, "gone")
    orphan.write_bytes(baseline_path(suite, "tiny").read_bytes())
    result = run_gate([suite])
    assert result.verdicts[-1].case == "gone"
    assert result.verdicts[-1].outcome is Outcome.MISSING
    assert result.exit_code == 2


def test_a_case_that_fails_does_not_stop_the_others(suite, monkeypatch, measured):
    suite.write_text(suite.read_text() + SECOND)

    def fail_first(path, case, *_):
        if case.id == "tiny":
            raise DataError("no such luck", file="data.npz", where="x[3]")
        return measured

    monkeypatch.setattr("emu.gate.measure.run_case", fail_first)
    result = run_gate([suite], reason="first")
    assert [v.case for v in result.verdicts] == ["tiny", "second", "second"]
    assert result.verdicts[0].outcome is Outcome.FAILED
    assert result.verdicts[0].detail == "data.npz: x[3]: no such luck"
    assert result.exit_code == 2
    assert not baseline_path(suite, "tiny").exists()
    assert baseline_path(suite, "second").exists()


def test_a_broken_suite_stops_all_before_anything_runs(suite, monkeypatch):
    broken = suite.parent / "broken.toml"
    broken.write_text('[[case]]\nid = "a"\nmodell = "b"\n')
    monkeypatch.setattr("emu.gate.measure.run_case", None)
    with pytest.raises(ConfigError, match=r"did you mean 'model'"):
        run_gate([suite, broken], reason="first")
    assert not baseline_path(suite, "tiny").exists()


def test_nothing_to_run_is_an_error():
    with pytest.raises(ConfigError, match="no suite"):
        run_gate([])


def test_an_exit_code_is_that_of_the_worst_verdict():
    codes = {outcome.value: outcome.exit_code for outcome in Outcome}
    assert codes == {
        "equal": 0,
        "holds": 0,
        "accepted": 0,
        "known": 0,
        "improved": 1,
        "regressed": 1,
        "missing": 2,
        "failed": 2,
    }


def test_verdicts_have_stable_names(suite):
    result = run_gate([suite])
    text = textwrap.shorten(str(result.verdicts[0].to_json()), 10_000)
    assert list(result.verdicts[0].to_json()) == [
        "suite",
        "case",
        "kind",
        "verdict",
        "detail",
    ], text


@pytest.mark.usefixtures("instant")
def test_a_known_failure_fails_by_passing(suite):
    run_gate([suite], reason="first")
    reason = 'known_failure = "conv is too narrow"\n'
    suite.write_text(suite.read_text().replace("limits", reason + "limits"))
    result = run_gate([suite])
    assert result.exit_code == 1
    assert outcomes(result)[Kind.KNOWN_FAILURE] is Outcome.REGRESSED
    path = baseline_path(suite, "tiny")
    stored = read_baseline(path)
    write_baseline(path, stored.model_copy(update={"digest": "0" * 64}))
    known = run_gate([suite])
    assert known.exit_code == 0
    assert outcomes(known)[Kind.BIT] is Outcome.KNOWN
    detail = next(v.detail for v in known.verdicts if v.kind is Kind.BIT)
    assert detail.endswith("(conv is too narrow)")


@pytest.mark.usefixtures("instant")
def test_samples_that_are_gone_have_a_verdict_of_their_own(suite):
    run_gate([suite], reason="first")
    path = baseline_path(suite, "tiny")
    stored = read_baseline(path)
    counts = {**stored.quantized, "n": stored.quantized["n"] + 10}
    write_baseline(path, stored.model_copy(update={"quantized": counts}))
    result = run_gate([suite])
    assert outcomes(result)[Kind.SAMPLES] is Outcome.MISSING
    assert result.verdicts[0].detail == "found 70 samples, the baseline has 80"
    assert result.exit_code == 2


def test_data_that_is_gone_has_a_verdict_of_its_own(suite, measured, monkeypatch):
    monkeypatch.setattr("emu.gate.measure.run_case", lambda *_: measured)
    run_gate([suite], reason="first")
    monkeypatch.undo()
    (suite.parent / "data.npz").unlink()
    result = run_gate([suite])
    assert outcomes(result) == {Kind.DATA: Outcome.MISSING}
    assert "data.npz" in result.verdicts[0].detail


def test_a_crash_is_the_failure_of_its_case_alone(suite, monkeypatch, measured):
    suite.write_text(suite.read_text() + SECOND)

    def crash(path, case, *_):
        if case.id == "tiny":
            raise ZeroDivisionError("a\nbug")
        return measured

    monkeypatch.setattr("emu.gate.measure.run_case", crash)
    result = run_gate([suite], reason="first")
    first, second = result.cases
    assert first.verdicts[0].kind is Kind.RUN
    assert "crashed: ZeroDivisionError: a bug" in first.verdicts[0].detail
    assert second.result is measured
    assert result.exit_code == 2


@pytest.mark.usefixtures("instant")
def test_changed_samples_are_named(suite, measured):
    run_gate([suite], reason="first")
    path = baseline_path(suite, "tiny")
    stored = read_baseline(path)
    classes = " ".join(stored.predictions).split()
    right = int(
        np.flatnonzero(measured.quantized.predictions == measured.quantized.labels)[0]
    )
    classes[right] = str((int(classes[right]) + 1) % 6)
    write_baseline(path, stored.model_copy(update={"predictions": tuple(classes)}))
    change = run_gate([suite]).cases[0].change
    assert isinstance(change, PairedChange)
    assert change.newly_right == (measured.quantized.ids[right],)
    assert change.newly_wrong == ()
    assert change.p_value == 1.0


@pytest.mark.usefixtures("instant")
def test_a_chosen_case_runs_alone_and_no_baseline_is_an_orphan(suite):
    suite.write_text(suite.read_text() + SECOND)
    run_gate([suite.parent], reason="first")
    result = run_gate([suite.parent], selection=Selection(expression="second"))
    assert [case.case for case in result.cases] == ["second"]
    assert result.exit_code == 0
    with pytest.raises(ConfigError, match="no case is chosen"):
        run_gate([suite], selection=Selection(tags=("nightly",)))


@pytest.mark.usefixtures("instant")
def test_a_missing_baseline_is_no_known_failure(suite):
    reason = 'known_failure = "conv is too narrow"\n'
    suite.write_text(suite.read_text().replace("limits", reason + "limits"))
    result = run_gate([suite])
    assert outcomes(result) == {Kind.BASELINE: Outcome.MISSING}
    assert result.exit_code == 2
    assert result.errors


@pytest.mark.usefixtures("instant")
def test_other_samples_are_not_compared_one_by_one(suite):
    run_gate([suite], reason="first")
    path = baseline_path(suite, "tiny")
    stored = read_baseline(path)
    case = {**stored.case, "data": "data.npz[10:80]"}
    write_baseline(path, stored.model_copy(update={"case": case}))
    assert run_gate([suite]).cases[0].change is None


def test_a_page_is_drawn_beside_the_baseline(suite, measured, monkeypatch):
    asked = []

    def run(*arguments):
        asked.append(arguments[-1])
        return measured

    monkeypatch.setattr("emu.gate.measure.run_case", run)
    run_gate([suite], reason="first", visuals=True)
    run_gate([suite], visuals=True)
    run_gate([suite])
    stored = read_baseline(baseline_path(suite, "tiny"))
    before = Before(case=stored.case, predictions=stored.predictions)
    assert asked == [Before(), before, None]
