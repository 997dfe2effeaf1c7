"""run_case: one measurement, from a model file to figures of its integer program."""

import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

from emu.errors import EmuError, MissingError
from emu.evaluate import ModelEntry, find_dataset, first_rows, model_inputs
from emu.gate.digest import BIT_SAMPLES
from emu.gate.failures import DataMissingError
from emu.gate.figures import DEFAULT_TARGET, Asked, Stages, figures_of
from emu.gate.refusals import require_limits_fit
from emu.gate.result import CaseResult
from emu.gate.shared import Shared, key_of, package_versions
from emu.gate.subset import choose_samples
from emu.gate.suite import (
    Case,
    case_calibration,
    case_data,
    case_file,
    case_model,
)
from emu.gate.tensors import KeptTensor, keep_tensors
from emu.gate.time_ratio import time_ratios, timed_rivals
from emu.gate.visuals import Before, measure_visuals
from emu.quantize import open_recipe
from emu.targets import find_target

# Called with (case id, stage, done, all); stages are FP32, calibrate, integer, compare.
Progress = Callable[[str, str, int, int], None]


def run_case(
    suite: Path,
    case: Case,
    progress: Progress | None = None,
    shared: Shared | None = None,
    known_digest: str | None = None,
    draw: Before | None = None,
) -> CaseResult:
    """Measure a case of the suite at `suite`; `shared` is that of other cases.

    Unless the outputs have the `known_digest`, some integers of every layer are kept.
    With `draw` it is measured too what a page shows, beside that earlier run.

    Raises an EmuError for whatever cannot be found, read or run, and if a sample is
    both calibrated on and evaluated.
    """
    entry = case_model(suite, case)
    try:
        data = case_data(suite, case, entry)
        dataset = find_dataset(data)
    except MissingError as error:
        raise DataMissingError(
            error.message, file=error.file, where=error.where
        ) from error
    if case.samples is not None:
        dataset = choose_samples(dataset, case.samples)
    shared = shared or Shared()
    key = _key(suite, case, entry, data, shared)
    asked = Asked(
        suite=suite,
        case=case,
        entry=entry,
        dataset=dataset,
        tell=_stages(case, progress),
        shared=shared,
        key=key,
    )
    return shared.recalled(
        key_of(key, known_digest, repr(draw)), lambda: _run(asked, known_digest, draw)
    )


def _key(
    suite: Path,
    case: Case,
    entry: ModelEntry,
    data: str,
    shared: Shared,
) -> str:
    """All that figures and integers of the case depend on."""
    calibration = case.calibration or entry.calibration
    recipe, target = case.recipe, case.target or DEFAULT_TARGET
    return key_of(
        case.model_dump(mode="json"),
        entry.model_dump(mode="json"),
        _told(lambda: shared.model_digest(entry.file)),
        shared.digest(data, case.samples),
        calibration
        and _told(lambda: shared.digest(case_calibration(suite, case, entry))),
        recipe and _told(lambda: repr(open_recipe(case_file(suite, recipe)))),
        _told(lambda: repr(find_target(case_file(suite, target)))),
    )


def _told(read: Callable[[], str]) -> str:
    """What is read; or why it cannot be, which is an error only where it is needed."""
    try:
        return read()
    except EmuError as error:
        return str(error)


def _run(asked: Asked, known_digest: str | None, draw: Before | None) -> CaseResult:
    start = time.monotonic()
    case, dataset, family = asked.case, asked.dataset, asked.shared.family
    entry, graph = asked.shared.opened(asked.entry)
    require_limits_fit(asked.suite, case, entry)
    rivals = timed_rivals(entry.file, case.limits.max_time_ratio or ())
    found = figures_of(replace(asked, entry=entry), graph)
    tensors: tuple[KeptTensor, ...] = ()
    if found.digest != known_digest:
        rows = min(BIT_SAMPLES, len(dataset))
        tensors = keep_tensors(
            found.program,
            lambda size: first_rows(model_inputs(dataset, entry, size), rows),
            rows,
            family,
        )
    result = CaseResult(
        case=case,
        data=case.data or entry.data or "",
        calibration=found.calibration,
        target=found.target,
        fp32=found.fp32,
        quantized=found.quantized,
        layers=found.layers,
        digest=found.digest,
        tensors=tensors,
        against=found.against,
        versions=package_versions(),
        seconds=time.monotonic() - start,
        time_ratios=time_ratios(found.program, rivals, case.batch_size),
    )
    if draw is None:
        return result
    visuals = measure_visuals(
        found.program,
        entry,
        dataset,
        quantized=found.quantized,
        fp32=found.fp32,
        layers=found.layers,
        before=draw,
        identity=result.identity,
        family=family,
    )
    return replace(result, visuals=visuals)


def _stages(case: Case, progress: Progress | None) -> Stages:
    def stage(name: str) -> Callable[[int, int], None] | None:
        return partial(progress, case.id, name) if progress else None

    return stage
