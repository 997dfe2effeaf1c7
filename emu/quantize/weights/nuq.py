"""Non-uniform quantization: few levels of the integer grid stand for all weights.

AMCT's NUQ chooses `num_steps` of the 2**n levels, on top of uniform quantization, by
a search of `num_of_iteration` rounds; how it searches is not published
(www.hiascend.com, CANN commercial 8.0.0, atlasamct_16_0388). Here:

1. For given scales the levels are the best there are: k-means in one dimension is
   solved exactly by dynamic programming over ordered points (Wang and Song 2011, The R
   Journal 3/2, "Ckmeans.1d.dp"). Between neighbouring levels a and b of the grid the
   weights below (a + b) / 2 take a and the others b, so that the moments of the
   weights in steps of half a level tell the error of every choice.
2. For given levels each scale is that of least squares, sum(w * q) / sum(q * q).

Both in turn never increase sum((w - scale * level)**2): Lloyd's method (1982, IEEE
Transactions on Information Theory 28/2), weighted by the square of each filter's
scale, because filters share the codebook and have scales of their own.

3. What the inputs of a filter have in common meets the sum of its errors. Weights
   move to a neighbouring level where that lowers the sum of squared errors, of the
   squared sums of errors in each kernel, and of their squared sum in each filter: the
   measure by which Guo et al. 2022 (SQuant, arXiv 2202.07471) round weights.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from jaxtyping import Float64, Int, Int64

# Less is rounding; moves to and fro would never end.
_NO_GAIN: Final = 1e-9


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Clusters:
    """A codebook for columns of weights: about `scale * integers`.

    Every integer is one of `levels`, which ascend.
    """

    levels: Int[np.ndarray, " steps"]
    integers: Int[np.ndarray, "k c"]
    scale: Float64[np.ndarray, " c"]


def cluster(
    columns: Float64[np.ndarray, "k c"],
    scale: Float64[np.ndarray, " c"],
    smallest: Float64[np.ndarray, " c"],
    grid: Int64[np.ndarray, " g"],
    steps: int,
    iterations: int,
) -> Clusters:
    """The codebook of least squared error that alternation finds, from given scales.

    `grid` are the levels there are, neighbouring integers; `steps` of them are kept.
    Scales stay float32 numbers of at least `smallest`. Ends after `iterations`
    rounds, or when a round gains nothing.
    """
    best = _assigned(columns, scale, grid, steps)
    least = _error(columns, best)
    for _ in range(iterations):
        sums = np.square(best.integers).sum(axis=0)
        fitted = (columns * best.integers).sum(axis=0) / np.where(sums, sums, 1)
        # Levels may all lie on one side of zero, a column's weights on the other.
        fitted = np.where(fitted > 0, fitted, best.scale)
        rounded = np.maximum(fitted, smallest).astype(np.float32).astype(np.float64)
        found = _assigned(columns, rounded, grid, steps)
        error = _error(columns, found)
        if error >= least:
            break
        best, least = found, error
    return best


def compensate(
    columns: Float64[np.ndarray, "k c"],
    scale: Float64[np.ndarray, " c"],
    levels: Int64[np.ndarray, " steps"],
    integers: Int64[np.ndarray, "k c"],
    kernels: int,
) -> Int64[np.ndarray, "k c"]:
    """The integers after moves to neighbouring levels, the best of a column first.

    Every `kernels`-th row from a row on belongs to the same kernel. Ends when no
    single move lowers, in any column, sum(e**2) + sum(kernel sums of e, squared) +
    sum(e)**2, where e are the integers less `columns / scale`.
    """
    reals, place = columns / scale, np.searchsorted(levels, integers)
    column = np.arange(columns.shape[1])
    while True:
        errors = levels[place] - reals
        sums = errors.reshape(-1, kernels, column.size).sum(axis=0)
        # What each error is part of, itself included.
        parts = errors + np.tile(sums, (len(place) // kernels, 1)) + sums.sum(axis=0)
        moved = np.clip([place - 1, place + 1], 0, len(levels) - 1)
        change = levels[moved] - levels[place]
        # (p + d)**2 - p**2 for each of the three.
        gain = change * (2 * parts + 3 * change)
        flat = gain.reshape(-1, column.size)
        best = flat.argmin(axis=0)
        better = flat[best, column] < -_NO_GAIN
        if not better.any():
            return levels[place]
        way, row = np.divmod(best, len(place))
        new = moved[way, row, column]
        place[row[better], column[better]] = new[better]


def _assigned(
    columns: Float64[np.ndarray, "k c"],
    scale: Float64[np.ndarray, " c"],
    grid: Int64[np.ndarray, " g"],
    steps: int,
) -> Clusters:
    """The best levels for given scales, and each weight at the nearest of them."""
    reals = columns / scale
    levels = best_levels(reals, np.square(scale), grid, steps)
    places = np.searchsorted(levels[:-1] + levels[1:], 2 * reals, side="right")
    return Clusters(levels=levels, integers=levels[places], scale=scale)


def _error(columns: Float64[np.ndarray, "k c"], found: Clusters) -> float:
    return float(np.square(columns - found.integers * found.scale).sum())


def best_levels(
    reals: Float64[np.ndarray, "k c"],
    weight: Float64[np.ndarray, " c"],
    grid: Int64[np.ndarray, " g"],
    steps: int,
) -> Int64[np.ndarray, " steps"]:
    """The levels of the grid with the least sum(weight * (real - nearest level)**2).

    `reals` are in units of the grid; those of column c count with `weight[c]`.
    """
    first, last, between = _costs(reals, weight, grid)
    cost, before = first, []
    for _ in range(steps - 1):
        ways = cost[:, None] + between
        before.append(ways.argmin(axis=0))
        cost = ways.min(axis=0)
    chosen = [int((cost + last).argmin())]
    for came_from in reversed(before):
        chosen.append(int(came_from[chosen[-1]]))
    return grid[chosen[::-1]]


def _costs(
    reals: Float64[np.ndarray, "k c"],
    weight: Float64[np.ndarray, " c"],
    grid: Int64[np.ndarray, " g"],
) -> tuple[
    Float64[np.ndarray, " g"], Float64[np.ndarray, " g"], Float64[np.ndarray, "g g"]
]:
    """Error of all below a lowest level, above a highest, between two neighbours.

    The last is infinite unless the second level is above the first.
    """
    halves = 2 * (grid.size - 1)
    place = np.clip(np.floor(2 * (reals - grid[0])), 0, max(halves - 1, 0))
    index = place.astype(np.int64).ravel()
    moments = []
    for power in range(3):
        values = (weight * reals**power).ravel()
        counted = np.bincount(index, values, minlength=max(halves, 1))
        moments.append(np.concatenate([[0.0], np.cumsum(counted)]))
    all_of_them = len(moments[0]) - 1

    def error(
        start: Int64[np.ndarray, "..."],
        end: Int64[np.ndarray, "..."],
        level: Int64[np.ndarray, "..."],
    ) -> Float64[np.ndarray, "..."]:
        n, total, square = (m[end] - m[start] for m in moments)
        return square - 2 * level * total + level * level * n

    at = np.arange(grid.size)
    first = error(np.zeros_like(at), 2 * at, grid)
    last = error(2 * at, np.full_like(at, all_of_them), grid)
    a, b = np.meshgrid(at, at, indexing="ij")
    low, high = np.minimum(a, b), np.maximum(a, b)
    between = error(2 * low, a + b, grid[low]) + error(a + b, 2 * high, grid[high])
    return first, last, np.where(a < b, between, np.inf)
