"""An integer program on its data: the metric, and the digest of the outputs' bits."""

from collections.abc import Callable
from typing import Final

import numpy as np

from emu.evaluate import Dataset, EvalResult, ModelEntry, evaluate_graph
from emu.gate.digest import BitDigest, integer_outputs
from emu.gate.shared import Shared
from emu.graph import Graph
from emu.recall import Arrays

# Before the names of integers that a batch's digest is made of.
_BITS: Final = "bits:"


def evaluate_bits(
    graph: Graph,
    entry: ModelEntry,
    dataset: Dataset,
    batch_size: int,
    progress: Callable[[int, int], None] | None,
    shared: Shared,
    key: str,
) -> tuple[EvalResult, str]:
    """Evaluate and digest in one pass with one compiled program.

    `key` is that of the case: batches that an interrupted run has finished under it are
    not run again.
    """
    tensors = integer_outputs(graph)
    digest = BitDigest(tensors)
    stored = shared.store.recall(f"{key}/integer")
    seen: dict[str, np.ndarray] = {}

    def recall(number: int, compute: Callable[[], Arrays]) -> Arrays:
        """Keep the integers that are digested with what the batch gave."""

        def both() -> Arrays:
            found = compute()
            count = digest.missing
            rows = {f"{_BITS}{name}": seen[name][:count] for name in tensors}
            return {**found, **(rows if count else {})}

        arrays = stored(number, both)
        if digest.missing:
            digest.add({name: arrays[f"{_BITS}{name}"] for name in tensors})
        return {k: v for k, v in arrays.items() if not k.startswith(_BITS)}

    result = evaluate_graph(
        graph,
        entry,
        dataset,
        batch_size,
        progress,
        taps=tensors,
        watch=seen.update,
        family=shared.family,
        recall=recall,
    )
    return result, digest.hexdigest()
