"""The last table of a gate run: a line for each case."""

import math
from collections.abc import Iterable, Mapping
from typing import Final

from rich.table import Table
from rich.text import Text

from emu.compare import Mode
from emu.evaluate import MILLION, EvalResult
from emu.gate import CaseOutcome, Outcome
from emu.report.colors import COLORS

_LAYER: Final = 20
_ORDER: Final = tuple(Outcome)


def summary_table(cases: Iterable[CaseOutcome]) -> Table:
    """Each case's worst verdict and the figures that decide, at most 100 columns.

    Differences are of the integer program: points of Top-1 or of 100 times mAP (of
    the area under the curve as it is), negative where it is worse. The worst layer is
    that of the least SQNR alone (in the network, where only that is compared).
    """
    table = Table(box=None, pad_edge=False)
    # The one column that may wrap, so that all else stays whole.
    table.add_column("case", overflow="fold")
    table.add_column("verdict", no_wrap=True)
    for head in ("to FP32", "to base"):
        table.add_column(head, justify="right", no_wrap=True)
    table.add_column("worst layer", max_width=_LAYER, no_wrap=True, overflow="ellipsis")
    for head in ("dB", "s"):
        table.add_column(head, justify="right", no_wrap=True)
    for case in cases:
        worst = max((v.outcome for v in case.verdicts), key=_ORDER.index)
        verdict = Text(worst.value, style=COLORS[worst])
        table.add_row(Text(case.case), verdict, *_figures(case))
    return table


def _figures(case: CaseOutcome) -> list[str]:
    result = case.result
    if result is None:
        return ["-"] * 5
    found, stored = result.quantized, case.baseline
    layer, sqnr = worst_layer(case)
    return [
        _difference(found, result.fp32.counts()) if result.fp32 else "-",
        _difference(found, stored.quantized) if stored else "-",
        layer,
        sqnr,
        f"{result.seconds:.1f}",
    ]


def worst_layer(case: CaseOutcome) -> tuple[str, str]:
    """Name and SQNR of the worst layer; "-" for both without layers."""
    report = case.result.layers if case.result else None
    if report is None:
        return "-", "-"
    table = report.tables.get(Mode.ISOLATED, next(iter(report.tables.values())))
    rows = zip(table["name"], table["sqnr_db"], strict=True)
    name, sqnr = min(rows, key=lambda row: -math.inf if math.isnan(row[1]) else row[1])
    return name, f"{sqnr:.1f}"


def _difference(found: EvalResult, counts: Mapping[str, int]) -> str:
    """The metric less that of other counts."""
    if "auc_numerator" in counts:
        before = counts["auc_numerator"] / counts["auc_denominator"]
        return f"{found.score - before:+.4f}"
    if "map_ppm" in counts:
        return f"{100 * (float(found.exact) - counts['map_ppm'] / MILLION):+.2f}"
    return f"{100 * (found.score - counts['top1_correct'] / counts['n']):+.2f}"
