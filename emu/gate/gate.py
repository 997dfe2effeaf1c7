"""run_gate: suites measured, judged against baselines, and one exit code."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np

from emu.errors import ConfigError, EmuError
from emu.evaluate import ClassifyResult
from emu.gate.baseline import (
    Baseline,
    baseline_folder,
    baseline_of,
    baseline_path,
    read_baseline,
    write_baseline,
)
from emu.gate.limits import judge_limits
from emu.gate.run import CaseResult, DataMissingError, Progress, Shared, run_case
from emu.gate.select import Selection, suite_files
from emu.gate.statistics import PairedChange, paired_change
from emu.gate.suite import Case, Suite, read_suite
from emu.gate.verdict import (
    Judgement,
    Kind,
    Outcome,
    Verdict,
    differences,
    judge,
)
from emu.gate.visuals import Before


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CaseOutcome:
    """All that is known of one case after a run.

    Fields:
        suite: name of the suite (the stem of its file).
        case: id of the case.
        verdicts: its judgements.
        result: what was measured; None if it could not be, or was not.
        baseline: what it was judged against, before any update; None if there is none.
        change: samples that were judged otherwise when the baseline was made; None
            without classes, or where the samples are others.
        changes: differences that an update wrote, `what: old -> new`.
        error: why it could not be measured.
    """

    suite: str
    case: str
    verdicts: tuple[Verdict, ...]
    result: CaseResult | None = None
    baseline: Baseline | None = None
    change: PairedChange | None = None
    changes: tuple[str, ...] = ()
    error: EmuError | None = None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class GateResult:
    """The outcomes of all cases, in the order of the suites."""

    cases: tuple[CaseOutcome, ...]

    @property
    def verdicts(self) -> tuple[Verdict, ...]:
        """Of all cases."""
        return tuple(verdict for case in self.cases for verdict in case.verdicts)

    @property
    def exit_code(self) -> int:
        """0 all equal or within limits, 1 any changed, 2 any could not be judged."""
        return max(verdict.outcome.exit_code for verdict in self.verdicts)

    @property
    def changes(self) -> tuple[str, ...]:
        """What an update wrote, one line for each difference."""
        return tuple(
            f"{case.suite}/{case.case}: {line}"
            for case in self.cases
            for line in case.changes
        )

    @property
    def errors(self) -> tuple[EmuError, ...]:
        """Why cases could not be measured or judged."""
        return tuple(case.error for case in self.cases if case.error)


def run_gate(
    suites: Sequence[Path],
    *,
    selection: Selection = Selection(),  # noqa: B008 - frozen
    update_baseline: bool = False,
    progress: Progress | None = None,
    visuals: bool = False,
) -> GateResult:
    """Measure the chosen cases of the suites and judge each against its baseline.

    A case that raises is that case's verdict; the others still run. Without a sound
    baseline a case is not measured. `update_baseline` stores what was found (each case
    as soon as it is measured) and judges only limits. Of a folder its suites run.
    With `visuals` it is also measured what a page shows of each case.

    Raises an EmuError, before anything runs, if a suite cannot be read or no case is
    chosen.
    """
    if not suites:
        raise ConfigError("no suite to run")
    read = [(path, read_suite(path)) for path in suite_files(list(map(Path, suites)))]
    chosen = selection.of([(path, case) for path, suite in read for case in suite.case])
    if not chosen:
        raise ConfigError("no case is chosen by -k, --tag and --shard")
    attempt = partial(_update if update_baseline else _check, visuals=visuals)
    shared = Shared()
    outcomes = [
        _as_expected(path, case, _attempted(attempt, path, case, progress, shared))
        for path, case in chosen
    ]
    # Which baselines have no case is a question to whole suites.
    if selection == Selection():
        outcomes += [one for path, suite in read for one in _orphans(path, suite)]
    return GateResult(cases=tuple(outcomes))


def _attempted(
    attempt: Callable[[Path, Case, Progress | None, Shared], CaseOutcome],
    path: Path,
    case: Case,
    progress: Progress | None,
    shared: Shared,
) -> CaseOutcome:
    try:
        return attempt(path, case, progress, shared)
    except DataMissingError as error:
        return _failed(path, case.id, Kind.DATA, Outcome.MISSING, error)
    except EmuError as error:
        return _failed(path, case.id, Kind.RUN, Outcome.FAILED, error)
    except Exception as error:  # noqa: BLE001 - a crash is this case's failure
        line = " ".join(f"{type(error).__name__}: {error}".split())
        crash = EmuError(f"crashed: {line}", file=path, where=case.id)
        return _failed(path, case.id, Kind.RUN, Outcome.FAILED, crash)


def _as_expected(path: Path, case: Case, outcome: CaseOutcome) -> CaseOutcome:
    """What failed of a case with a known failure is known; passing is its failure.

    What is missing (baseline, data, samples) stays so: nobody knows what it hides.
    """
    reason = case.known_failure
    missing = any(one.outcome is Outcome.MISSING for one in outcome.verdicts)
    if reason is None or missing:
        return outcome
    verdicts = tuple(
        replace(verdict, outcome=Outcome.KNOWN, detail=f"{verdict.detail} ({reason})")
        if verdict.outcome.exit_code
        else verdict
        for verdict in outcome.verdicts
    )
    if verdicts == outcome.verdicts:
        detail = f"passes, but is listed as a known failure: {reason}"
        verdicts += _verdicts(
            path, case.id, [(Kind.KNOWN_FAILURE, Outcome.REGRESSED, detail)]
        )
    return replace(outcome, verdicts=verdicts, error=None)


def check_case(
    path: Path,
    case: Case,
    progress: Progress | None = None,
    shared: Shared | None = None,
) -> CaseOutcome:
    """Measure one case of the suite at `path` and judge it, as `run_gate` does.

    Whatever it raises is its verdict; `shared` is that of other cases.
    """
    found = _attempted(_check, path, case, progress, shared or Shared())
    return _as_expected(path, case, found)


def _check(
    path: Path,
    case: Case,
    progress: Progress | None,
    shared: Shared,
    *,
    visuals: bool = False,
) -> CaseOutcome:
    try:
        stored = read_baseline(baseline_path(path, case.id))
    except EmuError as error:
        return _failed(path, case.id, Kind.BASELINE, Outcome.MISSING, error)
    draw = _before(stored) if visuals else None
    result = run_case(path, case, progress, shared, stored.digest, draw)
    judgements = judge(baseline_of(result), stored) + judge_limits(result)
    return CaseOutcome(
        suite=path.stem,
        case=case.id,
        verdicts=_verdicts(path, case.id, judgements),
        result=result,
        baseline=stored,
        change=_change(result, stored),
    )


def _update(
    path: Path,
    case: Case,
    progress: Progress | None,
    shared: Shared,
    *,
    visuals: bool = False,
) -> CaseOutcome:
    file = baseline_path(path, case.id)
    stored = _accepted(file)
    # Tensors are kept once; equal outputs have those of the baseline.
    known = stored.digest if stored and stored.tensors else None
    draw = _before(stored) if visuals else None
    result = run_case(path, case, progress, shared, known, draw)
    found = baseline_of(result)
    if stored and not found.tensors:
        found = found.model_copy(update={"tensors": stored.tensors})
    changes = differences(found, stored)
    if stored is None:
        judgements = [(Kind.BASELINE, Outcome.ACCEPTED, "a new baseline")]
    else:
        judgements = [
            (kind, outcome if outcome is Outcome.EQUAL else Outcome.ACCEPTED, detail)
            for kind, outcome, detail in judge(found, stored)
        ]
    if changes:
        write_baseline(file, found)
    return CaseOutcome(
        suite=path.stem,
        case=case.id,
        verdicts=_verdicts(path, case.id, judgements + judge_limits(result)),
        result=result,
        baseline=stored,
        changes=tuple(changes),
    )


def _change(result: CaseResult, stored: Baseline) -> PairedChange | None:
    """What changed since the baseline, if it was made of the same samples."""
    found = result.quantized
    same = all(
        stored.case.get(key) == result.identity.get(key) for key in ("data", "samples")
    )
    if not same or not isinstance(found, ClassifyResult):
        return None
    before = np.array(" ".join(stored.predictions).split(), np.int64)
    if len(before) != len(found.predictions):
        return None
    right = found.predictions == found.labels
    return paired_change(found.ids, before == found.labels, right)


def _before(stored: Baseline | None) -> Before:
    """What pictures are chosen by: the accepted run, if there is one."""
    if stored is None:
        return Before()
    return Before(case=stored.case, predictions=stored.predictions)


def _accepted(file: Path) -> Baseline | None:
    """The baseline to be replaced; a damaged one counts as none."""
    try:
        return read_baseline(file)
    except EmuError:
        return None


def _failed(
    path: Path, case: str, kind: Kind, outcome: Outcome, error: EmuError
) -> CaseOutcome:
    verdicts = _verdicts(path, case, [(kind, outcome, str(error))])
    return CaseOutcome(suite=path.stem, case=case, verdicts=verdicts, error=error)


def _orphans(path: Path, suite: Suite) -> list[CaseOutcome]:
    """Baselines whose case is gone: nobody would notice that nothing checks them."""
    cases = {case.id for case in suite.case}
    found = []
    for file in sorted(baseline_folder(path).glob("*.json")):
        if file.stem not in cases:
            error = ConfigError(
                f"no case of {path} has this id; bring it back or remove the baseline",
                file=file,
            )
            found.append(
                _failed(path, file.stem, Kind.BASELINE, Outcome.MISSING, error)
            )
    return found


def _verdicts(
    path: Path, case: str, judgements: Sequence[Judgement]
) -> tuple[Verdict, ...]:
    return tuple(
        Verdict(suite=path.stem, case=case, kind=kind, outcome=outcome, detail=detail)
        for kind, outcome, detail in judgements
    )
