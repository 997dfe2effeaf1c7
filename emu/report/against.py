"""`emu compare --against` on the terminal and as JSON."""

import math
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from emu.compare import AgainstReport, Difference
from emu.jsondata import strict_json
from emu.report.numbers import name_text

_NAME = 44


def against_json(report: AgainstReport) -> dict[str, Any]:
    """The stable names: rows in execution order.

    "first_divergence" is null if all that decide are equal, see `AgainstReport`.
    """
    first = report.first_divergence
    return strict_json(
        {
            "n": report.samples,
            "against": dict(report.other),
            "layers": [row.to_json() for row in report.rows],
            "first_divergence": first.name if first else None,
            "missing": list(report.missing),
            "extra": list(report.extra),
        }
    )


def render_against(
    report: AgainstReport, *, title: str, limit: int | None = None
) -> RenderableType:
    """The first divergence, the table, and what could not be compared.

    `limit` keeps that many rows: those where most elements differ.
    """
    parts: list[RenderableType] = [Text(title, "bold"), _verdict(report), ""]
    rows = list(report.rows)
    if limit is not None and limit < len(rows):
        worst = sorted(rows, key=lambda row: -row.differing / row.elements)[:limit]
        rows = [row for row in rows if row in worst]
    parts += [_table(rows), "", Text(_legend(report, len(rows)), "dim")]
    parts += [
        Text(f"{what}: {_few(names)}", "yellow")
        for what, names in (
            ("not given by the other side", report.missing),
            ("in the dump, but no tensor here", report.extra),
        )
        if names
    ]
    return Group(*parts)


def _verdict(report: AgainstReport) -> Text:
    rows, deciding = report.rows, report.deciding
    first, count = report.first_divergence, len(rows)
    differ = sum(bool(row.differing) for row in rows)
    if first is not None:
        return Text(
            f"first divergence: {first.name} ({first.op}): {first.differing:,} of "
            f"{first.elements:,} elements, by at most {_steps(first)} LSB; "
            f"{differ} of {count} tensors differ",
            "red",
        )
    if not differ:
        return Text(f"all {count} tensors are equal" if count > 1 else "equal", "green")
    worst = max(row.max_relative or 0.0 for row in rows)
    return Text(
        f"equal in all integers; {differ} of "
        f"{_counted(count - len(deciding), 'float tensor')} differs, by at most "
        f"{worst:.2g} of the largest value",
        "green",
    )


def _table(rows: list[Difference]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("tensor", no_wrap=True)
    table.add_column("op", no_wrap=True)
    table.add_column("dtype", no_wrap=True)
    reals = any(row.is_real for row in rows)
    for name in ("elements", "differing", "max LSB", *(["relative"] if reals else [])):
        table.add_column(name, justify="right", no_wrap=True)
    for row in rows:
        table.add_row(
            Text(name_text(row.name, _NAME)),
            row.op,
            row.dtype,
            f"{row.elements:,}",
            f"{row.differing:,}",
            _steps(row),
            *(["" if row.max_relative is None else f"{row.max_relative:.2g}"] * reals),
            style="red" if row.differing else "",
        )
    return table


def _steps(row: Difference) -> str:
    if row.max_lsb is None:
        return "?"
    if isinstance(row.max_lsb, int) or math.isinf(row.max_lsb):
        return f"{row.max_lsb}"
    return f"{row.max_lsb:.3g}"


def _legend(report: AgainstReport, shown: int) -> str:
    total = len(report.rows)
    which = (
        f"{shown} of {total} tensors" if shown < total else _counted(total, "tensor")
    )
    other = ", ".join(report.other.values())
    runs = _counted(report.samples, "sample")
    return f"{which} in execution order; {runs}; against {other}"


def _counted(count: int, what: str) -> str:
    return f"{count:,} {what}" if count == 1 else f"{count:,} {what}s"


def _few(names: tuple[str, ...]) -> str:
    more = f" and {len(names) - 5} more" if len(names) > 5 else ""
    return ", ".join(names[:5]) + more
