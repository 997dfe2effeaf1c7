"""What a strategy is: a generator that proposes recipes and is told what came of them."""

from collections.abc import Callable, Generator, Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar, runtime_checkable

import pandas as pd

from emu.quantize import Recipe
from emu.targets import Target
from emu.tune.trials import Trial


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """A recipe to try, as what, and in which step of the strategy."""

    step: str
    label: str
    recipe: Recipe


@runtime_checkable
class Bench(Protocol):
    """What a strategy may ask of the model beside trials."""

    target: Target

    @property
    def samples(self) -> int:
        """Calibration samples that there are."""
        ...

    @property
    def layers(self) -> Sequence[str]:
        """Layers with multiply-accumulates, in execution order."""
        ...

    @property
    def everything(self) -> Sequence[str]:
        """All layers, in execution order."""
        ...

    def around(self, layer: str) -> Sequence[str]:
        """The layers that make the result and the computed operands of a layer."""
        ...

    def prepare(self, recipes: Iterable[Recipe]) -> None:
        """Announce recipes: what they need of the data is collected in one go."""
        ...

    def rank(self, recipe: Recipe) -> pd.DataFrame:
        """Every layer alone on golden inputs: columns name, op, sqnr_db, cosine."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """What a search is about: the model at hand and the points that may be lost."""

    bench: Bench
    max_drop: float


_Value = TypeVar("_Value")

# A part of a strategy: it proposes, and is sent the trial of each proposal.
Steps = Generator[Proposal, Trial, _Value]
# The value of a whole one is the ranking of the layers, the worst first (it may be
# empty): columns name, op, sqnr_db, cosine, and gain_points where it was measured.
Strategy = Callable[[Search], Steps[pd.DataFrame]]
# How many trials a strategy may take at most (about), for progress bars.
Most = Callable[[Bench], int]
