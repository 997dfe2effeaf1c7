"""Suites as pytest sees them: a file, its cases, an item for each verdict.

suites/digits.toml::digits-int8::accuracy    also bit, limit where one is set, and
                                             golden where the model has a recording
suites/digits.toml::digits-int8::layer[conv1]
suites/digits.toml::digits-int8::layers      no layer that the baseline lacks
suites/digits.toml::digits-int8::baseline    only where it is missing or damaged
"""

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, Final

import pytest

from emu.errors import EmuError
from emu.gate import (
    Bands,
    Baseline,
    Case,
    CaseOutcome,
    Kind,
    LayerFigures,
    Limits,
    Shared,
    Suite,
    baseline_folder,
    baseline_of,
    baseline_path,
    check_case,
    has_recording,
    judge,
    read_baseline,
    read_suite,
)
from emu.pytest_plugin.session import results_folder
from emu.pytest_plugin.sharing import shared_record

SHARED: Final = pytest.StashKey[Shared]()

_FIGURES: Final = ("sqnr_db", "cosine", "max_lsb", "differing", "acc_overflows")

# What a case gave, as JSON:
#   verdicts: a list of [kind, outcome, detail, whether it fails]
#   layers: name -> why it fails, "" if it does not; the name "" for layers that the
#       baseline lacks
Record = dict[str, Any]

# Why a check fails; "" if it does not.
Check = Callable[[], str]


class SuiteFile(pytest.File):
    """A suite."""

    def collect(self) -> Iterator["CaseNode"]:
        """Its cases, then baselines whose case is gone."""
        suite = self._read()
        for case in suite.case:
            yield CaseNode.from_parent(self, name=case.id, case=case)
        known = {case.id for case in suite.case}
        for file in sorted(baseline_folder(self.path).glob("*.json")):
            if file.stem not in known:
                yield CaseNode.from_parent(self, name=file.stem, case=None)

    def _read(self) -> Suite:
        try:
            return read_suite(self.path)
        except EmuError as error:
            raise self.CollectError(str(error)) from error


class CaseNode(pytest.Collector):
    """A case of a suite; None for a baseline whose case is gone."""

    def __init__(self, *, case: Case | None, **options: Any) -> None:  # noqa: ANN401 - pytest's
        """Keep the case; workers of `--dist loadgroup` get it as a whole."""
        super().__init__(**options)
        self.case = case
        if case:
            self.extra_keyword_matches.update(case.tags)
        if self.config.pluginmanager.hasplugin("xdist"):
            group = f"{self.path.stem}-{self.name}"
            self.add_marker(pytest.mark.xdist_group(name=group))

    def collect(self) -> Iterator["VerdictItem"]:
        """An item for each verdict that its baseline makes possible."""
        for name, check in self._checks().items():
            yield VerdictItem.from_parent(self, name=name, check=check)

    def _checks(self) -> dict[str, Check]:
        file = baseline_path(self.path, self.name)
        if self.case is None:
            reason = f"no case of {self.path} has this id; bring it back or remove it"
            return {"baseline": lambda: f"baseline without a case: {file}: {reason}"}
        try:
            stored = read_baseline(file)
        except EmuError as error:
            line = f"missing baseline: {error}"
            return {"baseline": lambda: line}
        record = partial(self._record, self.case, stored)
        names = _layer_names(stored)
        items = [Kind.ACCURACY, Kind.BIT]
        if self.case.limits != Limits():
            items.append(Kind.LIMIT)
        if has_recording(self.path, self.case):
            items.append(Kind.GOLDEN)
        others = {*items, *([Kind.LAYER] if names else [])}
        checks: dict[str, Check] = {
            kind.value: lambda kind=kind: _failures(record(), others - {kind})
            for kind in items
        }
        for name in names:
            checks[f"layer[{name}]"] = lambda name=name: _layer(record(), name)
        if names:
            checks["layers"] = lambda: _layer(record(), "")
        return checks

    def _record(self, case: Case, stored: Baseline) -> Record:
        """What the case gave; measured by the first item of it that runs anywhere."""
        shared = self.config.stash.setdefault(SHARED, Shared())

        def measure() -> Record:
            outcome = check_case(self.path, case, shared=shared)
            return record_of(outcome, stored, case.bands)

        folder = results_folder(self.config)
        return shared_record(folder, self.path, case.id, measure)


