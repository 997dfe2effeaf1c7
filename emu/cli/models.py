"""Opening the model that a command line names, quantized if it says so."""

from dataclasses import dataclass
from pathlib import Path

from emu.cli.terminal import progress
from emu.errors import ConfigError
from emu.evaluate import (
    Dataset,
    ModelEntry,
    find_dataset,
    find_model,
    open_model,
    quantize_entry,
)
from emu.evaluate.selection import parse_selections
from emu.graph import Graph
from emu.quantize import read_recipe
from emu.targets import find_target


@dataclass(frozen=True, slots=True, kw_only=True)
class Quantization:
    """What the options say on quantizing a float model; no target: not at all."""

    target: str | None = None
    calibration: str | None = None
    recipe: Path | None = None
    batch_size: int = 32


def open_quantized(
    model: str, quantization: Quantization, *, quiet: bool
) -> tuple[ModelEntry, Graph]:
    """The entry and Graph of `model`: an .emu file as it is, a float one as asked.

    Raises ConfigError for options that mean nothing for this model.
    """
    entry = find_model(model)
    refuse_options(entry, quantization)
    if quantization.target is None:
        return open_model(entry)
    # Small files first: their mistakes show before a model is read.
    target = find_target(quantization.target)
    recipe = read_recipe(quantization.recipe)
    entry, graph = open_model(entry)
    with progress("calibrating", quiet=quiet) as tell:
        program = quantize_entry(
            entry,
            graph,
            target,
            recipe,
            quantization.calibration,
            quantization.batch_size,
            tell,
        )
    return entry, program


def is_program(entry: ModelEntry) -> bool:
    """Whether the entry is an integer program, an .emu file."""
    return entry.file.suffix.lower() == ".emu"


def target_name(graph: Graph) -> str | None:
    """Name of the target that an integer Graph was made for; None for a float one."""
    target = graph.provenance.get("target")
    return str(target.get("name")) if isinstance(target, dict) else None


def refuse_options(entry: ModelEntry, quantization: Quantization) -> None:
    """Raise ConfigError for an option that this model can have nothing of."""
    given = {
        "--target": quantization.target,
        "--calib": quantization.calibration,
        "--recipe": quantization.recipe,
    }
    named = [option for option, value in given.items() if value is not None]
    if named and is_program(entry):
        raise ConfigError(
            "an .emu file is quantized already; this option needs a float model",
            file=entry.file,
            where=named[0],
        )
    if named and quantization.target is None:
        raise ConfigError("means nothing without --target", where=named[0])


def open_data(entry: ModelEntry, reference: str | None) -> Dataset:
    """The dataset named on the command line, else the model's own."""
    chosen = reference or entry.data
    if chosen is None:
        raise ConfigError("no data: name it with --data", where=entry.name)
    return find_dataset(chosen)


def first_samples(dataset: Dataset, count: int) -> Dataset:
    """At most the first `count` samples."""
    if count >= len(dataset):
        return dataset
    return dataset.select(parse_selections(f"[:{count}]"))


def require_program(graph: Graph, entry: ModelEntry) -> None:
    """Refuse a float Graph where integers are looked at."""
    if target_name(graph) is None:
        raise ConfigError(
            "is a float model; --target quantizes it first", file=entry.file
        )
