"""ema: exponential moving averages of the samples' extremes.

The first sample's extremes start it; each further one moves both ends, in the order of
the samples: new = smoothing * old + (1 - smoothing) * the sample's extreme. A sample,
not a batch, is a step, so the range does not depend on the size of batches.

Source: Jacob et al. 2018 (arXiv 1712.05877), section 3.1: moving averages of the ends
of activation ranges, with a smoothing parameter close to 1.
"""

from dataclasses import dataclass

import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jaxtyping import Bool, Float32

from emu.calibrate.observation import Observation, Range, coarse
from emu.calibrate.statistic import Found, State, Statistic


@dataclass(frozen=True, slots=True)
class MovingExtremes(Statistic):
    """Moving averages in float64: `low`, `high`; `begun` after the first sample."""

    smoothing: float

    @property
    def inside(self) -> bool:
        """In the model: it takes no time."""
        return True

    def empty(self, found: Found) -> dict[str, np.ndarray]:
        """No sample seen."""
        del found
        return {
            "low": np.zeros(()),
            "high": np.zeros(()),
            "begun": np.zeros((), np.bool_),
            "share": np.array(1.0 - self.smoothing),
        }

    @staticmethod
    def update(
        state: State, x: Float32[Array, "n values"], valid: Bool[Array, " n"]
    ) -> State:
        """One step for each valid sample."""
        ends = {"low": jnp.min(x, axis=1), "high": jnp.max(x, axis=1)}
        samples = {key: value.astype(jnp.float64) for key, value in ends.items()}

        def step(
            state: State, one: tuple[dict[str, Array], Array]
        ) -> tuple[State, None]:
            sample, counts = one
            # Written so that a sample like the average leaves it exactly as it is.
            moved = {
                end: state[end] + state["share"] * (sample[end] - state[end])
                for end in sample
            }
            new = {
                end: jnp.where(state["begun"], moved[end], sample[end])
                for end in sample
            }
            kept = {end: jnp.where(counts, new[end], state[end]) for end in sample}
            return {**state, **kept, "begun": state["begun"] | counts}, None

        return lax.scan(step, state, (samples, valid))[0]


def ema_range(observation: Observation, found: Found) -> Range:
    """The averages, made coarse."""
    ends = found[MovingExtremes(observation.smoothing)]
    # Through float32, as values are: what averaging a constant adds is dropped.
    low, high = (float(np.float32(ends[end])) for end in ("low", "high"))
    return Range(low=coarse(low), high=coarse(high))
