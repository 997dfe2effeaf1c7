"""Which layers moved beside the baseline by more than their bands, and which way."""

import math
from collections.abc import Callable, Mapping
from itertools import chain
from types import MappingProxyType
from typing import Final

from emu.gate.bands import Bands
from emu.gate.baseline import Baseline, LayerFigures

# Figure -> whether more of it is better, and how two of them are told.
_JUDGED: Final[Mapping[str, tuple[bool, Callable[[float, float], str]]]] = (
    MappingProxyType(
        {
            "sqnr_db": (True, lambda a, b: f"SQNR {a:.1f} -> {b:.1f} dB"),
            "cosine": (True, lambda a, b: f"cosine {a:.5f} -> {b:.5f}"),
            "max_lsb": (False, lambda a, b: f"max {a:.1f} -> {b:.1f} LSB"),
        }
    )
)


def moved_layers(
    found: Baseline, stored: Baseline, bands: Bands
) -> tuple[list[str], list[str]]:
    """Lines on layers that are worse, and on those that are only better.

    A layer of either side alone is worse, and so is one where a figure is NaN now or
    was so: nobody can say that it is better. Equal infinities, and NaN on both sides,
    have not moved.
    """
    worse, better = [], []
    for mode in sorted(found.layers.keys() | stored.layers.keys()):
        old, new = figures_by_name(stored, mode), figures_by_name(found, mode)
        for name in dict.fromkeys(chain(old, new)):
            if name not in new:
                worse.append(f"{mode} {name} is missing")
            elif name not in old:
                worse.append(f"{mode} {name} is new")
            elif moves := _moves(old[name], new[name], bands):
                line = f"{mode} {name} {', '.join(told for _, told in moves)}"
                (better if all(up for up, _ in moves) else worse).append(line)
    return worse, better


def figures_by_name(baseline: Baseline, mode: str) -> dict[str, LayerFigures]:
    """The rows of one mode, in order of execution; none if it was not run."""
    return {row.name: row for row in baseline.layers.get(mode, ())}


def _moves(
    old: LayerFigures, new: LayerFigures, bands: Bands
) -> list[tuple[bool, str]]:
    """Whether each figure beyond its band is better, and from what to what."""
    found = []
    for key, (more_is_better, told) in _JUDGED.items():
        a, b = getattr(old, key), getattr(new, key)
        same = a == b or (math.isnan(a) and math.isnan(b))
        # Written so that NaN, which infinity less infinity is too, counts as beyond.
        if not same and not abs(b - a) <= getattr(bands, key):
            found.append((b > a if more_is_better else b < a, told(a, b)))
    a, b = old.acc_overflows, new.acc_overflows
    # How many there are may depend on one float; whether there are any, a register does.
    if a != b and (found or not (a and b)):
        found.append((b < a, f"accumulator overflows {a} -> {b}"))
    return found
