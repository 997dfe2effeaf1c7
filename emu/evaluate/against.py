"""compare_against: a program beside the engine or the hardware dump that a name means."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from emu.compare import (
    ENGINES,
    AgainstReport,
    compare_with_dump,
    compare_with_engine,
    golden_names,
    match_dump,
    open_dump,
    open_engine,
)
from emu.errors import ConfigError, MissingError
from emu.evaluate.entries import ModelEntry
from emu.evaluate.feeds import Feed, counting, open_feed
from emu.evaluate.golden import golden_source
from emu.evaluate.session import from_quantized_file
from emu.graph import Graph

# Called with (finished samples, all samples).
Progress = Callable[[int, int], None]


def compare_against(
    graph: Graph,
    entry: ModelEntry,
    against: str,
    *,
    data: str | None = None,
    samples: int = 64,
    model: Path | None = None,
    batch_size: int = 32,
    progress: Progress | None = None,
) -> tuple[AgainstReport, str]:
    """The report, and the name of the data that both sides were fed with.

    Arguments:
        graph: an integer program.
        entry: of the file that it came from.
        against: a name in `ENGINES`, or the path of a dump. A dump that holds the
            program's inputs needs no other data.
        data: what both are fed with, see `open_feed`.
        samples: the first so many of it.
        model: where the source file lies if it has moved; for engines.
        batch_size: samples that run at once.
        progress: moved after each batch.

    Raises:
        MissingError: no such engine, dump, data or source file.
        ConfigError: an engine for a program that was made from a float model.
        DataError: arrays that do not fit the program's tensors.
    """
    if against in ENGINES:
        return _with_engine(
            graph, entry, against, data, samples, model, batch_size, progress
        )
    path = Path(against)
    if not path.exists():
        raise MissingError(
            f"there is no engine or dump {against!r}; the engines are "
            f"{', '.join(ENGINES)}"
        )
    return _with_dump(graph, entry, path, data, batch_size, progress)


def _with_engine(
    graph: Graph,
    entry: ModelEntry,
    name: str,
    data: str | None,
    samples: int,
    model: Path | None,
    batch_size: int,
    progress: Progress | None,
) -> tuple[AgainstReport, str]:
    if not from_quantized_file(graph):
        raise ConfigError(
            "was quantized here, so no engine has its integers; without --against it "
            "is compared with golden FP32",
            file=entry.file,
            where="--against",
        )
    feed = open_feed(graph, entry, data, samples, batch_size)
    source = golden_source(graph, entry.file, model)
    engine = open_engine(name, source, golden_names(feed.graph))
    report = compare_with_engine(
        feed.graph, engine, feed.batches, batch_size, counting(progress, feed.samples)
    )
    return report, feed.name


def _with_dump(
    graph: Graph,
    entry: ModelEntry,
    path: Path,
    data: str | None,
    batch_size: int,
    progress: Progress | None,
) -> tuple[AgainstReport, str]:
    matched = match_dump(graph, open_dump(path))
    held = None if data else matched.inputs(batch_size)
    if held is None:
        feed = open_feed(graph, entry, data, matched.samples, batch_size)
    else:
        count = matched.samples
        feed = Feed(name=path.name, samples=count, graph=graph, batches=held)
    report = compare_with_dump(
        replace(matched, graph=feed.graph),
        feed.batches,
        batch_size,
        counting(progress, feed.samples),
    )
    return report, feed.name
