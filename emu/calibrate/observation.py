"""Observation: a method of choosing a tensor's range, with all its parameters."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from fractions import Fraction
from functools import lru_cache
from typing import Any, Final

from emu.errors import ConfigError


class Method(Enum):
    """Ways of choosing the range of a tensor; each has a file of its own."""

    MINMAX = "minmax"
    EMA = "ema"
    PERCENTILE = "percentile"
    MSE = "mse"
    KL = "kl"
    SYMKL = "symkl"
    JSD = "jsd"
    IFMR = "ifmr"
    HFMG = "hfmg"


DIVERGENCES: Final = (Method.KL, Method.SYMKL, Method.JSD)

# Shares where searches start, by default: the largest value, or AMCT's for IFMR.
_IFMR_PERCENTILE: Final = 0.999999
# Finest ratios of a divergence search: its histogram has this many cells for each bin.
_FINEST: Final = 2000
_MOST_CANDIDATES: Final = 2000


@dataclass(frozen=True, slots=True, kw_only=True)
class Range:
    """Smallest and largest real value to represent."""

    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Observation:
    """How one tensor is observed, and for which integers.

    Attributes:
        percentile: percentile: in percent, 50 < p <= 100.
        smoothing: ema: weight of what is known when a sample comes, 0 <= s < 1.
        bin: kl, symkl, jsd: bins of a candidate's histogram, 100 to 250.
        start_ratio, end_ratio, step_ratio: mse, kl, symkl, jsd, ifmr: candidates are
            start, start + step, ... <= end, times where the search starts.
        max_percentile, min_percentile: the same methods: share of all values, 0.5 <
            p <= 1, that the start of the search holds, at the upper and the lower
            end. By default 1, for ifmr 0.999999. The divergences know magnitudes
            only, and so no lower end.
        num_of_bins: hfmg: 1024, 2048, 4096 or 8192.
        bits: of the integers, 2 to 16: mse, kl, symkl, jsd, ifmr and hfmg look for
            the range that suits them.
        symmetric: whether the integers have no offset (AMCT: NON_OFFSET), or else one
            (HALF_OFFSET).

    Raises ConfigError for a parameter out of its range.
    """

    method: Method = Method.MINMAX
    percentile: float = 99.99
    smoothing: float = 0.99
    bin: int = 150
    start_ratio: float = 0.7
    end_ratio: float = 1.3
    step_ratio: float = 0.01
    max_percentile: float | None = None
    min_percentile: float | None = None
    num_of_bins: int = 4096
    bits: int = 8
    symmetric: bool = False

    def __post_init__(self) -> None:
        """Refuse what no search can use."""
        for name, (fits, expected) in _LIMITS.items():
            found = getattr(self, name)
            if found is not None and not fits(found):
                raise ConfigError(f"{name}: found {found!r}, expected {expected}")
        start, end, step = self.start_ratio, self.end_ratio, self.step_ratio
        if not start < end:
            raise ConfigError(
                f"start_ratio {start!r} must be smaller than end_ratio {end!r}"
            )
        if step > end - start:
            raise ConfigError(
                f"step_ratio {step!r} must not be larger than the range it divides, "
                f"{start!r} to {end!r}"
            )
        if (end - start) / step > _MOST_CANDIDATES:
            raise ConfigError(
                f"step_ratio {step!r} makes more than {_MOST_CANDIDATES} candidates of "
                f"{start!r} to {end!r}"
            )
        if self.method in DIVERGENCES and self.ratio_unit > _FINEST:
            raise ConfigError(
                f"start_ratio {start!r} and step_ratio {step!r} must be multiples of "
                f"one fraction not finer than 1/{_FINEST}"
            )

    @property
    def ratios(self) -> tuple[Fraction, ...]:
        """The candidates' ratios as the decimals that were written, both ends included.

        AMCT counts in floats and so leaves 1.7 of 0.3, 1.7, 0.01 out, but not 1.3 of
        0.7, 1.3, 0.01.
        """
        return _ratios(self.start_ratio, self.end_ratio, self.step_ratio)

    @property
    def ratio_unit(self) -> int:
        """All ratios are whole multiples of one over this."""
        return math.lcm(
            _decimal(self.start_ratio).denominator,
            _decimal(self.step_ratio).denominator,
        )

    @property
    def upper_share(self) -> float:
        """`max_percentile` or its default."""
        return self._share(self.max_percentile)

    @property
    def lower_share(self) -> float:
        """`min_percentile` or its default."""
        return self._share(self.min_percentile)

    def _share(self, stated: float | None) -> float:
        default = _IFMR_PERCENTILE if self.method is Method.IFMR else 1.0
        return default if stated is None else stated


@lru_cache(maxsize=256)
def _ratios(first: float, last: float, width: float) -> tuple[Fraction, ...]:
    start, end, step = map(_decimal, (first, last, width))
    return tuple(start + i * step for i in range(int((end - start) / step) + 1))


def _decimal(value: float) -> Fraction:
    return Fraction(repr(value))


_SHARE: Final = (lambda p: 0.5 < p <= 1, "more than 0.5 and at most 1")
_RATIO: Final = (lambda r: 0 < r <= 4, "more than 0 and at most 4")
_LIMITS: Final[dict[str, tuple[Callable[[Any], bool], str]]] = {
    "percentile": (lambda p: 50 < p <= 100, "more than 50 and at most 100"),
    "smoothing": (lambda s: 0 <= s < 1, "at least 0 and less than 1"),
    "bin": (lambda n: 100 <= n <= 250, "100 to 250"),
    "start_ratio": _RATIO,
    "end_ratio": _RATIO,
    "step_ratio": _RATIO,
    "max_percentile": _SHARE,
    "min_percentile": _SHARE,
    "num_of_bins": (
        lambda n: n in (1024, 2048, 4096, 8192),
        "1024, 2048, 4096 or 8192",
    ),
    "bits": (lambda b: 2 <= b <= 16, "2 to 16"),
}


def coarse(value: float) -> float:
    """Round away from zero to 8 significant bits.

    Float sums differ in their last bits between processors; ranges on a coarse grid
    do not, so the integer program made here is the same program elsewhere. It costs
    at most 2**-7 of the range.
    """
    mantissa, exponent = math.frexp(abs(value))
    return math.copysign(math.ldexp(math.ceil(mantissa * 256), exponent - 8), value)
