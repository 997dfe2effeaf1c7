"""`emu history` and `emu diff`: runs of the gate over time, and two of them compared."""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import pandas as pd
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from emu.gate import CaseChange, LayerChange, Outcome, RunChange, SampleChange
from emu.report.numbers import name_text

_BARS: Final = "▁▂▃▄▅▆▇█"
_SPARKS: Final = 40
_NAME: Final = 28
_COMMIT: Final = 9
_TEXT: Final = 24


def history_table(rows: pd.DataFrame, *, limit: int) -> RenderableType:
    """The last `limit` rows of `load_history`, then a sparkline of every case's score.

    Scores are in percent, changes in points since the case was measured last.
    """
    table = _table()
    for head in ("run", "when (UTC)", "commit"):
        table.add_column(
            head, no_wrap=True, justify="right" if head == "run" else "left"
        )
    table.add_column("case", max_width=_NAME, no_wrap=True, overflow="ellipsis")
    for head in ("score", "change"):
        table.add_column(head, justify="right", no_wrap=True)
    table.add_column("verdict", no_wrap=True)
    table.add_column("s", justify="right", no_wrap=True)
    shown = rows.tail(limit)
    for row in shown.to_dict(orient="records"):
        table.add_row(
            str(row["run"]),
            f"{row['started']:%Y-%m-%d %H:%M}",
            _text(row["commit"])[:_COMMIT],
            Text(f"{row['suite']}/{row['case']}"),
            _percent(row["score"]),
            _points(row["change"]),
            Text(row["outcome"], style=_style(row["outcome"])),
            "-" if pd.isna(row["seconds"]) else f"{row['seconds']:.1f}",
        )
    some = f"{len(shown)} of {len(rows)}" if len(shown) < len(rows) else f"{len(rows)}"
    note = f"{some} rows; scores in %, changes in points; a dot: not measured"
    return Group(table, Text(note, style="dim"), "", *_trends(rows))


def history_json(rows: pd.DataFrame) -> dict[str, Any]:
    """All rows of `load_history`, oldest first; what was not measured is null."""
    times = rows.assign(started=[time.isoformat() for time in rows["started"]])
    records = times.astype(object).to_dict(orient="records")
    return {
        "history": [
            {str(k): None if _missing(v) else v for k, v in record.items()}
            for record in records
        ]
    }


def sparkline(scores: Sequence[float]) -> str:
    """A bar for each score from the lowest to the highest; a dot for NaN."""
    known = [score for score in scores if not math.isnan(score)]
    low, high = (min(known), max(known)) if known else (0.0, 0.0)
    steps = len(_BARS) - 1

    def bar(score: float) -> str:
        if math.isnan(score):
            return "·"
        share = (score - low) / (high - low) if high > low else 0.5
        return _BARS[round(share * steps)]

    return "".join(map(bar, scores))


def diff_report(found: RunChange, *, limit: int) -> RenderableType:
    """What changed from one run to the other, case by case.

    `limit` is the number of layers, and of samples of each kind, shown of a case.
    """
    parts: list[RenderableType] = [*_runs(found), ""]
    for case in found.cases:
        parts += [*_case(case, limit), ""]
    changed = len(found.cases)
    summary = f"{changed} case{'s' * (changed != 1)} changed, {found.same} did not"
    return Group(*parts, Text(summary, style="bold"))


def diff_json(found: RunChange) -> dict[str, Any]:
    """The same with stable names; every layer and sample that changed."""
    return {
        "before": dict(found.before),
        "after": dict(found.after),
        "same": found.same,
        "cases": [
            {
                "suite": case.suite,
                "case": case.case,
                "before": _figures(case.before),
                "after": _figures(case.after),
                "layers": [
                    {name: getattr(layer, name) for name in LayerChange.__slots__}
                    for layer in case.layers
                ],
                "samples": [
                    {name: getattr(sample, name) for name in SampleChange.__slots__}
                    | {"turn": sample.turn.value}
                    for sample in case.samples
                ],
                "unmatched": list(case.unmatched),
            }
            for case in found.cases
        ],
    }


def _trends(rows: pd.DataFrame) -> list[RenderableType]:
    table = _table()
    table.add_column("case", max_width=_NAME, no_wrap=True, overflow="ellipsis")
    table.add_column("score over runs", no_wrap=True)
    for head in ("lowest", "highest", "last"):
        table.add_column(head, justify="right", no_wrap=True)
    names = rows["suite"] + "/" + rows["case"]
    for name, group in rows.groupby(names, sort=False):
        scores = group["score"].to_list()
        known = [score for score in scores if not math.isnan(score)]
        table.add_row(
            Text(str(name)),
            sparkline(scores[-_SPARKS:]),
            *map(_percent, (min(known), max(known)) if known else (None, None)),
            _percent(scores[-1]),
        )
    return [table]


def _runs(found: RunChange) -> Iterable[RenderableType]:
    table = _table()
    for head in ("run", "started (UTC)", "commit", "s", "machine"):
        table.add_column(head, no_wrap=head != "machine", overflow="fold")
    for run in (found.before, found.after):
        table.add_row(
            str(run["id"]),
            str(run["started"])[:19].replace("T", " "),
            _text(run["commit"])[:_COMMIT],
            f"{run['duration']:.1f}",
            Text(run["machine"]),
        )
    yield table
    yield from _turned(found.before["versions"], found.after["versions"])


