"""Lines for the terminal on what a case wins and loses beside its baseline."""

from collections.abc import Sequence
from typing import Final

from rich.console import RenderableType
from rich.text import Text

from emu.evaluate import DetectResult
from emu.gate import CaseOutcome, DetectionChange, PairedChange

# Samples that are named of those that changed.
_SAMPLES: Final = 5


def change_lines(case: CaseOutcome) -> list[RenderableType]:
    """`change_texts`, and an empty line after them."""
    lines = change_texts(case)
    return [*map(Text, lines), ""] if lines else []


def change_texts(case: CaseOutcome) -> list[str]:
    """Which samples a case loses and wins beside its baseline, and how likely that is."""
    change = case.change
    if isinstance(change, DetectionChange):
        lines = _of_detections(change)
    elif change and (change.newly_wrong or change.newly_right):
        lines = _of_samples(change)
    elif _lacks_boxes(case):
        lines = ["its baseline keeps no boxes to compare; an update would add them"]
    else:
        return []
    first, *rest = lines
    return [f"{case.case}: {first}", *rest]


def _of_samples(change: PairedChange) -> list[str]:
    return [
        (
            f"{change.points:+.2f} points beside the baseline, "
            f"p {change.p_value:.3g} (exact McNemar)"
        ),
        *_named("newly wrong", change.newly_wrong),
        *_named("newly right", change.newly_right),
        (
            f"  {change.samples} samples tell a drop from chance from "
            f"{change.resolvable_points:.2f} points on (5 %)"
        ),
    ]


def _of_detections(change: DetectionChange) -> list[str]:
    return [
        f"{change.points:+.2f} points of mAP beside the baseline",
        f"  95 % interval {change.low:+.2f} to {change.high:+.2f} (paired bootstrap)",
        *_named("images worse", change.worse),
        *_named("images better", change.better),
        (
            f"  {change.samples} images tell such a drop from chance from about "
            f"{change.resolvable_points:.2f} points on (half the interval)"
        ),
    ]


def _named(what: str, names: Sequence[str]) -> list[str]:
    more = f", {len(names) - _SAMPLES} more" if len(names) > _SAMPLES else ""
    listed = ", ".join(names[:_SAMPLES])
    return [f"  {len(names)} {what}: {listed}{more}"] if names else []


def _lacks_boxes(case: CaseOutcome) -> bool:
    """Whether a detector's baseline was first written in format 1."""
    if case.baseline is None or case.baseline.boxes or case.changes:
        return False
    return case.result is not None and isinstance(case.result.quantized, DetectResult)
