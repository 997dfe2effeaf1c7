"""Tables in the terminal: in order, narrow enough, readable without colours."""

from dataclasses import replace

import numpy as np
import pytest
from rich.console import Console, RenderableType

from emu.compare import Mode
from emu.evaluate import AucCounts, ReconstructResult
from emu.gate import Outcome
from emu.report import (
    WIDTH,
    accuracy_table,
    eval_table,
    gate_report,
    layer_table,
    verdict_table,
)


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
    for outcome in Outcome:
        assert outcome.value in text
    assert text.count("[b]so[/b]") == len(Outcome)
    assert "data.npz: x[3]: no luck" in text


def test_a_gate_report_ends_in_one_line_of_summary(gate):
    text = rendered(gate_report(gate))
    assert "\ngate: could not be judged (1 equal, 1 holds," in text
    assert "s/c: digest bits: a -> b" in text
    assert "c: layers against golden FP32" in text
    assert max(map(len, text.splitlines())) <= WIDTH
