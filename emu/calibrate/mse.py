"""mse: the range whose integers are nearest to the values, in squared error.

The search starts at the ends of the values, low <= 0 <= high (the whole range, or the
shares `min_percentile` and `max_percentile` of it). A candidate is both ends times its
ratio; its integers are those that the program will have:

- symmetric: T = ratio * max(-low, high), scale = T / (2**(n-1) - 1), integers from
  -2**(n-1) to 2**(n-1) - 1;
- with an offset: scale = ratio * (high - low) / (2**n - 1), integers around
  round(-2**(n-1) - low / scale).

The smallest sum of (x - dequantized(quantized(x)))**2 wins.

Source: Nagel et al. 2021, A White Paper on Neural Network Quantization (arXiv
2106.08295), section 3.1; scale and offset as in facts A1.1.
"""

from dataclasses import dataclass

import numpy as np

from emu.calibrate.keys import search_ends
from emu.calibrate.observation import Observation, Range
from emu.calibrate.search import first_minimum
from emu.calibrate.squared_error import Candidates, SquaredErrors, errors_of
from emu.calibrate.statistic import Found, Statistic


@dataclass(frozen=True, slots=True)
class MseGrids:
    """The grids of programs: both ends of the range move."""

    bits: int
    symmetric: bool
    upper: float
    lower: float

    def of(
        self, found: Found, ratios: Candidates
    ) -> tuple[Candidates, Candidates, Candidates]:
        """Scale, lowest and highest multiple of each candidate."""
        low, high = search_ends(found, self.upper, self.lower)
        lowest, highest = -(2 ** (self.bits - 1)), 2 ** (self.bits - 1) - 1
        offset = 0.0
        if self.symmetric:
            scale = max(-low, high) / highest
        else:
            scale = (high - low) / (highest - lowest)
            # The same for all candidates: low and scale have the same factor. The
            # quotient is exact where it is a tie, for both ends have 8 bits.
            steps = low * (highest - lowest) / (high - low) if scale else 0.0
            offset = float(np.clip(np.rint(lowest - steps), lowest, highest))
        same = np.ones_like(ratios)
        return ratios * scale, same * (lowest - offset), same * (highest - offset)


def _grids(observation: Observation) -> MseGrids:
    return MseGrids(
        bits=observation.bits,
        symmetric=observation.symmetric,
        upper=observation.upper_share,
        lower=observation.lower_share,
    )


def mse_errors(observation: Observation) -> Statistic:
    """What the second pass counts."""
    return SquaredErrors(_grids(observation), observation.ratios)


def mse_range(observation: Observation, found: Found) -> Range:
    """The best candidate."""
    low, high = search_ends(found, observation.upper_share, observation.lower_share)
    losses = errors_of(found, _grids(observation), observation.ratios)
    ratio = float(observation.ratios[first_minimum(losses)])
    if observation.symmetric:
        largest = max(-low, high)
        low, high = (-largest if low < 0 else 0.0), largest
    return Range(low=ratio * low, high=ratio * high)