def _turned(
    old: Mapping[str, object], new: Mapping[str, object], indent: str = ""
) -> Iterable[RenderableType]:
    """A line for each value that both have and that is not the same."""
    for name in sorted({*old} & {*new}):
        if old[name] != new[name]:
            yield Text(f"{indent}{name}: {_text(old[name])} -> {_text(new[name])}")


def _case(case: CaseChange, limit: int) -> Iterable[RenderableType]:
    name = f"{case.suite}/{case.case}"
    before, after = case.before, case.after
    if before is None or after is None:
        which = "first" if after is None else "second"
        yield Text(f"{name}: only in the {which} run", style="bold")
        return
    yield Text(name, style="bold")
    yield Text(
        f"  {_text(after['metric'] or before['metric'])} {_percent(before['score'])} -> "
        f"{_percent(after['score'])} %, verdict {before['outcome']} -> "
        f"{after['outcome']}, integer outputs {_digests(before, after)}"
    )
    yield from _turned(before["settings"] or {}, after["settings"] or {}, "  ")
    for verdict in after["verdicts"]:
        if _exit_code(verdict["verdict"]) and verdict not in before["verdicts"]:
            yield Text(f"  {verdict['kind']} {verdict['verdict']}: {verdict['detail']}")
    if case.layers:
        yield _layers(case.layers[:limit])
        yield from _more(len(case.layers), limit, "layers")
    if case.samples:
        yield from _samples(case.samples, limit)
    if case.unmatched:
        names = ", ".join(case.unmatched[:limit])
        yield Text(f"  {len(case.unmatched)} samples in only one of the runs: {names}")
        yield from _more(len(case.unmatched), limit, "names")


def _layers(layers: Iterable[LayerChange]) -> RenderableType:
    table = _table()
    table.add_column("  layer", max_width=_NAME + 2, no_wrap=True)
    table.add_column("fed with", no_wrap=True)
    for head in ("dB before", "after", "change", "cosine before", "after"):
        table.add_column(head, justify="right", no_wrap=True)
    for layer in layers:
        before, after = layer.sqnr_before, layer.sqnr_after
        table.add_row(
            Text(f"  {name_text(layer.name, _NAME)}"),
            layer.mode,
            _number(before, ".1f"),
            _number(after, ".1f"),
            _gap(before, after),
            _number(layer.cosine_before, ".5f"),
            _number(layer.cosine_after, ".5f"),
        )
    return table


def _gap(before: float | None, after: float | None) -> str:
    if before is None or after is None:
        return "-"
    return "=" if before == after else f"{after - before:+.1f}"


def _samples(samples: Sequence[SampleChange], limit: int) -> Iterable[RenderableType]:
    """For each kind of change a line on how many, then the first of them by name."""
    for turn in dict.fromkeys(sample.turn for sample in samples):
        some = [sample for sample in samples if sample.turn is turn]
        yield Text(f"  {len(some)} {turn.value}:")
        for sample in some[:limit]:
            right = "" if sample.label is None else f" (right: {sample.label})"
            before, after = _short(sample.before), _short(sample.after)
            yield Text(f"    {sample.name}: {before} -> {after}{right}")
        yield from _more(len(some), limit, "samples")


def _more(count: int, limit: int, what: str) -> Iterable[RenderableType]:
    if count > limit:
        yield Text(f"    and {count - limit} more {what}", style="dim")


def _figures(row: Mapping[str, Any] | None) -> dict[str, Any] | None:
    if row is None:
        return None
    names = (
        "outcome",
        "verdicts",
        "settings",
        "metric",
        "score",
        "drop_points",
        "counts",
        "fp32",
    )
    return {name: row[name] for name in (*names, "seconds", "digest")}


def _digests(before: Mapping[str, Any], after: Mapping[str, Any]) -> str:
    if before["digest"] is None or after["digest"] is None:
        return "not known"
    return "equal" if before["digest"] == after["digest"] else "differ"


def _table() -> Table:
    return Table(box=None, pad_edge=False)


def _style(outcome: str) -> str:
    return {0: "green", 1: "yellow", 2: "red"}.get(_exit_code(outcome), "")


def _exit_code(outcome: str) -> int:
    """As of Outcome; -1 for a verdict that only another version knows."""
    codes = {known.value: known.exit_code for known in Outcome}
    return codes.get(outcome, -1)


def _missing(value: object) -> bool:
    return (
        value is None
        or value is pd.NaT
        or (isinstance(value, float) and value != value)
    )


def _text(value: object) -> str:
    return "-" if _missing(value) else str(value)


def _percent(score: float | None) -> str:
    return _number(score, ".2f", 100.0)


def _points(change: float) -> str:
    return "-" if pd.isna(change) else f"{100 * change:+.2f}" if change else "="


def _number(value: float | None, form: str, factor: float = 1.0) -> str:
    if value is None or math.isnan(value):
        return "-"
    return str(value) if math.isinf(value) else f"{factor * value:{form}}"


def _short(text: str) -> str:
    return text if len(text) <= _TEXT else f"{text[: _TEXT - 1]}…"
