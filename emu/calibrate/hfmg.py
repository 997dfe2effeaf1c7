"""hfmg: AMCT's search over a histogram of the values (HFMG).

A histogram of `num_of_bins` equal bins between the extremes. The range shrinks from both
ends: step = max(ceil(N / 100000), 1) values; each side would give up as many bins as
hold one step; the side that gives up more bins (the upper one, if as many) does. Every
range on the way is a candidate, until at most a quarter of the bins is left. Its loss:
values lie evenly in their bins, and move to the centre of the nearest of 2**n equal
parts of the range, error = sum of count / width * integral of d**2. The first candidate
of the smallest loss wins, from the lower edge of its first to the upper edge of its last
bin.

Source: facts A1.2; hicann/amct 2be20da, custom_op/hfmg/hfmg_impl.py. There a batch with
new extremes makes a new histogram, into which the old one is split; here the first pass
finds the extremes, so all histograms have the same bins, merging them is adding, and the
result is AMCT's for all samples in one batch. The extremes are coarse, 8 bits.
"""

import math
from dataclasses import dataclass
from typing import Final

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jaxtyping import Bool, Float32, Float64, Int, Int64

from emu.calibrate.minmax import minmax_range
from emu.calibrate.observation import Observation, Range
from emu.calibrate.search import first_minimum
from emu.calibrate.statistic import Found, State, Statistic, counted

_STEPS: Final = 100_000
_LEAST_SHARE: Final = 4
_EPSILON: Final = float(np.finfo(np.float32).eps)
# Candidates are compiled for whole multiples of this many.
_BLOCK: Final = 512


@dataclass(frozen=True, slots=True)
class Bins(Statistic):
    """Counts of `number` equal bins from `low` to `high`, int64: `counts`."""

    number: int

    def empty(self, found: Found) -> dict[str, np.ndarray]:
        """All bins empty, and the ends."""
        ends = _ends(found)
        return {
            "low": np.array(ends.low),
            "width": np.array(ends.high - ends.low or 1.0),
            "counts": np.zeros(self.number, np.int64),
        }

    @staticmethod
    def update(
        state: State, x: Float32[Array, "n values"], valid: Bool[Array, " n"]
    ) -> State:
        """Count a batch; the last bin holds the upper end."""
        number = state["counts"].size
        above = (x.astype(jnp.float64) - state["low"]) * float(number)
        index = jnp.floor(above / state["width"])
        inside = jnp.clip(index, 0.0, float(number - 1))
        return {
            **state,
            "counts": state["counts"] + counted(inside, valid, number),
        }


def _ends(found: Found) -> Range:
    return minmax_range(Observation(), found)


def shrinking_ranges(counts: Int64[np.ndarray, " bins"]) -> list[tuple[int, int]]:
    """First and last bin of every candidate."""
    below = np.concatenate([[0], np.cumsum(counts)])
    step = max(math.ceil(int(below[-1]) / _STEPS), 1)
    left, right = 0, len(counts) - 1
    least = math.ceil(len(counts) / _LEAST_SHARE)
    found = []
    while right - left > least:
        # As few bins as hold a step: from the left, then from the right of those.
        new_left = min(int(np.searchsorted(below, below[left] + step)), right)
        reach = int(np.searchsorted(below, below[right + 1] - step, side="right"))
        new_right = max(reach - 2, new_left)
        if right - new_right >= new_left - left:
            right = new_right
        else:
            left = new_left
        found.append((left, right))
    return found


@jax.jit
def _losses(
    counts: Int64[Array, " bins"],
    lefts: Int[Array, " ranges"],
    rights: Int[Array, " ranges"],
    levels: Array,
) -> Float64[Array, " ranges"]:
    """The loss of every candidate, in units of a bin's width squared."""
    edges = jnp.arange(counts.size + 1, dtype=jnp.float64)
    weights = counts.astype(jnp.float64)
    whole = levels.astype(jnp.float64)

    def loss(one: tuple[Array, Array]) -> Array:
        left, right = (end.astype(jnp.float64) for end in one)
        width = (right - left + 1.0) / whole
        # The integral of the squared distance from the nearest centre, up to an edge.
        place = edges - left
        part = jnp.clip(jnp.floor(place / width), 0.0, whole - 1.0)
        from_centre = place - (part + 0.5) * width
        up_to = part * width**3 / 12.0 + (from_centre**3 + (width / 2.0) ** 3) / 3.0
        return jnp.sum(weights * jnp.diff(up_to))

    return lax.map(loss, (lefts, rights))


def losses_of(
    counts: Int64[np.ndarray, " bins"], ranges: list[tuple[int, int]], levels: int
) -> Float64[np.ndarray, " ranges"]:
    """The loss of every candidate, in units of a bin's width squared."""
    padded = np.array(ranges + [ranges[-1]] * (-len(ranges) % _BLOCK))
    with jax.enable_x64(True):
        losses = _losses(counts, padded[:, 0], padded[:, 1], np.int64(levels))
    return np.asarray(losses)[: len(ranges)]


def hfmg_bins(observation: Observation) -> Statistic:
    """What the second pass counts."""
    return Bins(observation.num_of_bins)


def hfmg_range(observation: Observation, found: Found) -> Range:
    """The best candidate."""
    ends = _ends(found)
    if not ends.low < ends.high:
        return ends
    counts = found[hfmg_bins(observation).key]["counts"]
    ranges = shrinking_ranges(counts)
    levels = 2**observation.bits
    losses = losses_of(counts, ranges, levels)
    bin_width = (ends.high - ends.low) / observation.num_of_bins
    parts = np.array([right - left + 1 for left, right in ranges]) * bin_width / levels
    left, right = ranges[first_minimum(np.where(parts < _EPSILON, 0.0, losses))]
    return Range(
        low=ends.low + left * bin_width, high=ends.low + (right + 1) * bin_width
    )
