"""Trials: what was tried and what came of it, in a table on disk that survives a kill.

One JSON object a line (`pandas.read_json(path, lines=True)` reads it), written and
synced as each trial finishes. A row belongs to one question (model, target, data);
rows of other questions in the same file are left alone.
"""

import hashlib
import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import pandas as pd

from emu.errors import DataError
from emu.jsondata import strict_json
from emu.quantize import Recipe


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """One recipe, quantized and evaluated on all of the data.

    Attributes:
        question: digest of what all trials of one search have in common.
        number: in the order of finishing, from 1.
        step: of the strategy.
        label: what is tried, for people.
        recipe: as JSON data.
        counts: whole numbers of the metric (n, top1_correct, ...).
        score: of the metric, 0 to 1.
        drop_points: 100 * (score of FP32 - score).
        integer_share, float_share: shares of the MACs, 0 to 1.
        wide_share: of the MACs with operands of more bits than the target's own.
        seconds: of wall-clock time.
    """

    question: str
    number: int
    step: str
    label: str
    recipe: Mapping[str, Any]
    counts: Mapping[str, int]
    score: float
    drop_points: float
    integer_share: float
    float_share: float
    wide_share: float
    seconds: float

    def meets(self, max_drop: float) -> bool:
        """Whether it loses at most so many points."""
        # Shares of counts: a drop of exactly the limit may be a hair above it.
        return self.drop_points <= max_drop + 1e-9


def best_of(trials: Iterable[Trial], max_drop: float) -> Trial | None:
    """The trial to take: of those within the goal the one with most integer MACs.

    Among equals fewest wide MACs, the higher score, the earlier trial. If none is
    within the goal, the one with the highest score.
    """
    tried = list(trials)
    good = [trial for trial in tried if trial.meets(max_drop)]
    if good:
        return max(
            good, key=lambda t: (t.integer_share, -t.wide_share, t.score, -t.number)
        )
    return max(tried, key=lambda t: (t.score, t.integer_share, -t.number), default=None)


def recipe_key(recipe: Recipe) -> str:
    """Digest of what a recipe says; equal for equal settings."""
    return digest(recipe_json(recipe))


def recipe_json(recipe: Recipe) -> dict[str, Any]:
    """A recipe as the JSON data that `Recipe.model_validate` reads."""
    return recipe.model_dump(mode="json", exclude_defaults=True, by_alias=True)


def digest(value: object) -> str:
    """sha256 (hex) of JSON data, whatever the order of its keys."""
    text = json.dumps(strict_json(value), sort_keys=True, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


class TrialTable:
    """The finished trials of one question, kept in a file."""

    def __init__(self, path: Path, question: str) -> None:
        """Read what is there; a line that a kill cut off is dropped.

        Raises DataError, naming the line, for a file that is no table of trials.
        """
        self.path = path
        self.question = question
        self._known: dict[str, Trial] = {}
        rows, self._sound = _read(path)
        for trial in rows:
            if trial.question == question:
                key = recipe_key(Recipe.model_validate(trial.recipe))
                self._known[key] = trial

    @property
    def trials(self) -> list[Trial]:
        """All of this question, in order."""
        return sorted(self._known.values(), key=lambda trial: trial.number)

    def find(self, recipe: Recipe) -> Trial | None:
        """The finished trial of a recipe."""
        return self._known.get(recipe_key(recipe))

    def add(self, trial: Trial) -> None:
        """Append a finished trial, on disk before this returns."""
        line = json.dumps(strict_json(asdict(trial)), allow_nan=False) + "\n"
        with self.path.open("r+b" if self.path.exists() else "w+b") as file:
            file.truncate(self._sound)
            file.seek(self._sound)
            file.write(line.encode())
            file.flush()
            os.fsync(file.fileno())
            self._sound = file.tell()
        self._known[recipe_key(Recipe.model_validate(trial.recipe))] = trial


def trial_frame(trials: Iterable[Trial]) -> pd.DataFrame:
    """One row a trial, the recipe as a JSON text."""
    rows = [{**asdict(t), "recipe": json.dumps(dict(t.recipe))} for t in trials]
    return pd.DataFrame(rows, columns=[field.name for field in fields(Trial)])


def _read(path: Path) -> tuple[list[Trial], int]:
    """The trials of a file, and the bytes of whole lines."""
    if not path.exists():
        return [], 0
    data = path.read_bytes()
    sound = data.rfind(b"\n") + 1
    trials = []
    for number, line in enumerate(data[:sound].splitlines(), 1):
        try:
            trials.append(_trial(json.loads(line)))
        except (ValueError, TypeError, KeyError) as error:
            raise DataError(
                "is no row of a table of trials", file=path, where=f"line {number}"
            ) from error
    return trials, sound


def _trial(row: dict[str, Any]) -> Trial:
    """A row whose fields have the types of a Trial."""
    Recipe.model_validate(row["recipe"])
    wanted = {"question": str, "number": int, "step": str, "label": str}
    shares = ("score", "drop_points", "integer_share", "float_share", "wide_share")
    wanted |= dict.fromkeys((*shares, "seconds"), (int, float))
    if any(not isinstance(row[name], kind) for name, kind in wanted.items()):
        raise TypeError(row)
    return Trial(**row)
