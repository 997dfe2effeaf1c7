"""The methods for weights once more, slowly: every candidate tried, one by one.

Written from the definitions in Python numbers; no code is shared with emu.
"""

from itertools import combinations
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]


def scale_of_largest(column: Array, low: int, high: int) -> float:
    """AMCT's ARQ for one filter: `low` is -high, or one below for a whole format."""
    greatest, least = abs(float(max(column))), abs(float(min(column)))
    return least / -low if least > greatest else greatest / high


def uniform_error(column: Array, scale: float, low: int, high: int) -> float:
    """Sum of squared errors of weights on all levels of a scale."""
    total = 0.0
    for weight in column:
        step = min(max(round(float(weight) / scale), low), high)
        total += (float(weight) - step * scale) ** 2
    return total


def scale_of_least_error(column: Array, low: int, high: int) -> float:
    """The best of 100 %, 99 %, ... 10 % of the scale that clips nothing."""
    widest = scale_of_largest(column, low, high)
    if widest == 0:
        return 0.0
    candidates = [widest * (percent / 100) for percent in range(100, 9, -1)]
    return min(candidates, key=lambda s: uniform_error(column, s, low, high))


def codebook_error(columns: Array, scale: Array, levels: tuple[int, ...]) -> float:
    """Sum of squared errors of all weights, each at its nearest level."""
    total = 0.0
    for row in columns:
        for weight, step in zip(row, scale, strict=True):
            total += min((float(weight) - step * level) ** 2 for level in levels)
    return float(total)


def least_codebook_error(
    columns: Array, scale: Array, grid: range, steps: int
) -> float:
    """The least error of any choice of `steps` levels of the grid."""
    return min(
        codebook_error(columns, scale, levels) for levels in combinations(grid, steps)
    )


def correlated_error(integers: Array, reals: Array, kernels: int) -> float:
    """Of one filter: errors squared, their sum in each kernel squared, all squared."""
    errors = [float(a) - float(b) for a, b in zip(integers, reals, strict=True)]
    sums = [sum(errors[first::kernels]) for first in range(kernels)]
    return sum(e * e for e in errors) + sum(s * s for s in sums) + sum(errors) ** 2


def balance_factors(activations: Array, weights: Array, strength: float) -> list[float]:
    """AMCT's DMQ balancer, channel by channel, before factors are made coarse."""
    eps = 2.0**-23
    pairs = [(float(x), float(w)) for x, w in zip(activations, weights, strict=True)]
    whole = {
        i: x**strength / w ** (1 - strength)
        for i, (x, w) in enumerate(pairs)
        if x >= eps and w >= eps
    }
    if not whole:
        return [1.0] * len(pairs)
    largest_x = max(pairs[i][0] / f for i, f in whole.items())
    largest_w = max(pairs[i][1] * f for i, f in whole.items())
    factors = []
    for i, (x, w) in enumerate(pairs):
        if i in whole:
            factors.append(whole[i])
        elif x >= eps:
            factors.append(x / largest_x)
        elif w >= eps:
            factors.append(largest_w / w)
        else:
            factors.append(1.0)
    return factors


def channel_maxima(samples: Array) -> list[float]:
    """Largest magnitude of each entry of the last axis."""
    return [float(np.abs(samples[..., c]).max()) for c in range(samples.shape[-1])]
