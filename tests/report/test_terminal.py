"""Tables in the terminal: in order, narrow enough, readable without colours."""

from dataclasses import replace

import numpy as np
import pytest
from rich.console import Console, RenderableType

from emu.compare import Mode
from emu.evaluate import AucCounts, ReconstructResult
from emu.gate import CaseOutcome, DetectionChange, Outcome, Verdict
from emu.report import (
    WIDTH,
    accuracy_table,
    eval_table,
    gate_report,
    layer_table,
    summary_table,
    verdict_table,
)
from emu.report.changes import change_lines
from tests.gate.made_up import outcome, run_of


def rendered(renderable: RenderableType, width: int = WIDTH) -> str:
    console = Console(width=width, no_color=True, highlight=False)
    with console.capture() as capture:
        console.print(renderable)
    return capture.get()


def line_of(text: str, start: str) -> int:
    lines = text.splitlines()
    return next(i for i, line in enumerate(lines) if line.startswith(start))


def test_the_worst_layer_by_its_own_sqnr_comes_first(layers):
    text = rendered(layer_table(layers))
    first, second, third = (line_of(text, s) for s in ("first", "a/very", "input"))
    assert first < second < third


def test_both_sqnr_and_all_figures_are_shown(layers):
    line = rendered(layer_table(layers)).splitlines()[1]
    assert line.split() == [
        "first",
        "Conv2d",
        "31.0",
        "30.0",
        "0.99900",
        "2.5",
        "-1.0e-03",
        "1",
        "-",
        "0",
    ]


def test_nothing_but_a_long_name_is_cut_at_100_columns(layers):
    text = rendered(layer_table(layers, title="t"))
    assert text.count("…") == 1
    assert "123456" in text
    assert max(map(len, text.splitlines())) <= WIDTH


def test_a_limit_keeps_the_worst_and_says_so(layers):
    text = rendered(layer_table(layers, limit=1))
    assert "first" in text
    assert "input" not in text
    assert "1 of 3 layers" in text


@pytest.mark.parametrize("mode", Mode)
def test_one_mode_alone_is_enough(layers, mode):
    single = replace(layers, tables={mode: layers.tables[mode]})
    text = rendered(layer_table(single))
    assert "inf" in text
    assert text.splitlines()[1].split()[2:4].count("-") == 1


def test_the_golden_engine_is_named(layers):
    assert "golden: onnxruntime 1.2.3" in rendered(layer_table(layers))


def test_evaluation_shows_percent_and_count(result):
    text = rendered(eval_table(result, model="m", data="d", target="fp32"))
    assert "85.00 % (170)" in text
    assert "100.00 % (200)" in text


def test_evaluation_of_anomalies_shows_the_area():
    result = ReconstructResult(
        ids=("a", "b"),
        labels=np.array([0, 1]),
        scores=np.array([0.0, 1.0]),
        auc_counts=AucCounts(numerator=1, denominator=2),
    )
    text = rendered(eval_table(result, model="m", data="d", target="t"))
    assert "AUC" in text
    assert "0.5000" in text


def test_top1_stands_beside_baseline_and_fp32(gate):
    line = rendered(accuracy_table(gate.cases)).splitlines()[1]
    assert line.split("  ")[0] == "c"
    assert "85.50 % (171)" in line
    assert line.count("85.00 % (170)") == 2


def test_every_outcome_is_a_word_and_details_are_not_markup(gate):
    text = rendered(verdict_table(gate.verdicts))
    for word in Outcome:
        assert word.value in text
    assert text.count("[b]so[/b]") == len(Outcome)
    assert "data.npz: x[3]: no luck" in text


def test_a_gate_report_ends_in_one_line_of_summary(gate):
    text = rendered(gate_report(gate))
    assert "\ngate: could not be judged (1 equal, 1 holds," in text
    assert "s/c: digest bits: a -> b" in text
    assert "c: layers against golden FP32" in text
    assert max(map(len, text.splitlines())) <= WIDTH


def test_the_last_table_has_a_line_for_each_case(gate):
    text = rendered(gate_report(gate))
    lines = text[: text.index("\ngate: ")].splitlines()
    head, measured, failed = (line.split() for line in lines[-3:])
    assert " ".join(head) == "case verdict to FP32 to base worst layer dB s"
    assert " ".join(measured) == "c failed -0.50 +0.00 first 31.0 1.2"
    assert failed == ["f", "failed", *"-----"]


def test_the_worst_verdict_of_a_case_is_shown():
    judged = [Outcome.HOLDS, Outcome.REGRESSED, Outcome.EQUAL]
    cases = [outcome("a"), outcome("b", judged=Outcome.IMPROVED)]
    verdicts = tuple(
        Verdict(suite="s", case="c", kind=kind, outcome=found, detail="")
        for found in judged
        for kind in [cases[0].verdicts[0].kind]
    )
    cases.append(replace(cases[0], case="c", verdicts=verdicts))
    lines = rendered(summary_table(cases)).splitlines()[1:]
    assert [line.split()[:2] for line in lines] == [
        ["a", "equal"],
        ["b", "improved"],
        ["c", "regressed"],
    ]


def test_long_names_leave_every_figure_of_the_last_table_whole():
    case = outcome("c" * 60, sqnr_db=(40.0, 35.0, -123.4))
    result = case.result
    assert result is not None
    assert result.layers is not None
    tables = {
        mode: table.assign(name="layer" * 20)
        for mode, table in result.layers.tables.items()
    }
    layers = replace(result.layers, tables=tables)
    wide = replace(case, result=replace(result, layers=layers, seconds=12345.6))
    text = rendered(summary_table([wide]))
    assert text.count("c") == 60 + "case verdict".count("c")
    assert max(map(len, text.splitlines())) <= WIDTH
    for figure in ("equal", "-25.00", "-123.4", "12345.6"):
        assert figure in text


def changed(**names: tuple[str, ...]) -> CaseOutcome:
    change = DetectionChange(samples=40, points=-1.5, low=-2.5, high=-0.5, **names)
    return replace(outcome(), change=change)


def test_a_changed_detector_is_told_with_its_interval_and_images():
    case = changed(worse=tuple(f"w{i}" for i in range(7)), better=("b",))
    text = "".join(map(rendered, change_lines(case)))
    assert "c: -1.50 points of mAP beside the baseline\n" in text
    assert "  95 % interval -2.50 to -0.50 (paired bootstrap)" in text
    assert "7 images worse: w0, w1, w2, w3, w4, 2 more" in text
    assert "1 images better: b" in text
    assert "from about 1.00 points on" in text
    assert max(map(len, text.splitlines())) <= WIDTH


def test_a_reason_is_printed_with_what_it_accepts(gate):
    case = replace(gate.cases[0], changes=("digest bits: a -> b", "reason: so it is"))
    assert "s/c: reason: so it is" in rendered(gate_report(run_of(case)))
