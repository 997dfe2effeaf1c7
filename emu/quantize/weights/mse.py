"""The scale of least squared error: clipping few weights can serve all others."""

from typing import Final

import numpy as np
from jaxtyping import Float64

from emu.fixedpoint import IntFormat
from emu.quantize.weights.arq import largest_scale

# Percentages of the scale that clips nothing. Two bits want less than a third of it.
_CANDIDATES: Final = range(100, 9, -1)


def least_error_scale(
    columns: Float64[np.ndarray, "k c"], fmt: IntFormat, *, narrow: bool
) -> Float64[np.ndarray, " c"]:
    """For each column the candidate with the least sum((w - s * q(w / s))**2).

    q rounds half to even and saturates. Candidates are 100 %, 99 %, ... 10 % of
    `largest_scale`; of equal ones the largest wins.
    Source: that clipping pays at few bits, Banner et al. 2019 (arXiv 1810.05723); the
    search over shares of the largest magnitude, AMCT's IFMR for activations
    (custom_op/ifmr/ifmr_impl.py, github.com/hicann/amct).
    """
    widest = largest_scale(columns, fmt, narrow=narrow)
    low = -fmt.max if narrow else fmt.min
    least = np.full(columns.shape[1], np.inf)
    best = widest
    for percent in _CANDIDATES:
        scale = widest * (percent / 100)
        # A column of zeros has no scale; any will do.
        steps = np.clip(np.rint(columns / np.where(scale > 0, scale, 1)), low, fmt.max)
        error = np.square(columns - steps * scale).sum(axis=0)
        best = np.where(error < least, scale, best)
        least = np.minimum(error, least)
    return best
