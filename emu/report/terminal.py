"""Tables for the terminal, at most 100 columns wide and readable without colours."""

import math
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final

import pandas as pd
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from emu.compare import LayerReport, Mode
from emu.evaluate import (
    MILLION,
    BadSample,
    ClassifyResult,
    DetectResult,
    EvalResult,
    ReconstructResult,
)
from emu.gate import CaseOutcome, GateResult, Outcome, Verdict
from emu.report.detection import detection_table, precision_text
from emu.report.methods import by_method, method_table

WIDTH: Final = 100
_NAME: Final = 24
_LEVEL: Final = 14
# Samples that are named of those that changed.
_SAMPLES: Final = 5
_COLORS: Final[Mapping[Outcome, str]] = MappingProxyType(
    {
        Outcome.EQUAL: "green",
        Outcome.HOLDS: "green",
        Outcome.KNOWN: "yellow",
        Outcome.ACCEPTED: "yellow",
        Outcome.IMPROVED: "yellow",
        Outcome.REGRESSED: "red",
        Outcome.MISSING: "red",
        Outcome.FAILED: "red",
    }
)


def layer_table(
    report: LayerReport, *, limit: int | None = None, title: str | None = None
) -> RenderableType:
    """Every layer, the worst first by its own SQNR, then a line on what is shown.

    `limit` keeps that many of the worst. "own" is the layer alone quantized on golden
    inputs, "all" the whole integer network; the other columns are of the network (of
    the one mode there is, if only one was run).
    """
    main = report.tables.get(Mode.CUMULATIVE, report.tables.get(Mode.ISOLATED))
    if main is None:
        return Text("no layers were compared")
    sqnr = {
        mode: dict(zip(table["name"], table["sqnr_db"], strict=True))
        for mode, table in report.tables.items()
    }
    order = sqnr.get(Mode.ISOLATED) or sqnr[Mode.CUMULATIVE]
    rows = _records(main)
    rows.sort(key=lambda row: order.get(row["name"], math.inf))
    shown = rows[:limit]

    table = _table(title)
    table.add_column("layer", max_width=_NAME, no_wrap=True, overflow="ellipsis")
    table.add_column("op", max_width=15, no_wrap=True, overflow="ellipsis")
    levels = "level" in main
    if levels:
        table.add_column("level", max_width=_LEVEL, no_wrap=True, overflow="ellipsis")
    heads = ("own dB", "all dB", "cosine", "LSB", "bias", "sat %", "acc", "ovf")
    for head in heads:
        table.add_column(head, justify="right", no_wrap=True)
    for row in shown:
        name = row["name"]
        table.add_row(
            name,
            row["op"],
            *([row["level"]] if levels else []),
            _decibels(sqnr.get(Mode.ISOLATED, {}).get(name)),
            _decibels(sqnr.get(Mode.CUMULATIVE, {}).get(name)),
            f"{row['cosine']:.5f}",
            f"{row['max_lsb']:.1f}",
            f"{row['mean_error']:+.1e}",
            _percent(row["saturated"]),
            str(row["acc_bits"] or "-"),
            str(row["acc_overflows"]),
        )
    return Group(
        table, Text(_legend(report, len(shown), len(rows), levels=levels), style="dim")
    )


def eval_table(
    result: EvalResult, *, model: str, data: str, target: str
) -> RenderableType:
    """Metrics of one evaluation."""
    if isinstance(result, DetectResult):
        return detection_table(result, model=model, data=data, target=target)
    table = _table(None)
    for head in ("model", "data", "target"):
        table.add_column(head, overflow="fold")
    for head in ("samples", *_metrics(result)):
        table.add_column(head, justify="right", no_wrap=True)
    table.add_row(model, data, target, str(result.n), *_metrics(result).values())
    return table


def skipped_lines(skipped: Sequence[BadSample]) -> list[RenderableType]:
    """How many samples were left out, then each by name with what is wrong with it."""
    lines = [f"{len(skipped)} bad samples skipped{':' if skipped else ''}"]
    lines += [f"  {sample.name}: {sample.reason}" for sample in skipped]
    return [Text(line) for line in lines]


def accuracy_table(cases: Iterable[CaseOutcome]) -> RenderableType:
    """Each measured case's Top-1 (or AUC) beside its baseline and FP32.

    The loss against FP32 is in points of Top-1; the last column is seconds.
    """
    table = _table(None)
    table.add_column("case", max_width=32, no_wrap=True, overflow="ellipsis")
    table.add_column("samples", justify="right", no_wrap=True)
    for head in ("FP32", "integer", "baseline", "loss", "s"):
        table.add_column(head, justify="right", no_wrap=True)
    for case in cases:
        if case.result is None:
            continue
        fp32, quantized = case.result.fp32, case.result.quantized
        stored = case.baseline.quantized if case.baseline else None
        table.add_row(
            case.case,
            str(quantized.n),
            _score(fp32.counts()) if fp32 else "-",
            _score(quantized.counts()),
            _score(stored) if stored else "-",
            _loss(fp32, quantized) if fp32 else "-",
            f"{case.result.seconds:.1f}",
        )
    return table


def verdict_table(verdicts: Sequence[Verdict]) -> RenderableType:
    """Case, kind, verdict and detail, one row each."""
    table = _table(None)
    table.add_column("case", max_width=32, no_wrap=True, overflow="ellipsis")
    table.add_column("kind", no_wrap=True)
    table.add_column("verdict", no_wrap=True)
    table.add_column("detail", overflow="fold")
    for verdict in verdicts:
        color = _COLORS[verdict.outcome]
        table.add_row(
            verdict.case,
            verdict.kind.value,
            Text(verdict.outcome.value, style=color),
            Text(verdict.detail),
        )
    return table


