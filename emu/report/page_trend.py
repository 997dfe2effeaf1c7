"""The score of a case over the runs of a history, as lines of its page."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import pandas as pd

from emu.gate import Outcome
from emu.report.numbers import percent_text

# The last so many runs are drawn.
_RUNS: Final = 60
_WIDE: Final = (64.0, 708.0, 12.0, 122.0)
_SMALL: Final = (3.0, 97.0, 3.0, 21.0)

Place = tuple[float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Dot:
    """A run in the wide line; `title` says which and what it reached."""

    x: float
    y: float
    tone: str
    title: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Trend:
    """A line for the overview and a wide one for the page of the case.

    Fields:
        count: runs that are drawn.
        spark, line: points as SVG writes them.
        last: the last point of `spark`.
        ticks: height and text of the lines across the wide one.
        dots: the runs.
        first, newest: the run at either end.
        alt: for those who do not see it.
    """

    count: int
    spark: str
    line: str
    last: Place
    ticks: tuple[tuple[float, str], ...]
    dots: tuple[Dot, ...]
    first: str
    newest: str
    alt: str


def trend_of(history: pd.DataFrame | None, suite: str, case: str) -> Trend | None:
    """The runs of one case as a line; None if none of them measured it.

    `history` is a table of `load_history`.
    """
    if history is None:
        return None
    chosen = (history["suite"] == suite) & (history["case"] == case)
    measured = pd.DataFrame(history[chosen & history["score"].notna()]).tail(_RUNS)
    if measured.empty:
        return None
    records = measured.to_dict(orient="records")
    scores = [float(row["score"]) for row in records]
    small, wide = _line(scores, _SMALL), _line(scores, _WIDE)
    low, high = min(scores), max(scores)
    ticks = {
        _height(score, scores, _WIDE): percent_text(score)
        for score in dict.fromkeys((low, (low + high) / 2, high))
    }
    return Trend(
        count=len(scores),
        spark=_points(small),
        line=_points(wide),
        last=small[-1],
        ticks=tuple(ticks.items()),
        dots=tuple(
            Dot(x=x, y=y, tone=_tone(row["outcome"]), title=_title(row))
            for (x, y), row in zip(wide, records, strict=True)
        ),
        first=f"run {records[0]['run']}",
        newest=f"run {records[-1]['run']}",
        alt=(
            f"{len(scores)} run{'s' * (len(scores) > 1)}, {percent_text(low)} to "
            f"{percent_text(high)}, last {percent_text(scores[-1])}"
        ),
    )


def _line(
    scores: Sequence[float], box: tuple[float, float, float, float]
) -> list[Place]:
    """A point for each score; one alone stands at the right end."""
    left, right, *_ = box
    gaps = max(1, len(scores) - 1)
    lone = 1 if len(scores) == 1 else 0
    return [
        (
            round(left + (right - left) * (i + lone) / gaps, 1),
            _height(score, scores, box),
        )
        for i, score in enumerate(scores)
    ]


def _height(
    score: float, scores: Sequence[float], box: tuple[float, float, float, float]
) -> float:
    """From the least score at the bottom to the greatest at the top."""
    *_, top, bottom = box
    low, high = min(scores), max(scores)
    share = (score - low) / (high - low) if high > low else 0.5
    return round(bottom - (bottom - top) * share, 1)


def _points(places: Sequence[Place]) -> str:
    return " ".join(f"{x:g},{y:g}" for x, y in places)


def _tone(outcome: str) -> str:
    return "bad" if Outcome(outcome).exit_code else ""


def _title(row: dict[Any, Any]) -> str:
    commit = row["commit"] if isinstance(row["commit"], str) else ""
    parts = (
        f"run {row['run']}",
        f"{row['started']:%Y-%m-%d %H:%M}",
        commit[:9],
        percent_text(row["score"]),
        row["outcome"],
    )
    return ", ".join(part for part in parts if part)