class VerdictItem(pytest.Item):
    """One verdict of one case."""

    def __init__(self, *, check: Check, **options: Any) -> None:  # noqa: ANN401 - pytest's
        """Keep what decides."""
        super().__init__(**options)
        self.check = check

    def runtest(self) -> None:
        """Fail with what people need to read, without a traceback."""
        if why := self.check():
            pytest.fail(why, pytrace=False)

    def reportinfo(self) -> tuple[Path, None, str]:
        """How a failure is headed."""
        case = self.parent.name if self.parent else ""
        return self.path, None, f"{case}::{self.name}"


def record_of(outcome: CaseOutcome, stored: Baseline, bands: Bands) -> Record:
    """All that the items of a case ask for."""
    layers: dict[str, str] = {}
    if outcome.result is not None:
        found = outcome.found or baseline_of(outcome.result)
        for name in _layer_names(stored):
            chosen = partial(_only, wanted={name})
            layers[name] = _judge_layers(chosen(found), chosen(stored), bands)
        fresh = set(_layer_names(found)) - set(_layer_names(stored))
        layers[""] = _judge_layers(_only(found, fresh), _only(stored, fresh), bands)
    verdicts = [
        [v.kind.value, v.outcome.value, v.detail, v.outcome.exit_code > 0]
        for v in outcome.verdicts
    ]
    return {"verdicts": verdicts, "layers": layers}


def _failures(record: Record, others: set[Kind]) -> str:
    """Failing verdicts but those of `others`, which have items of their own."""
    elsewhere = {kind.value for kind in others}
    return "\n".join(
        f"{kind} {outcome}: {detail}"
        for kind, outcome, detail, fails in record["verdicts"]
        if fails and kind not in elsewhere
    )


def _layer(record: Record, name: str) -> str:
    """Why a layer fails; whatever fails if the case could not be measured."""
    judged = [fails for kind, *_, fails in record["verdicts"] if kind == "layer"]
    if not judged:
        return _failures(record, set())
    return record["layers"][name] if any(judged) else ""


def _judge_layers(found: Baseline, stored: Baseline, bands: Bands) -> str:
    """The gate's own verdict on the layers in two baselines, with their figures."""
    lines = [
        f"{kind.value} {outcome.value}: {detail}"
        for kind, outcome, detail in judge(found, stored, bands)
        if kind is Kind.LAYER and outcome.exit_code
    ]
    if not lines:
        return ""
    for mode in stored.layers:
        pairs = zip(stored.layers[mode], found.layers.get(mode, ()), strict=False)
        for before, now in pairs:
            lines += _figures(mode, before, now)
    return "\n".join(lines)


def _figures(mode: str, before: LayerFigures, now: LayerFigures) -> list[str]:
    lines = [f"  {mode:<14}{'baseline':>12}{'now':>12}"]
    for key in _FIGURES:
        old, new = getattr(before, key), getattr(now, key)
        lines.append(f"  {key:<14}{old:>12.6g}{new:>12.6g}")
    return lines


def _only(baseline: Baseline, wanted: set[str]) -> Baseline:
    """The baseline with no other layers."""
    layers = {
        mode: tuple(row for row in rows if row.name in wanted)
        for mode, rows in baseline.layers.items()
    }
    return baseline.model_copy(update={"layers": layers})


def _layer_names(baseline: Baseline) -> list[str]:
    rows = (row.name for rows in baseline.layers.values() for row in rows)
    return list(dict.fromkeys(rows))
