"""run_case: one measurement, from a model file to figures of its integer program."""

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from importlib import metadata
from pathlib import Path
from typing import Final

import numpy as np
from jaxtyping import Bool

from emu.compare import Difference, LayerReport, compare_layers
from emu.errors import ConfigError, MissingError
from emu.evaluate import (
    ClassifyResult,
    Dataset,
    EvalResult,
    Kind,
    ModelEntry,
    Pairs,
    default_target,
    evaluate_graph,
    find_dataset,
    first_rows,
    kind_of,
    lower_entry,
    model_inputs,
    open_model,
    paired,
    quantize_entry,
)
from emu.evaluate.against import compare_against
from emu.execute import Family
from emu.gate.digest import BIT_SAMPLES, BitDigest, integer_outputs
from emu.gate.refusals import require_disjoint, require_limits_fit
from emu.gate.subset import Choice, Samples, choose_samples
from emu.gate.suite import (
    Case,
    case_calibration,
    case_data,
    case_file,
    case_model,
)
from emu.gate.tensors import KeptTensor, keep_tensors
from emu.gate.visuals import Before, Visuals, measure_visuals
from emu.graph import Graph
from emu.quantize import open_recipe
from emu.targets import find_target

# Called with (case id, stage, done, all); stages are FP32, calibrate, integer, compare.
Progress = Callable[[str, str, int, int], None]

# Names of samples, and whether FP32 and the program are right.
Rows = tuple[tuple[str, ...], Bool[np.ndarray, " n"], Bool[np.ndarray, " n"]]

# From the name of a stage to what moves its bar.
Stages = Callable[[str], Callable[[int, int], None] | None]

DEFAULT_TARGET: Final = "generic-int8"

_PACKAGES: Final = ("emu", "jax", "numpy", "onnxruntime")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CaseResult:
    """What was measured of a case.

    Fields:
        case: as the suite says it.
        data, calibration: references after the defaults of the model's entry.
        target: that the program is for; None for one that needs none.
        fp32, quantized: of the float model and of the integer program.
        layers: every layer against golden FP32, cumulative and isolated.
        tensors: some integers of every layer; none where the digest was known.
        against: engine -> what a limit on LSBs compares with it, tensor by tensor.
        (`calibration`, `fp32` and `layers` are None for a model that is quantized
        already.)
        digest: sha256 of the integer outputs over the first 64 rows.
        versions: of emu and what it stands on; for information.
        seconds: of wall-clock time.
        visuals: what a page draws of it; None unless that was asked for.
    """

    case: Case
    data: str
    calibration: str | None
    target: str | None
    fp32: EvalResult | None
    quantized: EvalResult
    layers: LayerReport | None
    digest: str
    versions: dict[str, str]
    seconds: float
    tensors: tuple[KeptTensor, ...] = ()
    against: Mapping[str, tuple[Difference, ...]] = field(default_factory=dict)
    visuals: Visuals | None = None

    @property
    def rows(self) -> Rows | None:
        """Names, and whether FP32 and the program are right; None without classes."""
        fp32, quantized = self.fp32, self.quantized
        if isinstance(fp32, ClassifyResult) and isinstance(quantized, ClassifyResult):
            labels = fp32.labels
            right = (fp32.predictions == labels, quantized.predictions == labels)
            return quantized.ids, *right
        return None

    @property
    def pairs(self) -> Pairs | None:
        """Samples that FP32 and the program judge differently; None without classes."""
        fp32, quantized = self.fp32, self.quantized
        if isinstance(fp32, ClassifyResult) and isinstance(quantized, ClassifyResult):
            return paired(fp32.labels, fp32.predictions, quantized.predictions)
        return None

    @property
    def identity(self) -> dict[str, str | None]:
        """What was asked for: model, data, calibration, target, recipe, samples."""
        chosen = self.case.samples
        part = {} if chosen is None else {"samples": _said(chosen)}
        return {
            **part,
            "model": self.case.model,
            "data": self.data,
            "calibration": self.calibration,
            "target": self.target,
            "recipe": self.case.recipe,
        }


def _said(samples: Samples) -> str:
    """A part of the data as a suite says it, as JSON."""
    said = samples.model_dump() if isinstance(samples, Choice) else samples
    return json.dumps(said)


class DataMissingError(MissingError):
    """The data that a case evaluates is not there."""


class Shared:
    """What the cases of one run have in common, so that it is done once.

    FP32 is the same for every target and recipe; programs of one structure share code.
    """

    def __init__(self) -> None:
        """Nothing known."""
        self.fp32: dict[tuple[str, str], EvalResult] = {}
        self.family = Family()


def package_versions() -> dict[str, str]:
    """Versions of emu and of what it stands on."""
    return {package: metadata.version(package) for package in _PACKAGES}


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
    start = time.monotonic()
    entry, graph = open_model(case_model(suite, case))
    require_limits_fit(suite, case, entry)
    try:
        dataset = find_dataset(case_data(suite, case, entry))
    except MissingError as error:
        raise DataMissingError(
            error.message, file=error.file, where=error.where
        ) from error
    if case.samples is not None:
        dataset = choose_samples(dataset, case.samples)
    measure = _measure_float if kind_of(graph) is Kind.FLOAT else _measure_quantized
    tell = _stages(case, progress)
    shared = shared or Shared()
    found = measure(suite, case, entry, graph, dataset, tell, shared)
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
    key = (entry.model_dump_json(), dataset.digest())
    if key not in shared.fp32:
        shared.fp32[key] = evaluate_graph(graph, entry, dataset, size, tell("FP32"))
    integer = quantize_entry(
        entry, graph, target, recipe, calibration, size, tell("calibrate")
    )
    quantized, digest = _evaluate_bits(
        integer, entry, dataset, size, tell("integer"), shared.family
    )
    return _Measured(
        target=case.target or DEFAULT_TARGET,
        calibration=case.calibration or entry.calibration,
        fp32=shared.fp32[key],
        quantized=quantized,
        digest=digest,
        program=integer,
        layers=_compare(integer, entry, dataset, case, tell("compare"), shared.family),
    )


def _measure_quantized(
    suite: Path,
    case: Case,
    entry: ModelEntry,
    graph: Graph,
    dataset: Dataset,
    tell: Stages,
    shared: Shared,
) -> _Measured:
    """A quantized file lowered for its target, or a program as it is."""
    stated = kind_of(graph) is Kind.STATED
    foreign = {
        "calibration": case.calibration,
        "recipe": case.recipe,
        "limits": case.limits if case.limits.stated - {"max_lsb"} else None,
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
    quantized, digest = _evaluate_bits(
        graph, entry, dataset, size, tell("integer"), shared.family
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


def _evaluate_bits(
    graph: Graph,
    entry: ModelEntry,
    dataset: Dataset,
    batch_size: int,
    progress: Callable[[int, int], None] | None,
    family: Family,
) -> tuple[EvalResult, str]:
    """Evaluate and digest in one pass with one compiled program."""
    tensors = integer_outputs(graph)
    digest = BitDigest(tensors)
    result = evaluate_graph(
        graph,
        entry,
        dataset,
        batch_size,
        progress,
        taps=tensors,
        watch=digest.add,
        family=family,
    )
    return result, digest.hexdigest()


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
