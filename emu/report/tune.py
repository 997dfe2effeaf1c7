"""`emu tune` on the terminal and as JSON: what was tried and what is taken."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import pandas as pd
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from emu.jsondata import strict_json
from emu.tune import Stopped, Trial, Tuning, trial_frame

_SHOWN: Final = 12  # trials
_WORST: Final = 8  # layers
_STOPPED: Final[Mapping[Stopped, str]] = MappingProxyType(
    {
        Stopped.GOAL: "goal met",
        Stopped.TRIED: "goal not met, nothing is left to try",
        Stopped.BUDGET: "goal not met, the time is up",
    }
)


def tuning_json(
    found: Tuning, model: str, strategy: str, trials: Path, file: Path
) -> dict[str, Any]:
    """The stable names of `emu tune --json`; shares are 0 to 1."""
    rows = trial_frame(found.trials).to_dict(orient="records")
    best = next(row for row in rows if row["number"] == found.best.number)
    return strict_json(
        {
            "model": model,
            "strategy": strategy,
            "file": str(file),
            "trials_file": str(trials),
            "goal": {"max_drop": found.max_drop, "reached": found.reached},
            "stopped": found.stopped.value,
            "fp32": found.fp32,
            "best": {**best, "recipe": dict(found.best.recipe)},
            "ranking": found.ranking.to_dict(orient="records"),
            "n_trials": len(found.trials),
            "resumed": found.resumed,
            "compiled": found.compiled,
            "seconds": found.seconds,
            "trials": rows,
        }
    )


def best_label(best: Trial) -> str:
    """The best so far, for a progress bar."""
    return f"best {100 * best.score:.2f} % ({-best.drop_points:+.2f}), {best.label}"


def chosen_text(found: Tuning, model: str, target: str) -> str:
    """What a recipe was chosen for and by which figures, for its head."""
    best = found.best
    return (
        f"emu tune {model} --target {target} --max-drop {found.max_drop:g}\n"
        f"{best.step}: {best.label}; {100 * best.score:.2f} %, FP32 "
        f"{100 * found.fp32:.2f} %, {100 * best.integer_share:.1f} % of the MACs on "
        "integers"
    )


def render_tuning(
    found: Tuning, target: str, trials: Path, file: Path
) -> RenderableType:
    """The trials, the layers that cost most, and what was taken."""
    parts: list[RenderableType] = [_trials(found), ""]
    if len(found.ranking):
        parts += [_ranking(found.ranking), ""]
    return Group(*parts, _taken(found, target, trials, file))


def _trials(found: Tuning) -> RenderableType:
    shown = _worth_showing(found.trials, found.best)
    table = Table(box=None, pad_edge=False)
    table.add_column("", justify="right", no_wrap=True)
    table.add_column("step", no_wrap=True)
    table.add_column("tried", overflow="fold")
    for head in ("score %", "loss", "integer %", "s"):
        table.add_column(head, justify="right", no_wrap=True)
    for trial in shown:
        best = trial.number == found.best.number
        table.add_row(
            str(trial.number),
            trial.step,
            Text(trial.label),
            f"{100 * trial.score:.2f}",
            Text(
                f"{trial.drop_points:+.2f}",
                "green" if trial.meets(found.max_drop) else "red",
            ),
            f"{100 * trial.integer_share:.1f}",
            f"{trial.seconds:.1f}",
            style="bold" if best else "",
        )
    rest = len(found.trials) - len(shown)
    more = f"and {rest} more trials; all are in the table\n" if rest else ""
    return Group(
        table,
        Text(more + "loss: points against FP32; integer: share of the MACs", "dim"),
    )


def _worth_showing(trials: Sequence[Trial], best: Trial) -> list[Trial]:
    """The first, then each that was better than all before it, the last, the best."""
    if len(trials) <= _SHOWN:
        return list(trials)
    kept, score = [], -math.inf
    for trial in trials:
        if trial.score > score:
            kept.append(trial)
            score = trial.score
    ends = [trials[-1], best]
    numbers = {trial.number for trial in (*kept[: _SHOWN - 2], *ends)}
    return [trial for trial in trials if trial.number in numbers]


def _ranking(ranking: pd.DataFrame) -> RenderableType:
    table = Table(
        box=None, pad_edge=False, title="layers that cost most", title_justify="left"
    )
    table.add_column("layer", overflow="fold")
    table.add_column("op")
    for head in ("own dB", "cosine", "won in float16"):
        table.add_column(head, justify="right", no_wrap=True)
    for row in ranking.head(_WORST).to_dict(orient="records"):
        gain = row["gain_points"]
        table.add_row(
            str(row["name"]),
            str(row["op"]),
            f"{row['sqnr_db']:.1f}",
            f"{row['cosine']:.5f}",
            "-" if pd.isna(gain) else f"{gain:+.2f}",
        )
    return Group(
        table,
        Text(
            "own dB: SQNR of the layer alone on golden inputs; won: points of that "
            "layer alone in float16",
            "dim",
        ),
    )


def _taken(found: Tuning, target: str, trials: Path, file: Path) -> RenderableType:
    best = found.best
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="dim")
    grid.add_column(overflow="fold")
    color = "green" if found.reached else "red"
    words = "goal met" if found.reached else _STOPPED[found.stopped]
    goal = f"{words}: {best.drop_points:+.2f} points lost, {found.max_drop:g} allowed"
    grid.add_row("goal", Text(goal, color))
    grid.add_row("score", f"{100 * best.score:.2f} %, FP32 {100 * found.fp32:.2f} %")
    grid.add_row("settings", Text(f"{best.step}: {best.label}"))
    shares = f"{100 * best.integer_share:.1f} % of the MACs"
    if best.wide_share:
        shares += f", {100 * best.wide_share:.1f} % of them wide"
    grid.add_row("integers", shares)
    excluded = best.recipe.get("exclude", ())
    if excluded:
        grid.add_row("not integers", Text(", ".join(excluded)))
    ran = len(found.trials) - found.resumed
    grid.add_row(
        "trials",
        f"{ran} run, {found.resumed} known; {found.compiled} programs compiled; "
        f"{found.seconds / 60:.1f} minutes",
    )
    grid.add_row("table", str(trials))
    return Group(Text.assemble((str(file), "bold"), f"  for {target}"), grid)
