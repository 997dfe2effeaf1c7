"""What all searches share: which candidate is the best one."""

from typing import Final

import numpy as np
from jaxtyping import Float64

# Losses that differ by less, relative to the smallest, differ by rounding alone.
_NOISE: Final = 1e-9


def first_minimum(
    losses: Float64[np.ndarray, " candidates"], *, noise: float = 0.0
) -> int:
    """Index of the smallest loss; the first of those that are as good as that.

    As good: within 1e-9 of it and `noise`, so that the rounding of sums, which depends
    on the size of batches, decides nothing.
    """
    smallest = float(losses.min())
    return int(np.argmax(losses <= smallest * (1 + _NOISE) + noise))