def gate_report(result: GateResult, *, limit: int | None = 12) -> RenderableType:
    """All of a gate run: layers, accuracy, what an update wrote, verdicts.

    `limit` is the number of layers shown of each case; cases that differ in their
    recipe alone come side by side instead.
    """
    parts: list[RenderableType] = []
    measured = [case for case in result.cases if case.result]
    groups = by_method(measured)
    side_by_side = {id(result) for some in groups.values() for result in some}
    for case in measured:
        if case.result and case.result.layers and id(case.result) not in side_by_side:
            title = f"{case.case}: layers against golden FP32"
            parts += [layer_table(case.result.layers, limit=limit, title=title), ""]
    for key, results in groups.items():
        parts += [method_table(key, results), ""]
    if measured:
        parts += [accuracy_table(measured), ""]
    parts += [line for case in result.cases for line in change_lines(case)]
    if result.changes:
        parts += [Text("accepted as the new baseline:"), *map(Text, result.changes), ""]
    return Group(*parts, verdict_table(result.verdicts), _summary(result))


def change_lines(case: CaseOutcome) -> list[RenderableType]:
    """`change_texts`, and an empty line after them."""
    lines = change_texts(case)
    return [*map(Text, lines), ""] if lines else []


def change_texts(case: CaseOutcome) -> list[str]:
    """Which samples a case loses and wins beside its baseline, and how likely that is."""
    change = case.change
    if change is None or not (change.newly_wrong or change.newly_right):
        return []
    first = f"{case.case}: {change.points:+.2f} points beside the baseline"
    lines = [f"{first}, p {change.p_value:.3g} (exact McNemar)"]
    for what, names in (
        ("newly wrong", change.newly_wrong),
        ("newly right", change.newly_right),
    ):
        more = f", {len(names) - _SAMPLES} more" if len(names) > _SAMPLES else ""
        if names:
            listed = ", ".join(names[:_SAMPLES])
            lines.append(f"  {len(names)} {what}: {listed}{more}")
    lines.append(
        f"  {change.samples} samples tell a drop from chance from "
        f"{change.resolvable_points:.2f} points on (5 %)"
    )
    return lines


def _summary(result: GateResult) -> Text:
    words = {0: "holds", 1: "changed", 2: "could not be judged"}
    color = {0: "green", 1: "red", 2: "red"}[result.exit_code]
    counts: dict[str, int] = {}
    for verdict in result.verdicts:
        name = verdict.outcome.value
        counts[name] = counts.get(name, 0) + 1
    listed = ", ".join(f"{count} {name}" for name, count in counts.items())
    return Text(f"gate: {words[result.exit_code]} ({listed})", style=f"bold {color}")


def _table(title: str | None) -> Table:
    return Table(
        title=title, title_justify="left", box=None, pad_edge=False, width=None
    )


def _records(table: pd.DataFrame) -> list[dict[str, Any]]:
    records = table.to_dict(orient="records")
    return [{str(k): v for k, v in record.items()} for record in records]


def _legend(report: LayerReport, shown: int, total: int, *, levels: bool) -> str:
    which = f"{shown} of {total} layers" if shown < total else f"{total} layers"
    engine = f"{report.engine.get('engine', '')} {report.engine.get('version', '')}"
    modes = {
        frozenset({Mode.CUMULATIVE, Mode.ISOLATED}): (
            "own: SQNR of the layer alone; all, and the rest: in the whole network"
        ),
        frozenset({Mode.CUMULATIVE}): "in the whole network",
        frozenset({Mode.ISOLATED}): "each layer alone",
    }[frozenset(report.tables)]
    return (
        f"{which}, worst first; {report.samples} samples; golden: {engine.strip()}\n"
        f"{modes}\n"
        "LSB: largest |error|; bias: mean error; acc: bits of the largest sum"
        + ("\nlevel: cells of Pn stand for 2**n x 2**n pixels of the input" * levels)
    )


def _decibels(value: float | None) -> str:
    if value is None:
        return "-"
    return str(value) if math.isinf(value) else f"{value:.1f}"


def _percent(share: float) -> str:
    return "0" if share == 0 else f"{100 * share:.2g}"


def _metrics(result: ClassifyResult | ReconstructResult) -> dict[str, str]:
    if isinstance(result, ClassifyResult):
        return {
            "Top-1": f"{100 * result.top1:.2f} % ({result.top1_correct})",
            "Top-5": f"{100 * result.top5:.2f} % ({result.top5_correct})",
        }
    return {"AUC": f"{result.auc:.4f}"}


def _score(counts: Mapping[str, int]) -> str:
    if "top1_correct" in counts:
        right = counts["top1_correct"]
        return f"{100 * right / counts['n']:.2f} % ({right})"
    if "map_ppm" in counts:
        return precision_text(counts["map_ppm"] / MILLION)
    return f"{counts['auc_numerator'] / counts['auc_denominator']:.4f}"


def _loss(fp32: EvalResult, quantized: EvalResult) -> str:
    if isinstance(fp32, ReconstructResult):
        return f"{fp32.auc - quantized.score:+.4f}"
    return f"{100 * (fp32.score - quantized.score):+.2f} pts"
