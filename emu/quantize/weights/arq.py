"""The scale that clips no weight: AMCT's ARQ, per filter or per tensor."""

import numpy as np
from jaxtyping import Float64

from emu.fixedpoint import IntFormat


def largest_scale(
    columns: Float64[np.ndarray, "k c"], fmt: IntFormat, *, narrow: bool
) -> Float64[np.ndarray, " c"]:
    """Largest magnitude of each column over the level that is to hold it.

    That level is the highest; where the lowest may be used (not `narrow`) and the
    largest magnitude is negative, it is the lowest, which is one further from zero.
    A column of zeros has scale 0.
    Source: AMCT, ARQ: graph_based/amct_pytorch/custom_op/arq/arq_impl.py and
    custom_op/utils.py, calculate_scale_offset (github.com/hicann/amct).
    """
    high, low = columns.max(axis=0), columns.min(axis=0)
    below = np.logical_and(np.abs(high) < np.abs(low), not narrow)
    return np.maximum(np.abs(high), np.abs(low)) / (fmt.max + below)
