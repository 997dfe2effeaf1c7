"""run_gate: suites measured, judged against baselines, and one exit code."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from emu.errors import ConfigError, EmuError, MissingError
from emu.gate.baseline import (
    Baseline,
    baseline_folder,
    baseline_of,
    baseline_path,
    read_baseline,
    write_baseline,
)
from emu.gate.failures import DataMissingError, crash
from emu.gate.golden import judge_golden
from emu.gate.limits import judge_limits
from emu.gate.measure import Found, Task, measure_all, measure_one
from emu.gate.result import CaseResult
from emu.gate.run import Progress
from emu.gate.select import Selection, suite_files
from emu.gate.shared import Shared
from emu.gate.since import change_since
from emu.gate.statistics import DetectionChange, PairedChange
from emu.gate.store import Store
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
        found: what a baseline holds of it.
        baseline: what it was judged against, before any update; None if there is none.
        change: samples that were judged otherwise when the baseline was made; of a
            detector what changed, None where nothing did. None too for a model that
            reconstructs, and where the samples are others.
        changes: differences that an update wrote, `what: old -> new`.
        error: why it could not be measured.
    """

    suite: str
    case: str
    verdicts: tuple[Verdict, ...]
    result: CaseResult | None = None
    found: Baseline | None = None
    baseline: Baseline | None = None
    change: PairedChange | DetectionChange | None = None
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
    reason: str | None = None,
    jobs: int = 1,
    store: Store | None = None,
    progress: Progress | None = None,
    visuals: bool = False,
) -> GateResult:
    """Measure the chosen cases of the suites and judge each against its baseline.

    A case that raises is that case's verdict; the others still run, `jobs` at once.
    Without a sound baseline a case is not measured. With a `reason` what was found is
    accepted for it: stored, each case as soon as it is measured, where it differs; only
    limits are judged then. Of a folder its suites run. What `store` holds of an
    interrupted run is not measured again; a run that ends leaves nothing there. With
    `visuals` it is also measured what a page shows of each case.

    Raises an EmuError, before anything runs, if a suite cannot be read, no case is
    chosen or the reason is empty; and a MissingError when a baseline cannot be written.
    """
    if reason is not None and not reason.strip():
        raise ConfigError("found no reason for the new baselines")
    if not suites:
        raise ConfigError("no suite to run")
    read = [(path, read_suite(path)) for path in suite_files(list(map(Path, suites)))]
    chosen = selection.of([(path, case) for path, suite in read for case in suite.case])
    if not chosen:
        raise ConfigError("no case is chosen by -k, --tag and --shard")
    store = store or Store()
    outcomes = _outcomes(
        chosen,
        reason=reason,
        jobs=jobs,
        store=store,
        progress=progress,
        visuals=visuals,
    )
    store.forget()
    # Which baselines have no case is a question to whole suites.
    if selection == Selection():
        outcomes += [one for path, suite in read for one in _orphans(path, suite)]
    return GateResult(cases=tuple(outcomes))


def _outcomes(
    chosen: Sequence[tuple[Path, Case]],
    *,
    reason: str | None,
    jobs: int,
    store: Store,
    progress: Progress | None,
    visuals: bool,
) -> list[CaseOutcome]:
    """Of every case, in their order, whichever is ready first."""
    accept = partial(_updated, reason=" ".join((reason or "").split()))
    shared = Shared(store)
    judge_case = partial(_checked, shared=shared) if reason is None else accept
    outcomes: dict[int, CaseOutcome] = {}
    tasks: list[Task] = []
    places: list[tuple[int, Baseline | None]] = []
    for place, (path, case) in enumerate(chosen):
        try:
            stored = _stored(path, case, update=reason is not None)
        except EmuError as error:
            outcomes[place] = _without_baseline(path, case, error)
        else:
            places.append((place, stored))
            task = _task(path, case, stored, update=reason is not None)
            tasks.append(replace(task, draw=_before(stored) if visuals else None))
    for position, found in measure_all(
        tasks, shared=shared, jobs=jobs, progress=progress
    ):
        place, stored = places[position]
        path, case = chosen[place]
        outcomes[place] = _judged(judge_case, path, case, found, stored)
    return [outcomes[place] for place in range(len(chosen))]


def check_case(
    path: Path,
    case: Case,
    progress: Progress | None = None,
    shared: Shared | None = None,
) -> CaseOutcome:
    """Measure one case of the suite at `path` and judge it, as `run_gate` does.

    Whatever it raises is its verdict; `shared` is that of other cases.
    """
    try:
        stored = read_baseline(baseline_path(path, case.id))
    except EmuError as error:
        return _without_baseline(path, case, error)
    shared = shared or Shared()
    found = measure_one(_task(path, case, stored, update=False), shared, progress)
    return _judged(partial(_checked, shared=shared), path, case, found, stored)


