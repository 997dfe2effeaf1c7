"""minmax: from the smallest to the largest value.

Source: Jacob et al. 2018 (arXiv 1712.05877), section 3.
"""

import math
from dataclasses import dataclass

import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Bool, Float32

from emu.calibrate.observation import Observation, Range, coarse
from emu.calibrate.statistic import Found, State, Statistic, valid_or


@dataclass(frozen=True, slots=True)
class Extremes(Statistic):
    """Smallest and largest value, float32: `low`, `high`. NaN stays NaN."""

    @property
    def inside(self) -> bool:
        """In the model: it takes no time."""
        return True

    def empty(self, found: Found) -> dict[str, np.ndarray]:
        """No value seen."""
        del found
        return {"low": np.array(np.inf, "f4"), "high": np.array(-np.inf, "f4")}

    @staticmethod
    def update(
        state: State, x: Float32[Array, "n values"], valid: Bool[Array, " n"]
    ) -> State:
        """Widen."""
        return {
            "low": jnp.minimum(state["low"], jnp.min(valid_or(x, valid, math.inf))),
            "high": jnp.maximum(state["high"], jnp.max(valid_or(x, valid, -math.inf))),
        }


EXTREMES = Extremes()


def extremes(found: Found) -> Range:
    """Smallest and largest value as they are."""
    ends = found[EXTREMES]
    return Range(low=float(ends["low"]), high=float(ends["high"]))


def minmax_range(observation: Observation, found: Found) -> Range:
    """The extremes, made coarse."""
    del observation
    seen = extremes(found)
    return Range(low=coarse(seen.low), high=coarse(seen.high))
