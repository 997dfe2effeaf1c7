"""Opening the model that a command line names, quantized if it says so."""

from dataclasses import dataclass
from pathlib import Path

from emu.cli.terminal import progress, show_note
from emu.compare import ENGINES
from emu.config import nearest
from emu.errors import ConfigError
from emu.evaluate import (
    Kind,
    ModelEntry,
    default_target,
    find_model,
    from_quantized_file,
    kind_of,
    lower_entry,
    open_model,
    quantize_entry,
)
from emu.graph import Graph
from emu.quantize import open_recipe, read_record
from emu.targets import find_target


@dataclass(frozen=True, slots=True, kw_only=True)
class Quantization:
    """What the options say on quantizing a float model; no target: not at all."""

    target: str | None = None
    calibration: str | None = None
    recipe: Path | None = None
    record: Path | None = None
    batch_size: int = 32


def open_quantized(
    model: str, quantization: Quantization, *, quiet: bool = False
) -> tuple[ModelEntry, Graph]:
    """The entry and Graph of `model`; a float one is quantized if a target is named.

    Programs and quantized files come as of `open_as_it_is`.
    """
    refuse_options(find_model(model), quantization)
    # Small files first: their mistakes show before a model is read.
    target = find_target(quantization.target) if quantization.target else None
    recipe = open_recipe(quantization.recipe)
    record = read_record(quantization.record) if quantization.record else None
    entry, graph = open_as_it_is(model, quantization)
    if target is None or kind_of(graph) is Kind.INTEGER:
        return entry, graph
    with progress("calibrating", quiet=quiet) as tell:
        program = quantize_entry(
            entry,
            graph,
            target,
            recipe.fit(graph, quantization.batch_size),
            quantization.calibration,
            quantization.batch_size,
            tell,
            record=record,
        )
    for note in (*recipe.notes, *(record.notes if record else ())):
        show_note(note)
    return entry, program


def open_as_it_is(model: str, quantization: Quantization) -> tuple[ModelEntry, Graph]:
    """A program or a float model as it is; of a quantized file the program.

    A quantized file is lowered for the target that the options name, else for that
    of its usual engine. Raises ConfigError for options that mean nothing for this
    model.
    """
    entry = find_model(model)
    refuse_options(entry, quantization)
    named = find_target(quantization.target) if quantization.target else None
    entry, graph = open_model(entry)
    kind = kind_of(graph)
    if kind is Kind.FLOAT:
        return entry, graph
    for option in _named(quantization):
        if option != "--target":
            raise ConfigError(
                "is quantized already; this option needs a float model",
                file=entry.file,
                where=option,
            )
    if kind is Kind.STATED:
        target = named or find_target(default_target(entry.file))
        return entry, lower_entry(entry, graph, target)
    if named is not None:
        raise ConfigError(
            "says itself how each layer is computed; this option needs another model",
            file=entry.file,
            where="--target",
        )
    return entry, graph


def find_engine_model(
    model: str, quantization: Quantization, engine: str
) -> ModelEntry:
    """The entry of a model that runs in another engine as its file says."""
    if engine not in ENGINES:
        raise ConfigError(
            f"found {engine!r}{nearest(engine, list(ENGINES))}; expected one of "
            f"{', '.join(ENGINES)}",
            where="--engine",
        )
    if named := _named(quantization):
        raise ConfigError("means nothing with --engine", where=named[0])
    return find_model(model)


def is_program(entry: ModelEntry) -> bool:
    """Whether the entry is an integer program, an .emu file."""
    return entry.file.suffix.lower() == ".emu"


def target_name(graph: Graph) -> str | None:
    """Name of the target that an integer Graph was made for; None without one."""
    target = graph.provenance.get("target")
    return str(target.get("name")) if isinstance(target, dict) else None


def default_note(entry: ModelEntry, graph: Graph, target: str | None) -> str | None:
    """What to tell people of a target that they did not name."""
    if target or is_program(entry) or not from_quantized_file(graph):
        return None
    name = target_name(graph)
    suffix = entry.file.suffix
    return name and f"{name} is the default target of {suffix} files (--target)"


def refuse_options(entry: ModelEntry, quantization: Quantization) -> None:
    """Raise ConfigError for an option that this model can have nothing of."""
    named = _named(quantization)
    if named and is_program(entry):
        raise ConfigError(
            "an .emu file is quantized already; this option needs a float model",
            file=entry.file,
            where=named[0],
        )
    if named and quantization.target is None:
        raise ConfigError("means nothing without --target", where=named[0])


def _named(quantization: Quantization) -> list[str]:
    given = {
        "--target": quantization.target,
        "--calib": quantization.calibration,
        "--recipe": quantization.recipe,
        "--record": quantization.record,
    }
    return [option for option, value in given.items() if value is not None]


def require_program(graph: Graph, entry: ModelEntry) -> None:
    """Refuse a float Graph where integers are looked at."""
    if kind_of(graph) is not Kind.INTEGER:
        raise ConfigError(
            "is a float model; --target quantizes it first", file=entry.file
        )