def _stored(path: Path, case: Case, *, update: bool) -> Baseline | None:
    """What a case is judged against; a damaged one that is to be replaced is none."""
    try:
        return read_baseline(baseline_path(path, case.id))
    except EmuError:
        if update:
            return None
        raise


def _task(path: Path, case: Case, stored: Baseline | None, *, update: bool) -> Task:
    """What is to be measured of a case.

    Tensors are kept once: outputs that are equal have those of the baseline, which only
    an update may have to complete.
    """
    known = stored.digest if stored and (stored.tensors or not update) else None
    return Task(suite=path, case=case, known_digest=known)


def _before(stored: Baseline | None) -> Before:
    """What pictures are chosen by: the accepted run, if there is one."""
    if stored is None:
        return Before()
    return Before(case=stored.case, predictions=stored.predictions)


def _judged(
    judge_case: Callable[[Path, Case, CaseResult, Baseline | None], CaseOutcome],
    path: Path,
    case: Case,
    found: Found,
    stored: Baseline | None,
) -> CaseOutcome:
    if isinstance(found, DataMissingError):
        outcome = _failed(path, case.id, Kind.DATA, Outcome.MISSING, found)
    elif isinstance(found, EmuError):
        outcome = _failed(path, case.id, Kind.RUN, Outcome.FAILED, found)
    else:
        try:
            outcome = judge_case(path, case, found, stored)
        except MissingError:
            raise  # a baseline that cannot be written; no other can
        except Exception as error:  # noqa: BLE001 - a crash is this case's failure
            found = crash(error, path, case.id)
            outcome = _failed(path, case.id, Kind.RUN, Outcome.FAILED, found)
    return _as_expected(path, case, outcome)


def _without_baseline(path: Path, case: Case, error: EmuError) -> CaseOutcome:
    outcome = _failed(path, case.id, Kind.BASELINE, Outcome.MISSING, error)
    return _as_expected(path, case, outcome)


def _as_expected(path: Path, case: Case, outcome: CaseOutcome) -> CaseOutcome:
    """What failed of a case with a known failure is known; passing is its failure.

    What is missing (baseline, data, samples) stays so: nobody knows what it hides. The
    golden FP32 outputs are not the case's: no known failure explains theirs.
    """
    reason = case.known_failure
    missing = any(one.outcome is Outcome.MISSING for one in outcome.verdicts)
    if reason is None or missing:
        return outcome
    verdicts = tuple(
        replace(verdict, outcome=Outcome.KNOWN, detail=f"{verdict.detail} ({reason})")
        if verdict.outcome.exit_code and verdict.kind is not Kind.GOLDEN
        else verdict
        for verdict in outcome.verdicts
    )
    if verdicts == outcome.verdicts:
        detail = f"passes, but is listed as a known failure: {reason}"
        verdicts += _verdicts(
            path, case.id, [(Kind.KNOWN_FAILURE, Outcome.REGRESSED, detail)]
        )
    return replace(outcome, verdicts=verdicts, error=None)


def _checked(
    path: Path,
    case: Case,
    result: CaseResult,
    stored: Baseline | None,
    *,
    shared: Shared,
) -> CaseOutcome:
    if stored is None:
        raise ValueError("nothing to judge by")
    found = baseline_of(result)
    judgements = judge(found, stored, case.bands) + judge_limits(result)
    judgements += judge_golden(path, case, shared)
    return CaseOutcome(
        suite=path.stem,
        case=case.id,
        verdicts=_verdicts(path, case.id, judgements),
        result=result,
        found=found,
        baseline=stored,
        change=change_since(result, found, stored),
    )


def _updated(
    path: Path,
    case: Case,
    result: CaseResult,
    stored: Baseline | None,
    *,
    reason: str,
) -> CaseOutcome:
    file = baseline_path(path, case.id)
    found = baseline_of(result)
    if stored and not found.tensors:
        found = found.model_copy(update={"tensors": stored.tensors})
    changes = differences(found, stored)
    if stored is None:
        judgements = [(Kind.BASELINE, Outcome.ACCEPTED, "a new baseline")]
    else:
        judgements = [
            (kind, outcome if outcome is Outcome.EQUAL else Outcome.ACCEPTED, detail)
            for kind, outcome, detail in judge(found, stored, case.bands)
        ]
    if changes:
        write_baseline(file, found.model_copy(update={"reason": reason}))
        changes.append(f"reason: {reason}")
    return CaseOutcome(
        suite=path.stem,
        case=case.id,
        verdicts=_verdicts(path, case.id, judgements + judge_limits(result)),
        result=result,
        found=found,
        baseline=stored,
        changes=tuple(changes),
    )


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
