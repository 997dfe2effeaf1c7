"""What an interrupted run has found of its batches, so that they are not run again."""

from collections.abc import Callable, Mapping, Sequence

import jax
import numpy as np

# What is known of one batch, by name.
Arrays = Mapping[str, np.ndarray]

# From the number of a batch and what computes it to what is known of it.
Recall = Callable[[int, Callable[[], Arrays]], Arrays]


def compute_anew(number: int, compute: Callable[[], Arrays]) -> Arrays:
    """Recall nothing."""
    del number
    return compute()


class Checkpoint:
    """How far passes over the batches came, where each batch adds to what is known.

    This one remembers nothing.
    """

    def load(self, stage: str) -> tuple[int, Sequence[np.ndarray]]:
        """Finished batches of a pass, and what is known after them; 0 for none."""
        del stage
        return 0, ()

    def save(
        self, stage: str, batches: int, arrays: Sequence[np.ndarray | jax.Array]
    ) -> None:
        """Remember both, in place of what was remembered of the pass."""
