"""run_gate: suites measured, judged against baselines, and one exit code."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from emu.errors import ConfigError, EmuError
from emu.gate.baseline import (
    Baseline,
    baseline_folder,
    baseline_of,
    baseline_path,
    read_baseline,
    write_baseline,
)
from emu.gate.run import CaseResult, Progress, Shared, run_case
from emu.gate.suite import Case, Suite, read_suite
from emu.gate.verdict import (
    Judgement,
    Kind,
    Outcome,
    Verdict,
    differences,
    judge,
    judge_limits,
)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CaseOutcome:
    """All that is known of one case after a run.

    Fields:
        suite: name of the suite (the stem of its file).
        case: id of the case.
        verdicts: its judgements.
        result: what was measured; None if it could not be, or was not.
        baseline: what it was judged against, before any update; None if there is none.
        changes: differences that an update wrote, `what: old -> new`.
        error: why it could not be measured.
    """

    suite: str
    case: str
    verdicts: tuple[Verdict, ...]
    result: CaseResult | None = None
    baseline: Baseline | None = None
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
    update_baseline: bool = False,
    progress: Progress | None = None,
) -> GateResult:
    """Measure every case of the suites and judge it against its baseline.

    A case that raises an EmuError is that case's verdict; the others still run. Without
    a sound baseline a case is not measured. `update_baseline` stores what was found
    (each case as soon as it is measured) and judges only limits.

    Raises an EmuError, before anything runs, if a suite cannot be read.
    """
    if not suites:
        raise ConfigError("no suite to run")
    read = [(Path(path), read_suite(Path(path))) for path in suites]
    outcomes: list[CaseOutcome] = []
    shared = Shared()
    for path, suite in read:
        for case in suite.case:
            attempt = _update if update_baseline else _check
            try:
                outcomes.append(attempt(path, case, progress, shared))
            except EmuError as error:
                outcomes.append(_failed(path, case.id, Kind.RUN, Outcome.FAILED, error))
        outcomes += _orphans(path, suite)
    return GateResult(cases=tuple(outcomes))


def check_case(
    path: Path,
    case: Case,
    progress: Progress | None = None,
    shared: Shared | None = None,
) -> CaseOutcome:
    """Measure one case of the suite at `path` and judge it, as `run_gate` does.

    An EmuError is its verdict; `shared` is that of other cases.
    """
    try:
        return _check(path, case, progress, shared or Shared())
    except EmuError as error:
        return _failed(path, case.id, Kind.RUN, Outcome.FAILED, error)


def _check(
    path: Path, case: Case, progress: Progress | None, shared: Shared
) -> CaseOutcome:
    try:
        stored = read_baseline(baseline_path(path, case.id))
    except EmuError as error:
        return _failed(path, case.id, Kind.BASELINE, Outcome.MISSING, error)
    result = run_case(path, case, progress, shared)
    judgements = judge(baseline_of(result), stored) + judge_limits(result)
    return CaseOutcome(
        suite=path.stem,
        case=case.id,
        verdicts=_verdicts(path, case.id, judgements),
        result=result,
        baseline=stored,
    )


def _update(
    path: Path, case: Case, progress: Progress | None, shared: Shared
) -> CaseOutcome:
    file = baseline_path(path, case.id)
    stored = _accepted(file)
    result = run_case(path, case, progress, shared)
    found = baseline_of(result)
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
