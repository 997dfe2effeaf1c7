"""The layers of a case for its page: figures, drawn network and histograms as JSON."""

import itertools
import json
import math
from collections.abc import Mapping, Sequence
from typing import Any, Final

from markupsafe import Markup

from emu.compare import Mode
from emu.gate import CaseOutcome
from emu.gate.histograms import Histogram
from emu.gate.visuals import Visuals
from emu.report.layout import HEIGHT, WIDTH, Point, lay_out
from emu.report.numbers import shape_text

# Longer names and lines are cut: an export can make names of any length.
_NAME: Final = 160
_DIGITS: Final = 5
# Beyond this a float is no whole number worth writing as one.
_WHOLE: Final = 1e15
_FIGURES: Final = (
    "cosine",
    "max_lsb",
    "mean_error",
    "saturated",
    "acc_bits",
    "acc_overflows",
)
_ENDS: Final = ("input", "output")


def cut(text: str, size: int = _NAME) -> str:
    """The text, its end left out beyond `size` characters."""
    return text if len(text) <= size else text[: size - 1] + "…"


def layers_json(
    case: CaseOutcome, *, histograms: bool = True, network: bool = True
) -> Markup | None:
    """What the page's script draws of a case, safe inside a <script>; None for nothing.

    Rows of `layers` have the order of FIELDS in page.js; `blocks` are [name, operator,
    shape, x, y, row or -1], `edges` [from, to, path], `hist` [row, start, step, scale,
    golden, program]. Infinite figures are texts.
    """
    result = case.result
    if result is None:
        return None
    visuals = result.visuals
    own, whole = _figures(case, Mode.ISOLATED), _figures(case, Mode.CUMULATIVE)
    drawn = [b for b in visuals.blocks if b.op not in _ENDS] if visuals else []
    known = {block.name: block for block in drawn}
    names = list(dict.fromkeys([*known, *own, *whole]))
    if not names:
        return None
    was_own, was_whole = _stored(case, Mode.ISOLATED), _stored(case, Mode.CUMULATIVE)
    rows = []
    for name in names:
        block, alone, full = known.get(name), own.get(name, {}), whole.get(name, {})
        main = full or alone
        figures = (
            alone.get("sqnr_db"),
            full.get("sqnr_db"),
            was_own.get(name),
            was_whole.get(name),
            *(main.get(figure) for figure in _FIGURES),
        )
        rows.append(
            [
                cut(name),
                block.op if block else main["op"],
                shape_text(block.shape) if block else "",
                block.dtype if block else "",
                block.macs if block else 0,
                block.parameters if block else 0,
                *map(_short, figures),
            ]
        )
    place = {name: row for row, name in enumerate(names)}
    data: dict[str, Any] = {"layers": rows, "hist": []}
    if visuals and histograms:
        data["hist"] = [_bins(one, place[one.layer]) for one in visuals.histograms]
    if visuals and network:
        data |= _network(visuals, place)
    return _script_data(data)


def _figures(case: CaseOutcome, mode: Mode) -> dict[str, dict[str, Any]]:
    """Layer -> its row of a table of this run."""
    report = case.result.layers if case.result else None
    table = report.tables.get(mode) if report else None
    if table is None:
        return {}
    rows = table.to_dict(orient="records")
    return {str(row["name"]): {str(k): v for k, v in row.items()} for row in rows}


def _stored(case: CaseOutcome, mode: Mode) -> dict[str, float]:
    """Layer -> its SQNR (dB) in the baseline."""
    rows = case.baseline.layers.get(mode.value, ()) if case.baseline else ()
    return {row.name: row.sqnr_db for row in rows}


def _bins(found: Histogram, row: int) -> list[Any]:
    return [
        row,
        *map(_short, (found.start, found.step, found.scale)),
        list(found.golden),
        list(found.program),
    ]


def _network(visuals: Visuals, place: Mapping[str, int]) -> dict[str, Any]:
    drawing = lay_out(len(visuals.blocks), visuals.edges)
    return {
        "size": [drawing.width, drawing.height],
        "box": [WIDTH, HEIGHT],
        "blocks": [
            [
                cut(block.name),
                block.op,
                shape_text(block.shape),
                *map(round, centre),
                -1 if block.op in _ENDS else place[block.name],
            ]
            for block, centre in zip(visuals.blocks, drawing.centres, strict=True)
        ],
        "edges": [
            [*edge, _curve(route)]
            for edge, route in zip(visuals.edges, drawing.routes, strict=True)
        ],
    }


def _curve(route: Sequence[Point]) -> str:
    """An SVG path through the points, upright at each of them."""
    parts = [f"M{route[0][0]:.0f} {route[0][1]:.0f}"]
    for (x0, y0), (x1, y1) in itertools.pairwise(route):
        if round(x0) == round(x1):
            parts.append(f"V{y1:.0f}")
        else:
            middle = (y0 + y1) / 2
            parts.append(
                f"C{x0:.0f} {middle:.0f} {x1:.0f} {middle:.0f} {x1:.0f} {y1:.0f}"
            )
    return "".join(parts)


def _script_data(data: Any) -> Markup:  # noqa: ANN401 - any JSON value
    """JSON in which nothing can end the script that it lies in."""
    text = json.dumps(data, separators=(",", ":"), allow_nan=False)
    for mark in "<>&":
        text = text.replace(mark, f"\\u{ord(mark):04x}")
    return Markup(text)


def _short(value: float | int | None) -> float | int | str | None:
    """A real with few digits: a page shows no more; "inf" where JSON has no number."""
    if value is None or isinstance(value, int):
        return value
    if math.isnan(value):
        return None
    if math.isinf(value):
        return str(value)
    short = float(f"{value:.{_DIGITS}g}")
    return int(short) if short.is_integer() and abs(short) < _WHOLE else short
