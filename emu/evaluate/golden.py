"""The source model of an integer program, and the program beside its golden FP32."""

import hashlib
from collections.abc import Callable
from pathlib import Path

from emu.compare import LayerReport, Mode, compare_layers
from emu.errors import ConfigError, MissingError, ModelError
from emu.evaluate.entries import ModelEntry
from emu.evaluate.feeds import counting, open_feed
from emu.evaluate.session import from_quantized_file
from emu.graph import Graph


def golden_source(graph: Graph, program: Path, moved_to: Path | None = None) -> Path:
    """The model file that gives golden outputs for an integer Graph.

    Arguments:
        graph: of the program.
        program: its file, or that of the model if it never was an .emu file.
        moved_to: where the source model lies now; None for where it lay.

    Raises:
        MissingError: the file is not there.
        ModelError: it is not the file that the program was made from.
    """
    if moved_to is not None and not moved_to.is_file():
        raise MissingError("there is no such file", file=moved_to)
    saved = program.suffix.lower() == ".emu"
    source = Path(str(graph.provenance.get("source", ""))) if saved else program
    path = moved_to or source
    if not path.is_file():
        raise MissingError(
            f"its source model {str(path)!r} is not there; golden outputs need it",
            file=program,
        )
    wanted = graph.provenance.get("sha256")
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if wanted is not None and found != wanted:
        raise ModelError(
            f"is not the model that {program.name} was made from: found sha256 "
            f"{found[:12]}, expected {str(wanted)[:12]}",
            file=path,
        )
    return path


def compare_golden(
    graph: Graph,
    entry: ModelEntry,
    modes: tuple[Mode, ...],
    *,
    data: str | None = None,
    samples: int = 64,
    model: Path | None = None,
    batch_size: int = 32,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[LayerReport, str]:
    """Every quantized layer beside golden FP32, and the name of the data.

    `data` and `samples` are as of `open_feed`, `model` as of `golden_source`.
    """
    if from_quantized_file(graph):
        raise ConfigError(
            "comes from a quantized file, so there is no golden FP32; name an engine "
            "or a dump with --against",
            file=entry.file,
        )
    feed = open_feed(graph, entry, data, samples, batch_size)
    source = golden_source(graph, entry.file, model)
    (name, *_) = graph.inputs
    report = compare_layers(
        graph,
        str(source),
        (batch[name] for batch in feed.batches),
        batch_size,
        modes,
        counting(progress, feed.samples),
    )
    return report, feed.name
