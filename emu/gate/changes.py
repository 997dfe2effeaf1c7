"""diff_runs: what changed between two runs of a history, per layer and per sample."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from itertools import chain
from pathlib import Path
from typing import Any, Final

from emu.errors import ConfigError, MissingError
from emu.gate.history import read_contents, read_run, run_numbers

_NAMED: Final = 3

# Contents that a case's row names by their sha256.
_CONTENTS: Final = ("layers", "samples", "predictions")

# What makes a case a changed one.
_DECIDING: Final = (
    "outcome",
    "settings",
    "score",
    "counts",
    "fp32",
    "digest",
    *_CONTENTS,
)


class Turn(Enum):
    """What became of a sample.

    CHANGED: another prediction, right neither time, or of a task without right ones.
    """

    NEWLY_WRONG = "newly wrong"
    NEWLY_RIGHT = "newly right"
    CHANGED = "changed"


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerChange:
    """SQNR (dB) and cosine of a layer in both runs; None where it is not there."""

    mode: str
    name: str
    sqnr_before: float | None
    sqnr_after: float | None
    cosine_before: float | None
    cosine_after: float | None

    @property
    def size(self) -> float:
        """How much the SQNR changed, in dB; infinite for a layer that came or went."""
        before, after = self.sqnr_before, self.sqnr_after
        if before is None or after is None:
            return math.inf
        return 0.0 if before == after else abs(after - before)


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleChange:
    """A sample in both runs; `label` is the class that is right, if there is one."""

    name: str
    turn: Turn
    before: str
    after: str
    label: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseChange:
    """A case that is not in both runs what it was.

    Fields:
        before, after: its rows, as of `read_run`; None for a run without it.
        layers: those whose SQNR or cosine changed, the largest change first.
        samples: newly wrong, newly right, changed; each in the order of the data.
        unmatched: names of samples that only one of the runs has.
    """

    suite: str
    case: str
    before: Mapping[str, Any] | None
    after: Mapping[str, Any] | None
    layers: tuple[LayerChange, ...] = ()
    samples: tuple[SampleChange, ...] = ()
    unmatched: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class RunChange:
    """Two runs (rows of `run`), the cases that changed, and how many did not."""

    before: Mapping[str, Any]
    after: Mapping[str, Any]
    cases: tuple[CaseChange, ...]
    same: int


def find_run(path: Path, text: str) -> int:
    """The number of a run; -1 is the last one, -2 the one before.

    Raises:
        ConfigError: no whole number.
        MissingError: no such run; the nearest ones are named.
    """
    numbers = run_numbers(path)
    try:
        wanted = int(text)
    except ValueError as error:
        raise ConfigError(
            f"found run {text!r}, expected a number such as 12, or -1 for the last"
        ) from error
    if wanted in numbers:
        return wanted
    if -len(numbers) <= wanted < 0:
        return numbers[wanted]
    if not numbers:
        raise MissingError(f"there is no run {wanted}, nor any other", file=path)
    # What counts from the end is nearest to the first run if it reaches beyond it.
    place = wanted if wanted > 0 else numbers[0]
    near = sorted(sorted(numbers, key=lambda n: abs(n - place))[:_NAMED])
    raise MissingError(
        f"there is no run {wanted}; nearest: {', '.join(map(str, near))}", file=path
    )


def diff_runs(path: Path, before: int, after: int) -> RunChange:
    """Compare two runs of a history, case by case.

    Raises:
        MissingError: no such file or run.
        ConfigError, DataError: the file is of a newer emu, or damaged.
    """
    run_a, cases_a = read_run(path, before)
    run_b, cases_b = read_run(path, after)
    old, new = _by_case(cases_a), _by_case(cases_b)
    pairs = {key: (old.get(key), new.get(key)) for key in chain(old, new)}
    changed = {key: pair for key, pair in pairs.items() if _differ(*pair)}
    wanted = [
        row[name]
        for pair in changed.values()
        if None not in pair
        for row in pair
        if row is not None
        for name in _CONTENTS
        if row[name] is not None
    ]
    contents = read_contents(path, wanted)
    return RunChange(
        before=run_a,
        after=run_b,
        cases=tuple(
            _case_change(key, a, b, contents) for key, (a, b) in changed.items()
        ),
        same=len(pairs) - len(changed),
    )


def _by_case(
    rows: Sequence[Mapping[str, Any]],
) -> dict[tuple[str, str], Mapping[str, Any]]:
    return {(row["suite"], row["case"]): row for row in rows}


def _differ(before: Mapping[str, Any] | None, after: Mapping[str, Any] | None) -> bool:
    if before is None or after is None:
        return True
    return any(before[name] != after[name] for name in _DECIDING)


def _case_change(
    key: tuple[str, str],
    before: Mapping[str, Any] | None,
    after: Mapping[str, Any] | None,
    contents: Mapping[str, Any],
) -> CaseChange:
    suite, case = key
    if not (before and before["layers"] and after and after["layers"]):
        return CaseChange(suite=suite, case=case, before=before, after=after)
    old, new = (
        {name: contents[row[name]] for name in _CONTENTS} for row in (before, after)
    )
    samples, unmatched = _sample_changes(old, new)
    return CaseChange(
        suite=suite,
        case=case,
        before=before,
        after=after,
        layers=_layer_changes(old["layers"], new["layers"]),
        samples=samples,
        unmatched=unmatched,
    )


def _layer_changes(
    before: Mapping[str, Mapping[str, list[Any]]],
    after: Mapping[str, Mapping[str, list[Any]]],
) -> tuple[LayerChange, ...]:
    found = []
    for mode in sorted({*before, *after}):
        old, new = _figures(before.get(mode, {})), _figures(after.get(mode, {}))
        for name in dict.fromkeys(chain(old, new)):
            a, b = old.get(name, (None, None)), new.get(name, (None, None))
            if a != b:
                change = LayerChange(
                    mode=mode,
                    name=name,
                    sqnr_before=a[0],
                    sqnr_after=b[0],
                    cosine_before=a[1],
                    cosine_after=b[1],
                )
                found.append(change)
    return tuple(sorted(found, key=lambda change: -change.size))


def _figures(
    columns: Mapping[str, list[Any]],
) -> dict[str, tuple[float | None, float | None]]:
    """Layer -> SQNR and cosine; an infinite one is stored as text."""
    names = columns.get("name", [])
    figures = (
        [None if value is None else float(value) for value in columns.get(column, [])]
        for column in ("sqnr_db", "cosine")
    )
    return dict(zip(names, zip(*figures, strict=True), strict=True))


def _sample_changes(
    before: Mapping[str, Any], after: Mapping[str, Any]
) -> tuple[tuple[SampleChange, ...], tuple[str, ...]]:
    """Samples that changed, and names that only one run has; matched by name."""
    old, new = _by_sample(before), _by_sample(after)
    unmatched = tuple(
        name for name in chain(old, new) if (name in old) != (name in new)
    )
    found: dict[Turn, list[SampleChange]] = {turn: [] for turn in Turn}
    for name in (name for name in old if name in new):
        (was, label_was), (now, label) = old[name], new[name]
        turn = _turn(was, now, _right(was, label_was), _right(now, label))
        if turn is not None:
            change = SampleChange(
                name=name, turn=turn, before=was, after=now, label=label
            )
            found[turn].append(change)
    return tuple(chain.from_iterable(found.values())), unmatched


def _by_sample(stored: Mapping[str, Any]) -> dict[str, tuple[str, int | None]]:
    """Sample -> prediction and label; the second of one name gets a number."""
    ids = stored["samples"]["ids"]
    labels = stored["samples"]["labels"] or [None] * len(ids)
    found: dict[str, tuple[str, int | None]] = {}
    for place, (name, label, prediction) in enumerate(
        zip(ids, labels, stored["predictions"], strict=True)
    ):
        found[name if name not in found else f"{name} ({place})"] = (prediction, label)
    return found


def _right(prediction: str, label: int | None) -> bool:
    return label is not None and prediction == str(label)


def _turn(was: str, now: str, was_right: bool, is_right: bool) -> Turn | None:
    if was_right != is_right:
        return Turn.NEWLY_RIGHT if is_right else Turn.NEWLY_WRONG
    return Turn.CHANGED if was != now else None
