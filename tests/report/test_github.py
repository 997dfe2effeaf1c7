"""GitHub: annotations that are one command each, a summary that is one table."""

import html
import re
from dataclasses import replace

import pytest
from hypothesis import given, strategies as st

from emu.errors import MissingError
from emu.gate import Outcome, Verdict
from emu.report.github import annotations, append_summary, on_github, step_summary
from tests.gate.made_up import failed, outcome, run_of


def judged_with(detail: str, judged: Outcome, name: str = "c"):
    case = outcome(judged=judged)
    verdict = Verdict(
        suite="s",
        case=name,
        kind=case.verdicts[0].kind,
        outcome=judged,
        detail=detail,
    )
    return run_of(replace(case, case=name, verdicts=(verdict,)))


def test_what_holds_is_not_annotated_and_errors_come_first(gate):
    lines = annotations(gate)
    assert [line.split(" ")[0] for line in lines] == ["::error"] * 4 + ["::warning"]
    assert lines[3] == "::error title=s/f run::failed: data.npz: x[3]: no luck"
    assert lines[4] == "::warning title=s/c golden::improved: [b]so[/b]"


def test_escapes_are_those_of_github():
    (line,) = annotations(judged_with("50 %:\r\na,b", Outcome.FAILED, "x:y,z%"))
    assert line == ("::error title=s/x%3Ay%2Cz%25 accuracy::failed: 50 %25:%0D%0Aa,b")


@given(st.text(), st.text())
def test_any_text_is_one_command(detail, name):
    (line,) = annotations(judged_with(detail, Outcome.REGRESSED, name))
    assert not {"\n", "\r"} & set(line)
    found = re.fullmatch(r"::error title=([^:,]*)::(.*)", line, re.DOTALL)
    assert found is not None
    assert unescaped(found[1]) == f"s/{name} accuracy"
    assert unescaped(found[2]) == f"regressed: {detail}"


def unescaped(text: str) -> str:
    """What the runner makes of it: %25 last."""
    pairs = (("%0D", "\r"), ("%0A", "\n"), ("%3A", ":"), ("%2C", ","), ("%25", "%"))
    for escape, mark in pairs:
        text = text.replace(escape, mark)
    return text


def test_the_summary_has_a_row_a_case_the_worst_first(gate):
    lines = step_summary(gate).splitlines()
    assert lines[0] == "### ❌ emu gate: could not be judged"
    table = [html.unescape(line) for line in lines if line.startswith("|")]
    assert [line.split(" | ")[1] for line in table[2:]] == ["s/c", "s/f"]
    assert "Top-1 85.00 % | +0.50 points | 1.2" in table[2]
    assert table[3].endswith("run: data.npz: x[3]: no luck |")
    first = step_summary(run_of(outcome("good"), failed("bad"))).splitlines()[4]
    assert first.startswith("| ❌ | s/bad |")


@given(st.text())
def test_any_detail_stays_in_its_cell(detail):
    lines = step_summary(judged_with(detail, Outcome.REGRESSED)).split("\n")
    row = lines[4]
    assert row.count("|") == 8
    assert not set(row.split(" | ")[-1][:-2]) & set("<>`*_[]\\")
    words = re.sub(r"[\r\n\t]", " ", f"accuracy: {detail}")
    assert html.unescape(row.split(" | ", 6)[-1].removesuffix(" |")) == html.unescape(
        words.translate({ord("&"): "&amp;"})
    )


def test_a_summary_is_never_larger_than_github_takes():
    many = run_of(*(outcome(f"case-{number}") for number in range(300)))
    text = step_summary(many, limit=5000)
    assert len(text.encode()) <= 5000
    shown = text.count("s/case-")
    assert text.endswith(f"\n{300 - shown} more cases are left out here.\n\n")
    assert shown > 20
    assert "left out" not in step_summary(many)


def test_the_summary_is_appended_to_the_file_of_the_step(tmp_path, gate):
    file = tmp_path / "summary.md"
    file.write_text("before\n")
    append_summary(gate, {"GITHUB_STEP_SUMMARY": str(file)})
    assert file.read_text() == "before\n" + step_summary(gate)
    append_summary(gate, {})
    with pytest.raises(MissingError, match="cannot write"):
        append_summary(gate, {"GITHUB_STEP_SUMMARY": str(tmp_path)})


def test_only_a_step_of_github_is_one():
    assert on_github({"GITHUB_ACTIONS": "true"})
    assert not on_github({})
