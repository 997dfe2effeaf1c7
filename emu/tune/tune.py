"""tune: run a strategy's proposals until the goal is met, the budget spent, or all tried."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from enum import Enum
from types import MappingProxyType
from typing import Final

import pandas as pd

from emu.errors import ConfigError
from emu.graph import Graph
from emu.quantize import Recipe
from emu.tune.ladder import ladder, ladder_trials
from emu.tune.sensitivity import sensitivity, sensitivity_trials
from emu.tune.strategy import Most, Proposal, Search, Strategy
from emu.tune.trials import Trial, TrialTable, best_of, recipe_json, recipe_key
from emu.tune.workbench import Workbench

STRATEGIES: Final[Mapping[str, tuple[Strategy, Most]]] = MappingProxyType(
    {
        "sensitivity": (sensitivity, sensitivity_trials),
        "ladder": (ladder, ladder_trials),
    }
)

# Told after each trial: how many are finished, how many there may be, the best so far.
Progress = Callable[[int, int, Trial], None]


class Stopped(Enum):
    """Why a search ended."""

    GOAL = "goal"  # a trial meets the goal
    TRIED = "tried"  # the strategy has nothing left
    BUDGET = "budget"  # the time is up


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Tuning:
    """What a search found.

    Attributes:
        trials: all of them, in the order in which the strategy proposed them.
        best: the one to take.
        fp32: score of the float model, 0 to 1.
        max_drop: the goal, in points.
        stopped: why it ended.
        resumed: trials that the table already held.
        ranking: layers, the worst first, as the strategy found them (may be empty).
        compiled: programs that had to be compiled for the trials of this run.
        seconds: of wall-clock time of this run.
        program: of the best trial.
    """

    trials: tuple[Trial, ...]
    best: Trial
    fp32: float
    max_drop: float
    stopped: Stopped
    resumed: int
    ranking: pd.DataFrame
    compiled: int
    seconds: float
    program: Graph

    @property
    def reached(self) -> bool:
        """Whether the best trial meets the goal."""
        return self.best.meets(self.max_drop)


def tune(
    bench: Workbench,
    table: TrialTable,
    *,
    max_drop: float,
    strategy: str = "sensitivity",
    budget_minutes: float | None = None,
    progress: Progress | None = None,
) -> Tuning:
    """Search the settings that lose at most `max_drop` points of the model's metric.

    Trials that `table` holds are not run again, so a run that was killed goes on where
    it was. The budget counts this run alone and ends the search after the trial that
    exceeds it.

    Raises ConfigError if not even one trial was finished.
    """
    start = time.monotonic()
    fp32 = bench.fp32().score
    begin, most = STRATEGIES[strategy]
    steps = begin(Search(bench=bench, max_drop=max_drop))
    planned = most(bench)
    tried: dict[str, Trial] = {}
    resumed, stopped, ranking = 0, Stopped.TRIED, pd.DataFrame()
    sent: Trial | None = None
    try:
        while True:
            proposal = next(steps) if sent is None else steps.send(sent)
            known = table.find(proposal.recipe)
            sent = (
                replace(known, step=proposal.step, label=proposal.label)
                if known
                else _run(bench, table, proposal, fp32)
            )
            key = recipe_key(proposal.recipe)
            resumed += known is not None and key not in tried
            tried.setdefault(key, sent)
            best = best_of(tried.values(), max_drop)
            if progress and best:
                progress(len(tried), max(planned, len(tried)), best)
            if budget_minutes is not None:
                spent = (time.monotonic() - start) / 60
                if spent >= budget_minutes:
                    stopped = Stopped.BUDGET
                    break
    except StopIteration as end:
        ranking = end.value
    best = best_of(tried.values(), max_drop)
    if best is None:
        raise ConfigError("the strategy proposed nothing", where=strategy)
    if best.meets(max_drop):
        stopped = Stopped.GOAL
    return Tuning(
        trials=tuple(tried.values()),
        best=best,
        fp32=fp32,
        max_drop=max_drop,
        stopped=stopped,
        resumed=resumed,
        ranking=ranking,
        compiled=bench.compiled,
        seconds=time.monotonic() - start,
        program=bench.program(Recipe.model_validate(best.recipe)),
    )


def _run(bench: Workbench, table: TrialTable, proposal: Proposal, fp32: float) -> Trial:
    start = time.monotonic()
    found = bench.measure(proposal.recipe)
    trial = Trial(
        question=table.question,
        number=len(table.trials) + 1,
        step=proposal.step,
        label=proposal.label,
        recipe=recipe_json(proposal.recipe),
        counts=found.counts,
        score=found.score,
        drop_points=100 * (fp32 - found.score),
        integer_share=found.integer_share,
        float_share=found.float_share,
        wide_share=found.wide_share,
        seconds=time.monotonic() - start,
    )
    table.add(trial)
    return trial
