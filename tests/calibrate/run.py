"""Ranges of arrays through the statistics alone, without a graph for each example."""

from functools import cache

import jax
import numpy as np

from emu.calibrate.methods import METHODS
from emu.calibrate.minmax import EXTREMES


def concluded(x, sizes, *observations):
    """The ranges of samples in batches of these sizes, as the passes count them."""
    parts = np.split(x, np.cumsum(sizes)[:-1])
    ways = [(METHODS[one.method], one) for one in observations]
    first = [way.first(one) for way, one in ways if way.first]
    found = counted(parts, [EXTREMES, *first], {})
    second = [way.second(one) for way, one in ways if way.second]
    found |= counted(parts, second, found)
    return [way.conclude(one, found) for way, one in ways]


def counted(parts, statistics, found):
    """Finished states by key; short batches are padded with what must not count."""
    finished = {}
    with jax.enable_x64(True):
        for one in statistics:
            state = one.empty(found)
            for part in parts:
                missing = len(parts[0]) - len(part)
                padded = np.pad(part, [(0, missing), (0, 0)], constant_values=7)
                valid = np.arange(len(padded)) < len(part)
                state = compiled(one.update)(state, padded, valid)
            finished[one.key] = {k: np.asarray(v) for k, v in state.items()}
    return finished


@cache
def compiled(update):
    return jax.jit(update)
