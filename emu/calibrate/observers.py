"""Observers: what calibration remembers of a tensor, and the range it concludes.

An observer is three pure functions on a fixed-size state, so that any number of
batches streams through one jitted pass: empty state, update with a batch, range.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from types import MappingProxyType
from typing import Final

import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Bool, Float32, Shaped


class Method(Enum):
    """Ways of choosing the range of a tensor."""

    MINMAX = "minmax"
    PERCENTILE = "percentile"


@dataclass(frozen=True, slots=True, kw_only=True)
class Range:
    """Smallest and largest real value to represent."""

    low: float
    high: float


State = dict[str, Array]

# A histogram bin for every float32 that shares its upper 16 bits: 1 sign, 8 exponent,
# 7 mantissa bits. Bins are at most 2**-7 wide relative to their values, need no range
# beforehand, and histograms of different batches add up exactly.
_BINS: Final = 1 << 16


def empty_extremes() -> State:
    """No value seen."""
    return {"low": jnp.float32(np.inf), "high": jnp.float32(-np.inf)}


def update_extremes(
    state: State, x: Float32[Array, "n ..."], valid: Bool[Array, " n"]
) -> State:
    """Widen by the valid samples of a batch; NaN stays NaN."""
    mask = valid.reshape((-1,) + (1,) * (x.ndim - 1))
    low = jnp.min(jnp.where(mask, x, jnp.inf))
    high = jnp.max(jnp.where(mask, x, -jnp.inf))
    return {
        "low": jnp.minimum(state["low"], low),
        "high": jnp.maximum(state["high"], high),
    }


def range_of_extremes(state: Mapping[str, np.ndarray], percentile: float) -> Range:
    """Smallest and largest value seen, whatever the percentile."""
    del percentile
    return Range(low=float(state["low"]), high=float(state["high"]))


def empty_histogram() -> State:
    """All bins empty; extremes ride along."""
    return {**empty_extremes(), "counts": jnp.zeros(_BINS, jnp.int32)}


def update_histogram(
    state: State, x: Float32[Array, "n ..."], valid: Bool[Array, " n"]
) -> State:
    """Count the valid samples of a batch."""
    bits = lax.bitcast_convert_type(x, jnp.uint32)
    # Flip so that unsigned order is the order of the floats.
    flipped = jnp.where(bits >> 31 == 1, ~bits, bits | jnp.uint32(1 << 31))
    mask = jnp.broadcast_to(valid.reshape((-1,) + (1,) * (x.ndim - 1)), x.shape)
    weights = mask.ravel().astype(jnp.int32)
    index = (flipped >> 16).astype(jnp.int32).ravel()
    counts = state["counts"].at[index].add(weights)
    return {**update_extremes(state, x, valid), "counts": counts}


def _bin_edges() -> Shaped[np.ndarray, " bins"]:
    """Lower edge of each bin in ascending order, float32 (NaN bins included)."""
    keys = np.arange(_BINS, dtype=np.uint32) << 16
    negative = keys < (1 << 31)
    bits = np.where(negative, ~keys & np.uint32(0xFFFF0000), keys ^ np.uint32(1 << 31))
    return bits.astype(np.uint32).view(np.float32)


def range_of_histogram(state: Mapping[str, np.ndarray], percentile: float) -> Range:
    """The values that `percentile` % of all values do not exceed, on each side.

    Each end is the outer edge of the bin that holds the order statistic, never
    beyond the extremes; the error is below 2**-7 of the value.
    """
    counts = np.asarray(state["counts"], np.int64)
    edges = _bin_edges()
    total = int(counts.sum())
    cumulative = np.cumsum(counts)
    rank = int(np.ceil(percentile / 100.0 * total))
    top = int(np.searchsorted(cumulative, max(rank, 1)))
    bottom = int(np.searchsorted(cumulative, total - max(rank, 1) + 1))
    # Outer edges: towards +inf of a positive bin is the next bin's edge; a negative
    # bin's key edge already is its outer (larger magnitude) end.
    high = edges[top + 1] if edges[top] >= 0 else edges[top]
    low = edges[bottom]
    extremes = range_of_extremes(state, percentile)
    return Range(
        low=max(float(low), extremes.low), high=min(float(high), extremes.high)
    )


@dataclass(frozen=True, slots=True)
class Observer:
    """The three functions of a method."""

    empty: Callable[[], State]
    update: Callable[[State, Array, Array], State]
    conclude: Callable[[Mapping[str, np.ndarray], float], Range]


OBSERVERS: Final[Mapping[Method, Observer]] = MappingProxyType(
    {
        Method.MINMAX: Observer(empty_extremes, update_extremes, range_of_extremes),
        Method.PERCENTILE: Observer(
            empty_histogram, update_histogram, range_of_histogram
        ),
    }
)
