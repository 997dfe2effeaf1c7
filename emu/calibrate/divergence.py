"""kl, symkl, jsd: the clip whose integers keep the distribution of magnitudes.

A RECONSTRUCTION: AMCT's old parameters (bin, type, start_ratio, end_ratio, step_ratio,
max_percentile) are documented, the algorithm behind them never was (facts A1.3).

The search starts at T0, the k-th largest magnitude, k = N - floor(max_percentile * N)
(1 for a share of 1). For each candidate T = ratio * T0:

- H: `bin` equal bins over (0, T], magnitudes counted; a bin holds its upper edge. Zeros
  are left out: every grid has them.
- P: H, with the magnitudes above T added to the last bin, as clipping does.
- Q: H through L levels. A level is one of L equal parts of (0, T] and so holds parts of
  bins; it spreads its sum evenly over the parts of those bins that P does not find
  empty. L is 2**n for data of one sign whose integers have an offset, else 2**(n-1).
- P and Q are divided by their sums, then p = 0.9999 p + 0.0001 / bin, q likewise.

KL = sum p ln(p / q); SYMKL = KL(p, q) + KL(q, p); JSD = KL(p, m) / 2 + KL(q, m) / 2 with
m = (p + q) / 2. The first candidate of the smallest divergence wins; those above the
largest magnitude are passed over, for they keep nothing more. The winner is the end of
the side with the larger magnitude; symmetric integers have it on both sides, and with an
offset the other side ends at its own extreme if that is nearer.

Source: facts A1.3 for candidates and divergences; P with and Q without what is clipped,
levels that share bins: Migacz, 8-bit inference with TensorRT (2017), and its variant
with fractional bins in ncnn's quantization tool.
"""

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType
from typing import Any, Final

import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Bool, Float32, Float64, Int64

from emu.calibrate.keys import one_sign, search_magnitude
from emu.calibrate.minmax import extremes
from emu.calibrate.observation import Method, Observation, Range, coarse
from emu.calibrate.search import first_minimum
from emu.calibrate.statistic import Found, State, Statistic, counted

_SMOOTHING: Final = 1e-4
# Divergences that differ by less differ by rounding alone.
_NOISE: Final = 1e-12
# What lattices hold in multiples of the start, unless a search goes further.
_USUAL_END: Final = 2

Distributions = Float64[np.ndarray, "candidates bins"]


@dataclass(frozen=True, slots=True)
class Lattice(Statistic):
    """Magnitudes in cells so narrow that every candidate's bins are whole cells.

    Cell c > 0 holds (c - 1, c] times start / `density`, and none beyond `end` times the
    start; cell 0 has no meaning. The quotient c is exact: start has 8 bits.
    """

    share: float
    density: int
    end: int

    @property
    def key(self) -> Hashable:
        """The lattice, however long."""
        return (type(self), self.share, self.density)

    def join(self, other: Any) -> "Lattice":  # noqa: ANN401 - one of its own class
        """The longer one."""
        return max(self, other, key=lambda one: one.end)

    def empty(self, found: Found) -> dict[str, np.ndarray]:
        """All cells empty, and the start."""
        start = search_magnitude(found, self.share)
        cells = self.density * self.end + 1
        return {
            "start": np.array(start or 1.0),
            "density": np.array(float(self.density)),
            "counts": np.zeros(cells, np.int64),
            "total": np.zeros((), np.int64),
        }

    @staticmethod
    def update(
        state: State, x: Float32[Array, "n values"], valid: Bool[Array, " n"]
    ) -> State:
        """Count a batch."""
        magnitude = jnp.abs(x).astype(jnp.float64)
        cell = jnp.ceil(magnitude * state["density"] / state["start"])
        cells = state["counts"].size
        beyond = jnp.minimum(cell, float(cells))
        return {
            **state,
            "counts": state["counts"] + counted(beyond, valid, cells),
            "total": state["total"]
            + jnp.sum((x != 0) & valid[:, None], dtype=jnp.int64),
        }


def lattice(observation: Observation) -> Lattice:
    """What the second pass counts."""
    end = max(int(np.ceil(observation.end_ratio)), _USUAL_END)
    density = observation.bin * observation.ratio_unit
    return Lattice(observation.upper_share, density, end)


