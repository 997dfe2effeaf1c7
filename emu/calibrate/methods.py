"""METHODS: what each method counts in the passes, and how it concludes a range."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from emu.calibrate.divergence import divergence_range, lattice
from emu.calibrate.ema import MovingExtremes, ema_range
from emu.calibrate.hfmg import hfmg_bins, hfmg_range
from emu.calibrate.ifmr import ifmr_errors, ifmr_range
from emu.calibrate.keys import KEYS
from emu.calibrate.minmax import minmax_range
from emu.calibrate.mse import mse_errors, mse_range
from emu.calibrate.observation import Method, Observation, Range
from emu.calibrate.percentile import percentile_range
from emu.calibrate.statistic import Found, Statistic

Counter = Callable[[Observation], Statistic]


@dataclass(frozen=True, slots=True)
class Way:
    """What a method counts in the first and the second pass, and its conclusion.

    The extremes are always counted.
    """

    conclude: Callable[[Observation, Found], Range]
    first: Counter | None = None
    second: Counter | None = None


def _keys(observation: Observation) -> Statistic:
    del observation
    return KEYS


def _moving(observation: Observation) -> Statistic:
    return MovingExtremes(observation.smoothing)


METHODS: Final[Mapping[Method, Way]] = MappingProxyType(
    {
        Method.MINMAX: Way(minmax_range),
        Method.EMA: Way(ema_range, _moving),
        Method.PERCENTILE: Way(percentile_range, _keys),
        Method.MSE: Way(mse_range, _keys, mse_errors),
        Method.KL: Way(divergence_range, _keys, lattice),
        Method.SYMKL: Way(divergence_range, _keys, lattice),
        Method.JSD: Way(divergence_range, _keys, lattice),
        Method.IFMR: Way(ifmr_range, _keys, ifmr_errors),
        Method.HFMG: Way(hfmg_range, None, hfmg_bins),
    }
)
