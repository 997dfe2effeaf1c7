"""A bench without a model: scores come from a function of the recipe."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

import pandas as pd

from emu.quantize import Recipe
from emu.targets import Target, find_target
from emu.tune import Proposal, Search, Strategy, Trial
from emu.tune.trials import recipe_json

LAYERS = ("a", "b", "c", "d", "e")


@dataclass
class PaperBench:
    """Layers of equal MACs; `order` is the ranking, the worst first."""

    target: Target = field(default_factory=lambda: find_target("ascend-310"))
    samples: int = 64
    layers: Sequence[str] = LAYERS
    order: Sequence[str] = ("c", "a", "e", "b", "d")

    @property
    def everything(self) -> Sequence[str]:
        return (*self.layers, "softmax")

    def around(self, layer: str) -> Sequence[str]:
        return [layer]

    def prepare(self, recipes: Iterable[Recipe]) -> None:
        for _ in recipes:
            pass

    def rank(self, recipe: Recipe) -> pd.DataFrame:
        rows = enumerate(self.order)
        return pd.DataFrame(
            [
                {"name": name, "op": "Conv", "sqnr_db": 10.0 + i, "cosine": 0.9}
                for i, name in rows
            ]
        )


def climb(
    strategy: Strategy,
    drop: Callable[[Recipe], float],
    *,
    max_drop: float = 0.5,
    bench: PaperBench | None = None,
) -> tuple[list[tuple[Proposal, Trial]], pd.DataFrame]:
    """All proposals with their trials, and the ranking at the end."""
    bench = bench or PaperBench()
    steps = strategy(Search(bench=bench, max_drop=max_drop))
    done: list[tuple[Proposal, Trial]] = []
    try:
        proposal = next(steps)
        while True:
            trial = paper_trial(proposal, drop(proposal.recipe), len(done) + 1, bench)
            done.append((proposal, trial))
            proposal = steps.send(trial)
    except StopIteration as end:
        return done, end.value


def paper_trial(
    proposal: Proposal, drop: float, number: int, bench: PaperBench
) -> Trial:
    excluded = set(proposal.recipe.exclude) & set(bench.layers)
    share = len(excluded) / len(bench.layers)
    wide = [n for n, s in proposal.recipe.layer.items() if s.activation_bits == 16]
    return Trial(
        question="paper",
        number=number,
        step=proposal.step,
        label=proposal.label,
        recipe=recipe_json(proposal.recipe),
        counts={"n": 1000, "top1_correct": 900},
        score=0.9 - drop / 100,
        drop_points=drop,
        integer_share=1 - share,
        float_share=share,
        wide_share=len(wide) / len(bench.layers),
        seconds=1.0,
    )
