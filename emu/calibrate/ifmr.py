"""ifmr: AMCT's search of the upper end (Input Feature Map Reconstruction).

The search starts at order statistics: high is the k-th largest value, at least 0, k =
N - floor(max_percentile * N) (1 for a share of 1), low likewise from below, at most 0.

- With an offset: a candidate is ratio * high; low stays. scale = (ratio * high - low) /
  (2**n - 1), a value becomes round(clip(x, low, ratio * high) / scale) * scale.
- Symmetric: T = ratio * max(-low, high), clipping at -T and T, scale = T / L with L =
  2**(n-1) where the negative end is larger, else 2**(n-1) - 1.

The smallest mean squared error wins.

Source: facts A1.2; hicann/amct 2be20da, custom_op/ifmr/ifmr_impl.py (its documents say
that the lower end is searched too; the code does not). There the order statistics are
exact, here coarse, 8 bits.
"""

from dataclasses import dataclass

from emu.calibrate.keys import search_ends
from emu.calibrate.observation import Observation, Range
from emu.calibrate.search import first_minimum
from emu.calibrate.squared_error import Candidates, SquaredErrors, errors_of
from emu.calibrate.statistic import Found, Statistic


@dataclass(frozen=True, slots=True)
class IfmrGrids:
    """Grids without an offset, clipped at real values: only the upper end moves."""

    bits: int
    symmetric: bool
    upper: float
    lower: float

    def of(
        self, found: Found, ratios: Candidates
    ) -> tuple[Candidates, Candidates, Candidates]:
        """Scale, lowest and highest multiple (no whole numbers) of each candidate."""
        low, high = search_ends(found, self.upper, self.lower)
        lows, highs = 0 * ratios + low, ratios * high
        levels = 2**self.bits - 1
        if self.symmetric:
            highs = ratios * max(-low, high)
            lows = -highs
            levels = 2 ** (self.bits - 1) - (0 if -low > high else 1)
            scale = highs / levels
        else:
            scale = (highs - lows) / levels
        divisor = scale if low < high else 1 + 0 * ratios
        return scale, lows / divisor, highs / divisor


def _grids(observation: Observation) -> IfmrGrids:
    return IfmrGrids(
        bits=observation.bits,
        symmetric=observation.symmetric,
        upper=observation.upper_share,
        lower=observation.lower_share,
    )


def ifmr_errors(observation: Observation) -> Statistic:
    """What the second pass counts."""
    return SquaredErrors(_grids(observation), observation.ratios)


def ifmr_range(observation: Observation, found: Found) -> Range:
    """The best candidate."""
    low, high = search_ends(found, observation.upper_share, observation.lower_share)
    losses = errors_of(found, _grids(observation), observation.ratios)
    ratio = float(observation.ratios[first_minimum(losses)])
    if not observation.symmetric:
        return Range(low=low, high=ratio * high)
    largest = ratio * max(-low, high)
    return Range(low=-largest if low < 0 else 0.0, high=largest)
