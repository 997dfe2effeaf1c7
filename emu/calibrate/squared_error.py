"""SquaredErrors: what quantization to each candidate's grid does to the values.

The second pass of mse and ifmr. A grid is a scale and the lowest and highest multiple of
it; a value becomes round(clip(x / scale, lowest, highest)) * scale, and the squared
differences from the values are summed for every candidate at once, in float64.
"""

from collections.abc import Hashable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Final, Protocol, runtime_checkable

import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jaxtyping import Bool, Float32, Float64

from emu.calibrate.statistic import Found, State, Statistic, valid_or

# Values that are added up side by side.
_LANES: Final = 512
# Below, a scale means that there is nothing to represent (facts A1.1).
_SMALLEST_SCALE: Final = float(np.finfo(np.float32).eps)

Ratios = tuple[Fraction, ...]
Candidates = Float64[np.ndarray, " candidates"]


@runtime_checkable
class Grids(Protocol):
    """The grids of a method: frozen data."""

    def of(
        self, found: Found, ratios: Candidates
    ) -> tuple[Candidates, Candidates, Candidates]:
        """Scale, lowest and highest multiple of each candidate."""
        ...


@dataclass(frozen=True, slots=True)
class SquaredErrors(Statistic):
    """Sums of squared errors of all candidates: `sums`, beside `ratios`.

    Searches on the same grids share one pass over the union of their candidates.
    """

    grids: Grids
    ratios: Ratios

    @property
    def key(self) -> Hashable:
        """The grids, whatever the candidates."""
        return self.grids

    def join(self, other: Any) -> "SquaredErrors":  # noqa: ANN401 - one of its own class
        """The candidates of both."""
        return SquaredErrors(self.grids, tuple(sorted({*self.ratios, *other.ratios})))

    def empty(self, found: Found) -> dict[str, np.ndarray]:
        """Zero errors, and the grids."""
        ratios = np.array([float(ratio) for ratio in self.ratios])
        scale, lowest, highest = self.grids.of(found, ratios)
        return {
            "ratios": ratios,
            "scale": np.where(scale < _SMALLEST_SCALE, 1.0, scale),
            "lowest": lowest,
            "highest": highest,
            "sums": np.zeros(len(ratios)),
        }

    @staticmethod
    def update(
        state: State, x: Float32[Array, "n values"], valid: Bool[Array, " n"]
    ) -> State:
        """Add the errors of a batch."""
        # Zeros, which every grid has, fill up what is no sample.
        values = valid_or(x, valid, 0.0).ravel()
        rows = jnp.pad(values, (0, -values.size % _LANES)).reshape(-1, _LANES)
        inverse = (1.0 / state["scale"])[:, None]
        lowest, highest = state["lowest"][:, None], state["highest"][:, None]

        def add(sums: Array, row: Array) -> tuple[Array, None]:
            exact = row.astype(jnp.float64)[None, :] * inverse
            error = exact - jnp.round(jnp.clip(exact, lowest, highest))
            return sums + error * error, None

        zero = jnp.zeros((state["sums"].size, _LANES), jnp.float64)
        errors = jnp.sum(lax.scan(add, zero, rows)[0], axis=1)
        return {**state, "sums": state["sums"] + errors * jnp.square(state["scale"])}


def errors_of(found: Found, grids: Grids, ratios: Ratios) -> Candidates:
    """The sums of squared errors of some of the candidates on these grids."""
    state = found[grids]
    known = dict(zip(state["ratios"].tolist(), state["sums"].tolist(), strict=True))
    return np.array([known[float(ratio)] for ratio in ratios])
