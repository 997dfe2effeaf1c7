"""Keys: a histogram that needs no range beforehand; order statistics from it.

A bin for every float32 of 8 significant bits; a value counts in the bin of its coarse
form, magnitude rounded up. Coarse keeps order, so an order statistic of the histogram is
the coarse form of the exact order statistic, and histograms of batches just add up.
"""

from dataclasses import dataclass
from typing import Final

import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jaxtyping import Bool, Float32, Int64

from emu.calibrate.minmax import extremes
from emu.calibrate.statistic import Found, State, Statistic, counted

# Bins by sign and by the upper 16 bits of the magnitude; zero is in the middle.
_HALF: Final = 1 << 15
_EPSILON: Final = float(np.finfo(np.float32).eps)


@dataclass(frozen=True, slots=True)
class Keys(Statistic):
    """Counts of all values by their coarse form, int64: `counts`."""

    def empty(self, found: Found) -> dict[str, np.ndarray]:
        """All bins empty."""
        del found
        return {"counts": np.zeros(2 * _HALF, np.int64)}

    @staticmethod
    def update(
        state: State, x: Float32[Array, "n values"], valid: Bool[Array, " n"]
    ) -> State:
        """Count a batch."""
        bits = lax.bitcast_convert_type(x, jnp.uint32)
        magnitude = bits & jnp.uint32(0x7FFFFFFF)
        rounded_up = (magnitude + jnp.uint32(0xFFFF)) >> 16
        # NaN may round beyond all keys; it is refused elsewhere.
        key = jnp.minimum(rounded_up, jnp.uint32(_HALF - 1)).astype(jnp.int32)
        index = jnp.int32(_HALF) + jnp.where(bits >> 31 == 1, -key, key)
        return {"counts": state["counts"] + counted(index, valid, 2 * _HALF)}


KEYS = Keys()


def _value(key: int) -> float:
    """The float32 that a bin of the upper half stands for."""
    return float(np.array(key << 16, np.uint32).view(np.float32))


def nth_smallest(counts: Int64[np.ndarray, " keys"], n: int) -> float:
    """The n-th smallest value, coarse; n counts from 1."""
    key = int(np.searchsorted(np.cumsum(counts), n)) - _HALF
    return _value(key) if key >= 0 else -_value(-key)


def nth_largest_magnitude(counts: Int64[np.ndarray, " keys"], n: int) -> float:
    """The n-th largest magnitude, coarse; n counts from 1."""
    both = counts[_HALF:].copy()
    both[1:] += counts[_HALF - 1 : 0 : -1]
    return _value(_HALF - 1 - int(np.searchsorted(np.cumsum(both[::-1]), n)))


def place_of(share: float, total: int) -> int:
    """Which value in descending order is the end that holds a share of all.

    1 for a share of 1, else total - floor(share * total).
    Source: facts A1.2, IFMR.
    """
    return 1 if 1.0 - share < _EPSILON else max(total - int(share * total), 1)


def search_ends(found: Found, upper: float, lower: float) -> tuple[float, float]:
    """Where a search of both ends starts: low <= 0 <= high, coarse.

    `upper` and `lower` are the shares of all values that the ends hold. If nothing but
    zeros lies between the ends, the extremes are taken.
    """
    counts = found[KEYS]["counts"]
    total = int(counts.sum())
    high = nth_smallest(counts, total + 1 - place_of(upper, total))
    low = nth_smallest(counts, place_of(lower, total))
    if low >= 0 >= high:
        low, high = nth_smallest(counts, 1), nth_smallest(counts, total)
    return min(low, 0.0), max(high, 0.0)


def search_magnitude(found: Found, share: float) -> float:
    """Where a search of the largest magnitude starts, coarse; 0 for nothing but zeros."""
    counts = found[KEYS]["counts"]
    start = nth_largest_magnitude(counts, place_of(share, int(counts.sum())))
    return start or nth_largest_magnitude(counts, 1)


def one_sign(found: Found) -> bool:
    """Whether no two values have opposite signs."""
    seen = extremes(found)
    return seen.low >= 0 or seen.high <= 0
