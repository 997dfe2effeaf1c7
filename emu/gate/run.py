"""run_case: one measurement, from a model file to figures of its integer program."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Final

from emu.compare import Difference, LayerReport, compare_layers
from emu.errors import ConfigError, EmuError, MissingError
from emu.evaluate import (
    Dataset,
    EvalResult,
    Kind,
    ModelEntry,
    default_target,
    evaluate_graph,
    find_dataset,
    first_rows,
    kind_of,
    lower_entry,
    model_inputs,
    quantize_entry,
)
from emu.evaluate.against import compare_against
from emu.execute import Family
from emu.gate.bits import evaluate_bits
from emu.gate.digest import BIT_SAMPLES
from emu.gate.failures import DataMissingError
from emu.gate.refusals import require_disjoint, require_limits_fit
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
from emu.graph import Graph
from emu.quantize import open_recipe
from emu.targets import find_target

# Called with (case id, stage, done, all); stages are FP32, calibrate, integer, compare.
Progress = Callable[[str, str, int, int], None]

# From the name of a stage to what moves its bar.
Stages = Callable[[str], Callable[[int, int], None] | None]

DEFAULT_TARGET: Final = "generic-int8"

# Limits for a model that is quantized already.
_ANY_MODEL: Final = frozenset({"max_lsb", "max_time_ratio"})


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
    tell = _stages(case, progress)
    key = _key(suite, case, entry, data, shared)
    return shared.recalled(
        key_of(key, known_digest, repr(draw)),
        lambda: _run(
            suite, case, entry, dataset, tell, shared, key, known_digest, draw
        ),
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


def _run(
    suite: Path,
    case: Case,
    entry: ModelEntry,
    dataset: Dataset,
    tell: Stages,
    shared: Shared,
    key: str,
    known_digest: str | None,
    draw: Before | None,
) -> CaseResult:
    start = time.monotonic()
    entry, graph = shared.opened(entry)
    require_limits_fit(suite, case, entry)
    rivals = timed_rivals(entry.file, case.limits.max_time_ratio or ())
    measure = _measure_float if kind_of(graph) is Kind.FLOAT else _measure_quantized
    found = measure(suite, case, entry, graph, dataset, tell, shared, key)
    tensors: tuple[KeptTensor, ...] = ()
    if found.digest != known_digest:
        rows = min(BIT_SAMPLES, len(dataset))
        tensors = keep_tensors(
            found.program,
            lambda size: first_rows(model_inputs(dataset, entry, size), rows),
            rows,
            shared.family,
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
        family=shared.family,
    )
    return replace(result, visuals=visuals)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Measured:
    """The part of a CaseResult that depends on the kind of model."""

    target: str | None
    quantized: EvalResult
    digest: str
    program: Graph
    calibration: str | None = None
    fp32: EvalResult | None = None
    layers: LayerReport | None = None
    against: Mapping[str, tuple[Difference, ...]] = field(default_factory=dict)


def _measure_float(
    suite: Path,
    case: Case,
    entry: ModelEntry,
    graph: Graph,
    dataset: Dataset,
    tell: Stages,
    shared: Shared,
    key: str,
) -> _Measured:
    """A float model and the program that is made of it."""
    if case.limits.max_lsb is not None:
        raise ConfigError(
            "max_lsb means nothing for a float model: no engine has its integers",
            file=suite,
            where=f"{case.id}: limits",
        )
    file = open_recipe(case_file(suite, case.recipe) if case.recipe else None)
    target = find_target(case_file(suite, case.target or DEFAULT_TARGET))
    calibration = case_calibration(suite, case, entry)
    require_disjoint(suite, case, find_dataset(calibration), dataset)
    size = case.batch_size
    recipe = file.fit(graph, size)
    data_digest = shared.digest(case_data(suite, case, entry), case.samples)
    fp32 = _evaluate_float(
        graph, entry, dataset, data_digest, size, tell("FP32"), shared
    )
    integer = shared.recalled_program(
        key_of(
            "program",
            entry.model_dump(mode="json"),
            shared.model_digest(entry.file),
            repr(target),
            repr(recipe),
            calibration,
            shared.digest(calibration),
            size,
        ),
        lambda: quantize_entry(
            entry, graph, target, recipe, calibration, size, tell("calibrate")
        ),
    )
    quantized, digest = evaluate_bits(
        integer, entry, dataset, size, tell("integer"), shared, key
    )
    return _Measured(
        target=case.target or DEFAULT_TARGET,
        calibration=case.calibration or entry.calibration,
        fp32=fp32,
        quantized=quantized,
        digest=digest,
        program=integer,
        layers=shared.recalled(
            f"{key}/layers",
            lambda: _compare(
                integer, entry, dataset, case, tell("compare"), shared.family
            ),
        ),
    )


def _measure_quantized(
    suite: Path,
    case: Case,
    entry: ModelEntry,
    graph: Graph,
    dataset: Dataset,
    tell: Stages,
    shared: Shared,
    key: str,
) -> _Measured:
    """A quantized file lowered for its target, or a program as it is."""
    stated = kind_of(graph) is Kind.STATED
    foreign = {
        "calibration": case.calibration,
        "recipe": case.recipe,
        "limits": case.limits if case.limits.stated - _ANY_MODEL else None,
        "target": None if stated else case.target,
    }
    for key, value in foreign.items():
        if value is not None:
            raise ConfigError(
                f"{key} means nothing for {entry.file.name}, which is quantized already",
                file=suite,
                where=case.id,
            )
    target = case.target
    if stated:
        target = target or default_target(entry.file)
        graph = lower_entry(entry, graph, find_target(case_file(suite, target)))
    size = case.batch_size
    quantized, digest = evaluate_bits(
        graph, entry, dataset, size, tell("integer"), shared, key
    )
    against = {
        engine: compare_against(
            graph,
            entry,
            engine,
            data=case_data(suite, case, entry),
            samples=case.compare_samples,
            batch_size=size,
        )[0].deciding
        for engine in case.limits.max_lsb or ()
    }
    return _Measured(
        target=target,
        quantized=quantized,
        digest=digest,
        program=graph,
        against=against,
    )


def _evaluate_float(
    graph: Graph,
    entry: ModelEntry,
    dataset: Dataset,
    data_digest: str,
    batch_size: int,
    progress: Callable[[int, int], None] | None,
    shared: Shared,
) -> EvalResult:
    """FP32 of a model and data, once in a run."""
    key = key_of(
        "FP32",
        entry.model_dump(mode="json"),
        shared.model_digest(entry.file),
        data_digest,
        batch_size,
    )
    if key not in shared.fp32:
        shared.fp32[key] = evaluate_graph(
            graph,
            entry,
            dataset,
            batch_size,
            progress,
            recall=shared.store.recall(key),
        )
    return shared.fp32[key]


def _compare(
    graph: Graph,
    entry: ModelEntry,
    dataset: Dataset,
    case: Case,
    progress: Callable[[int, int], None] | None,
    family: Family,
) -> LayerReport:
    done = 0

    def count(rows: int) -> None:
        nonlocal done
        done += rows
        if progress:
            progress(done, max(done, case.compare_samples))

    inputs = first_rows(
        model_inputs(dataset, entry, case.batch_size), case.compare_samples
    )
    return compare_layers(
        graph, str(entry.file), inputs, case.batch_size, case.compare, count, family
    )


def _stages(case: Case, progress: Progress | None) -> Stages:
    def stage(name: str) -> Callable[[int, int], None] | None:
        return partial(progress, case.id, name) if progress else None

    return stage
