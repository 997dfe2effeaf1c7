"""What goes into the first layer, and what the manifest says of program and inputs."""

import hashlib
from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from jaxtyping import Shaped

from emu.evaluate import ModelEntry
from emu.evaluate.feeds import Feed, open_feed
from emu.graph import Graph, is_static

# All samples of an export are one batch.
_ONE_BATCH: Final = 1 << 16


def open_stimuli(
    graph: Graph, entry: ModelEntry, reference: str, samples: int
) -> tuple[Graph, dict[str, Shaped[np.ndarray, "..."]], dict[str, Any]]:
    """The program as it takes the samples, one batch of them, and their description.

    `reference` is that of a dataset or `random[:N[:SEED]]`. Where preprocessing cuts
    samples into windows, as many of the first ones are taken as there are samples.
    """
    feed = open_feed(graph, entry, reference, samples, _ONE_BATCH)
    batch = next(iter(feed.batches))
    if not is_static(feed.graph):
        batch = {name: x[: feed.samples] for name, x in batch.items()}
    return feed.graph, dict(batch), _described(feed, batch)


def _described(feed: Feed, batch: Mapping[str, np.ndarray]) -> dict[str, Any]:
    total = hashlib.sha256()
    for name, x in batch.items():
        little = np.ascontiguousarray(x, x.dtype.newbyteorder("<"))
        total.update(f"{name} {little.dtype.str} {x.shape}".encode())
        total.update(little.tobytes())
    return {"data": feed.name, "samples": feed.samples, "sha256": total.hexdigest()}


def program_origin(graph: Graph, entry: ModelEntry) -> dict[str, Any]:
    """What program it is: the file that was read, the target, the source model."""
    with entry.file.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    target = graph.provenance.get("target")
    return {
        "name": graph.name,
        "file": entry.file.name,
        "sha256": digest,
        "target": target.get("name") if isinstance(target, dict) else None,
        "source_sha256": graph.provenance.get("sha256"),
    }