def histograms(
    counts: Int64[np.ndarray, " cells"],
    total: int,
    multiples: Int64[np.ndarray, " candidates"],
    bins: int,
) -> tuple[Distributions, Distributions]:
    """P and H of every candidate: bins of so many cells; `total` magnitudes in all."""
    below = np.cumsum(counts) - counts[0]
    edges = below[multiples[:, None] * np.arange(bins + 1)]
    held = np.diff(edges, axis=1).astype(np.float64)
    clipped = held.copy()
    clipped[:, -1] += total - edges[:, -1]
    return clipped, held


@lru_cache(maxsize=16)
def _parts(bins: int, levels: int) -> Float64[np.ndarray, "parts bins"]:
    """What share of each bin a level holds; the levels inside one bin are one row."""
    inside = np.zeros((bins, bins))
    across = []
    for level in range(levels):
        start, stop = level * bins, (level + 1) * bins  # in units of a bin / levels
        touched = range(start // levels, -(-stop // levels))
        row = np.zeros(bins)
        for one in touched:
            shared = min(stop, (one + 1) * levels) - max(start, one * levels)
            row[one] = shared / levels
        if len(touched) == 1:
            inside[touched[0]] += row
        else:
            across.append(row)
    return np.array([*inside, *across])


def through_levels(
    held: Distributions, clipped: Distributions, levels: int
) -> Distributions:
    """Q of every candidate, from H and P."""
    parts = _parts(held.shape[1], levels)
    occupied = (clipped > 0).astype(np.float64)
    # No matrix products: their threads cost more than these few multiplications.
    room = np.einsum("cb,pb->cp", occupied, parts)
    density = np.einsum("cb,pb->cp", held, parts) / np.where(room > 0, room, 1.0)
    return occupied * np.einsum("cp,pb->cb", density, parts)


def _smooth(counts: Distributions) -> Distributions:
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1.0)
    return (1 - _SMOOTHING) * shares + _SMOOTHING / counts.shape[1]


Losses = Float64[np.ndarray, " candidates"]


def kl(p: Distributions, q: Distributions) -> Losses:
    """Kullback-Leibler divergence."""
    return np.sum(p * np.log(p / q), axis=1)


def symkl(p: Distributions, q: Distributions) -> Losses:
    """Kullback-Leibler divergence in both directions."""
    return kl(p, q) + kl(q, p)


def jsd(p: Distributions, q: Distributions) -> Losses:
    """Jensen-Shannon divergence."""
    middle = (p + q) / 2
    return kl(p, middle) / 2 + kl(q, middle) / 2


DIVERGENCE: Final[Mapping[Method, Callable[[Distributions, Distributions], Losses]]] = (
    MappingProxyType({Method.KL: kl, Method.SYMKL: symkl, Method.JSD: jsd})
)


def divergence_range(observation: Observation, found: Found) -> Range:
    """The candidate of the smallest divergence."""
    start = search_magnitude(found, observation.upper_share)
    if not start:
        return Range(low=0.0, high=0.0)
    state = found[lattice(observation).key]
    unit = observation.ratio_unit
    multiples = np.array([int(ratio * unit) for ratio in observation.ratios])
    clipped, held = histograms(
        state["counts"], int(state["total"]), multiples, observation.bin
    )
    whole = one_sign(found) and not observation.symmetric
    levels = 2 ** (observation.bits - (0 if whole else 1))
    p, q = _smooth(clipped), _smooth(through_levels(held, clipped, levels))
    losses = DIVERGENCE[observation.method](p, q)
    clips = np.array([float(ratio) for ratio in observation.ratios]) * start
    useful = clips <= search_magnitude(found, 1.0)
    losses = np.where(useful | ~useful.any(), losses, np.inf)
    clip = float(clips[first_minimum(losses, noise=_NOISE)])
    return _ends(found, clip, symmetric=observation.symmetric)


def _ends(found: Found, clip: float, *, symmetric: bool) -> Range:
    """Both ends from the one that was searched."""
    seen = extremes(found)
    low, high = min(coarse(seen.low), 0.0), max(coarse(seen.high), 0.0)
    if symmetric:
        return Range(low=-clip if low < 0 else 0.0, high=clip)
    if high >= -low:
        return Range(low=max(low, -clip), high=clip)
    return Range(low=-clip, high=min(high, clip))
