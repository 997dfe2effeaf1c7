"""figures_of: what is measured of one case, of a float model or of a quantized one."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from emu.compare import Difference, LayerReport, compare_layers
from emu.errors import ConfigError
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
from emu.evaluate.feeds import counting
from emu.gate.bits import evaluate_bits
from emu.gate.refusals import require_disjoint
from emu.gate.shared import Shared, key_of
from emu.gate.suite import Case, case_calibration, case_data, case_file
from emu.graph import Graph
from emu.quantize import open_recipe
from emu.targets import find_target

# From the name of a stage (FP32, calibrate, integer, compare) to what moves its bar.
Stages = Callable[[str], Callable[[int, int], None] | None]

DEFAULT_TARGET: Final = "generic-int8"

# Limits for a model that is quantized already.
_ANY_MODEL: Final = frozenset({"max_lsb", "max_time_ratio"})


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Asked:
    """A case, with what its names lead to.

    Fields:
        suite: the file that it is of.
        entry: the model, as it was opened.
        dataset: the samples that it is evaluated on.
        shared: what it has in common with other cases.
        key: of all that figures and integers of the case depend on.
    """

    suite: Path
    case: Case
    entry: ModelEntry
    dataset: Dataset
    tell: Stages
    shared: Shared
    key: str


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Figures:
    """The part of a CaseResult that depends on the kind of model, and its program."""

    target: str | None
    quantized: EvalResult
    digest: str
    program: Graph
    calibration: str | None = None
    fp32: EvalResult | None = None
    layers: LayerReport | None = None
    against: Mapping[str, tuple[Difference, ...]] = field(default_factory=dict)


def figures_of(asked: Asked, graph: Graph) -> Figures:
    """Measure a case of the model `graph`.

    Raises ConfigError for settings that mean nothing for its kind of model, and if a
    sample is both calibrated on and evaluated.
    """
    float_model = kind_of(graph) is Kind.FLOAT
    return (_of_float if float_model else _of_quantized)(asked, graph)


def _of_float(asked: Asked, graph: Graph) -> Figures:
    """A float model and the program that is made of it."""
    suite, case, entry, shared = asked.suite, asked.case, asked.entry, asked.shared
    if case.limits.max_lsb is not None:
        raise ConfigError(
            "max_lsb means nothing for a float model: no engine has its integers",
            file=suite,
            where=f"{case.id}: limits",
        )
    fp32 = _fp32(asked, graph)
    program = _program(asked, graph)
    quantized, digest = _integer(asked, program)
    return Figures(
        target=case.target or DEFAULT_TARGET,
        calibration=case.calibration or entry.calibration,
        fp32=fp32,
        quantized=quantized,
        digest=digest,
        program=program,
        layers=shared.recalled(f"{asked.key}/layers", lambda: _layers(asked, program)),
    )


def _of_quantized(asked: Asked, graph: Graph) -> Figures:
    """A quantized file lowered for its target, or a program as it is."""
    suite, case, entry = asked.suite, asked.case, asked.entry
    stated = kind_of(graph) is Kind.STATED
    foreign = {
        "calibration": case.calibration,
        "recipe": case.recipe,
        "limits": case.limits if case.limits.stated - _ANY_MODEL else None,
        "target": None if stated else case.target,
    }
    for setting, value in foreign.items():
        if value is not None:
            raise ConfigError(
                f"{setting} means nothing for {entry.file.name}, which is quantized "
                "already",
                file=suite,
                where=case.id,
            )
    target = case.target
    if stated:
        target = target or default_target(entry.file)
        graph = lower_entry(entry, graph, find_target(case_file(suite, target)))
    quantized, digest = _integer(asked, graph)
    against = {
        engine: compare_against(
            graph,
            entry,
            engine,
            data=case_data(suite, case, entry),
            samples=case.compare_samples,
            batch_size=case.batch_size,
        )[0].deciding
        for engine in case.limits.max_lsb or ()
    }
    return Figures(
        target=target,
        quantized=quantized,
        digest=digest,
        program=graph,
        against=against,
    )


def _fp32(asked: Asked, graph: Graph) -> EvalResult:
    """FP32 of a model and data, once in a run."""
    case, entry, shared = asked.case, asked.entry, asked.shared
    key = key_of(
        "FP32",
        entry.model_dump(mode="json"),
        shared.model_digest(entry.file),
        shared.digest(case_data(asked.suite, case, entry), case.samples),
        case.batch_size,
    )
    if key not in shared.fp32:
        shared.fp32[key] = evaluate_graph(
            graph,
            entry,
            asked.dataset,
            case.batch_size,
            asked.tell("FP32"),
            recall=shared.store.recall(key),
        )
    return shared.fp32[key]


def _program(asked: Asked, graph: Graph) -> Graph:
    """The integer program of a float model, as its case says; once in a run."""
    suite, case, entry, shared = asked.suite, asked.case, asked.entry, asked.shared
    recipe = open_recipe(case_file(suite, case.recipe) if case.recipe else None)
    fitted = recipe.fit(graph, case.batch_size)
    target = find_target(case_file(suite, case.target or DEFAULT_TARGET))
    calibration = case_calibration(suite, case, entry)
    require_disjoint(suite, case, find_dataset(calibration), asked.dataset)
    key = key_of(
        "program",
        entry.model_dump(mode="json"),
        shared.model_digest(entry.file),
        repr(target),
        repr(fitted),
        calibration,
        shared.digest(calibration),
        case.batch_size,
    )

    def quantize() -> Graph:
        program = quantize_entry(
            entry,
            graph,
            target,
            fitted,
            calibration,
            case.batch_size,
            asked.tell("calibrate"),
            checkpoint=shared.store.checkpoint(key),
        )
        # Means of large tensors may take hundreds of megabytes.
        shared.store.drop(f"{key}/")
        return program

    return shared.recalled_program(key, quantize)


def _integer(asked: Asked, program: Graph) -> tuple[EvalResult, str]:
    """The metric and the digest of an integer program."""
    return evaluate_bits(
        program,
        asked.entry,
        asked.dataset,
        asked.case.batch_size,
        asked.tell("integer"),
        asked.shared,
        asked.key,
    )


def _layers(asked: Asked, program: Graph) -> LayerReport:
    """Every layer beside golden FP32."""
    case, shared = asked.case, asked.shared
    inputs = model_inputs(asked.dataset, asked.entry, case.batch_size)
    return compare_layers(
        program,
        str(asked.entry.file),
        first_rows(inputs, case.compare_samples),
        case.batch_size,
        case.compare,
        counting(asked.tell("compare"), case.compare_samples),
        shared.family,
        shared.store.recall(f"{asked.key}/compare"),
    )
