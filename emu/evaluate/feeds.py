"""What a program is fed with: samples of a dataset, or random ones."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from emu.errors import ConfigError, UnsupportedError
from emu.evaluate.datasets import Dataset
from emu.evaluate.entries import ModelEntry, find_dataset
from emu.evaluate.random_data import parse_random, random_batches
from emu.evaluate.session import model_inputs
from emu.graph import Graph, with_real_edges


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Feed:
    """Batches of every input of a Graph.

    Fields:
        name: of the data, selections included.
        samples: about as many come (windows make more rows of them).
        graph: the one that takes the batches; of a dataset these are reals, so that
            a program with integer inputs gets an edge that quantizes.
        batches: an array for each of its inputs.
    """

    name: str
    samples: int
    graph: Graph
    batches: Iterator[Mapping[str, np.ndarray]]


def open_feed(
    graph: Graph,
    entry: ModelEntry,
    reference: str | None,
    samples: int,
    batch_size: int,
) -> Feed:
    """The first `samples` samples of a data reference, by default the entry's own.

    A reference `random:N` gives N samples, whatever `samples` says.
    """
    data = parse_random(reference, samples) if reference else None
    if data is not None:
        batches = random_batches(graph, data, batch_size)
        return Feed(name=data.name, samples=data.count, graph=graph, batches=batches)
    dataset = open_data(entry, reference).first(samples)
    edged = with_real_edges(graph)
    if len(edged.inputs) != 1:
        raise UnsupportedError(
            f"has {len(edged.inputs)} inputs and a dataset feeds one; "
            "`--data random` feeds all",
            file=entry.file,
        )
    arrays = model_inputs(dataset, entry, batch_size)
    (name,) = edged.inputs
    return Feed(
        name=dataset.name,
        samples=len(dataset),
        graph=edged,
        batches=({name: x} for x in arrays),
    )


def open_data(entry: ModelEntry, reference: str | None) -> Dataset:
    """The dataset of a reference, else the model's own; ConfigError for neither."""
    chosen = reference or entry.data
    if chosen is None:
        raise ConfigError("no data: name it with --data", where=entry.name)
    return find_dataset(chosen)


def counting(
    progress: Callable[[int, int], None] | None, expected: int
) -> Callable[[int], None] | None:
    """From (rows of a batch) to (finished, all), where windows make more of them."""
    if progress is None:
        return None
    done = 0

    def count(rows: int) -> None:
        nonlocal done
        done += rows
        progress(done, max(done, expected))

    return count
