"""emu history and emu diff as people and as programs read them."""

import json
import math
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, strategies as st
from rich.console import Console, RenderableType

from emu.errors import ConfigError, MissingError
from emu.gate import Outcome, Turn, append_run, diff_runs, find_run, load_history
from emu.jsondata import strict_json
from emu.report.history import (
    diff_json,
    diff_report,
    history_json,
    history_table,
    sparkline,
)
from tests.gate.made_up import failed, outcome, run_of

NAN = math.nan


def rendered(renderable: RenderableType) -> str:
    console = Console(width=100, no_color=True, highlight=False)
    with console.capture() as capture:
        console.print(renderable)
    return capture.get()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Three runs: as it was; one sample and two layers moved; a case came and went."""
    file = tmp_path / "history.db"
    moved = outcome(
        "a",
        predictions=(0, 1, 1, 3),
        sqnr_db=(40, 38, math.inf),
        digest="cd",
        judged=Outcome.REGRESSED,
    )
    for number, cases in enumerate(
        ([outcome("a"), outcome("b")], [moved, outcome("b")], [failed("a"), failed()])
    ):
        started = datetime(2026, 3, 1, 12, tzinfo=UTC) + timedelta(hours=number)
        append_run(file, run_of(*cases), suite=file, started=started, duration=2.0)
    return file


def test_the_table_has_a_row_a_case_and_a_trend_a_case(path):
    lines = rendered(history_table(load_history(path), limit=4)).splitlines()
    assert lines[1].split() == [
        "2",
        "2026-03-01",
        "13:00",
        "-",
        "s/a",
        "75.00",
        "=",
        "regressed",
        "1.2",
    ]
    assert lines[4].split() == [
        "3",
        "2026-03-01",
        "14:00",
        "-",
        "s/f",
        "-",
        "-",
        "failed",
        "-",
    ]
    assert lines[5].startswith("4 of 6 rows")
    assert lines[8].split() == ["s/a", "▅▅·", "75.00", "75.00", "-"]
    assert max(map(len, lines)) <= 100


def test_history_as_json_has_null_for_what_was_not_measured(path):
    rows = json.loads(json.dumps(history_json(load_history(path)), allow_nan=False))
    assert [row["run"] for row in rows["history"]] == [1, 1, 2, 2, 3, 3]
    assert rows["history"][2]["change"] == 0
    assert rows["history"][4]["score"] is None
    assert rows["history"][4]["counts"] is None
    assert rows["history"][4]["started"] == "2026-03-01T14:00:00+00:00"


def test_names_are_no_markup(tmp_path):
    file = tmp_path / "history.db"
    started = datetime.now(UTC)
    append_run(
        file,
        run_of(replace(outcome(), suite="[b]x")),
        suite=file,
        started=started,
        duration=1.0,
    )
    assert rendered(history_table(load_history(file), limit=9)).count("[b]x") == 2


@pytest.mark.parametrize(
    ("scores", "expected"),
    [
        ([], ""),
        ([NAN], "·"),
        ([0.5], "▅"),
        ([0.5, NAN, 0.5], "▅·▅"),
        ([0.0, 0.5, 1.0], "▁▅█"),
    ],
)
def test_a_sparkline_goes_from_the_lowest_to_the_highest(scores, expected):
    assert sparkline(scores) == expected


@given(st.lists(st.floats(0, 1), min_size=2))
def test_a_higher_score_is_never_a_lower_bar(scores):
    bars = sparkline(scores)
    assert len(bars) == len(scores)
    ordered = sorted(zip(scores, bars, strict=True))
    assert [bar for _, bar in ordered] == sorted(bars)


def test_a_diff_names_layers_and_samples(path):
    (case,) = diff_runs(path, 1, 2).cases
    assert [(change.name, change.size) for change in case.layers] == [
        ("fc", math.inf),
        ("relu", pytest.approx(3)),
    ]
    assert [(change.name, change.turn) for change in case.samples] == [
        ("image-2", Turn.NEWLY_WRONG),
        ("image-3", Turn.NEWLY_RIGHT),
    ]
    text = rendered(diff_report(diff_runs(path, 1, 2), limit=9))
    assert (
        "75.00 -> 75.00 %, verdict equal -> regressed, integer outputs differ" in text
    )
    assert "  fc     cumulative       30.0    inf    +inf" in text
    assert "  relu   cumulative       35.0   38.0    +3.0" in text
    assert "1 newly wrong:\n    image-2: 2 -> 1 (right: 2)\n" in text
    assert "1 newly right:\n    image-3: 0 -> 3 (right: 3)\n" in text
    assert text.endswith("1 case changed, 1 did not\n")


def test_a_limit_cuts_and_says_so(path):
    text = rendered(diff_report(diff_runs(path, 1, 2), limit=1))
    assert "and 1 more layers" in text
    assert "relu" not in text


def test_cases_that_came_went_or_failed_are_told_of(path):
    text = rendered(diff_report(diff_runs(path, 1, 3), limit=9))
    assert "s/b: only in the first run" in text
    assert "s/f: only in the second run" in text
    assert (
        "  Top-1 75.00 -> - %, verdict equal -> failed, integer outputs not known\n"
        "  run failed: data.npz: x[3]: no luck\n"
    ) in text


def test_equal_runs_have_no_differences(path):
    found = diff_runs(path, 1, 1)
    assert (found.cases, found.same) == ((), 2)


def test_a_diff_as_json_has_all_of_it(path):
    found = json.loads(json.dumps(strict_json(diff_json(diff_runs(path, 1, 2)))))
    assert (found["before"]["id"], found["after"]["id"], found["same"]) == (1, 2, 1)
    (case,) = found["cases"]
    assert (case["before"]["outcome"], case["after"]["outcome"]) == (
        "equal",
        "regressed",
    )
    assert case["layers"][0]["sqnr_after"] == "inf"
    assert case["samples"][0] == {
        "name": "image-2",
        "turn": "newly wrong",
        "before": "2",
        "after": "1",
        "label": 2,
    }


def test_samples_are_matched_by_name_and_labels_may_move(tmp_path):
    file = tmp_path / "history.db"
    shifted = outcome(labels=(1, 2, 3, 0))
    fewer = outcome(predictions=(0, 1, 2), labels=(0, 1, 2))
    for case in (outcome(), shifted, fewer):
        started = datetime.now(UTC)
        append_run(file, run_of(case), suite=file, started=started, duration=1.0)
    (moved,) = diff_runs(file, 1, 2).cases
    assert [(change.name, change.turn) for change in moved.samples] == [
        ("image-0", Turn.NEWLY_WRONG),
        ("image-1", Turn.NEWLY_WRONG),
        ("image-2", Turn.NEWLY_WRONG),
        ("image-3", Turn.NEWLY_RIGHT),
    ]
    (shorter,) = diff_runs(file, 1, 3).cases
    assert (shorter.samples, shorter.unmatched) == ((), ("image-3",))


def test_another_target_is_told_of(tmp_path):
    file = tmp_path / "history.db"
    case = outcome()
    assert case.result is not None
    other = replace(case, result=replace(case.result, target="ascend-310"))
    for one in (case, other):
        started = datetime.now(UTC)
        append_run(file, run_of(one), suite=file, started=started, duration=1.0)
    text = rendered(diff_report(diff_runs(file, 1, 2), limit=9))
    assert "  target: generic-int8 -> ascend-310\n" in text
    assert "integer outputs equal" in text


def test_runs_have_numbers_from_either_end(path):
    assert [find_run(path, text) for text in ("1", "-1", "-3")] == [1, 3, 1]
    for text, near in (("9", "1, 2, 3"), ("-4", "1, 2, 3"), ("0", "1, 2, 3")):
        with pytest.raises(MissingError, match=f"no run {text}; nearest: {near}"):
            find_run(path, text)
    with pytest.raises(ConfigError, match="found run 'last', expected a number"):
        find_run(path, "last")
