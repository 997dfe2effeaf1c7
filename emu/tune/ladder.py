"""The ladder of AMCT's manual: what it tells a person to do by hand, in its order.

Defaults; a wider search range; more bins; the percentile of detection networks; every
combination of the documented settings; layers excluded one after another from the
first on; all of the network in float16. It ends at the first step that meets the goal.

Source: Parameter Tuning and Table 2 of the Atlas 300 model conversion guide (page
atlasmcg_05_c30_0017), summed up in facts A1.3.
"""

from collections.abc import Iterator
from itertools import product
from typing import Any, Final

import pandas as pd

from emu.quantize import Recipe
from emu.tune.strategy import Bench, Proposal, Search, Steps

_NARROW: Final = {"start_ratio": 0.7, "end_ratio": 1.3, "step_ratio": 0.01}
_WIDE: Final = {"start_ratio": 0.3, "end_ratio": 1.7, "step_ratio": 0.01}
_DEFAULTS: Final = {
    "method": "kl",
    "activation": "asymmetric",
    "weights": "per-channel",
    "bin": 150,
    "max_percentile": 1.0,
    **_NARROW,
}
_DETECTION: Final = 0.99999
_BATCH_COUNTS: Final = (10, 20, 50)


def ladder(search: Search) -> Steps[pd.DataFrame]:
    """Climb until a trial meets the goal; nothing is ranked."""
    samples = search.bench.samples
    tried = []
    for steps in (_by_hand(samples), _grid(samples)):
        proposals = list(steps)
        search.bench.prepare(one.recipe for one in proposals)
        for proposal in proposals:
            trial = yield proposal
            tried.append((trial, proposal.recipe))
            if trial.meets(search.max_drop):
                return pd.DataFrame()
    _, base = max(tried, key=lambda one: (one[0].score, -one[0].number))
    for proposal in _exclusions(base, search.bench):
        trial = yield proposal
        if trial.meets(search.max_drop):
            return pd.DataFrame()
    return pd.DataFrame()


def ladder_trials(bench: Bench) -> int:
    """Trials of a whole climb."""
    grid = len(list(_grid(bench.samples)))
    return len(list(_by_hand(bench.samples))) + grid + len(bench.layers) + 1


def _by_hand(samples: int) -> Iterator[Proposal]:
    """Steps 1 to 4; each change stays for the next."""
    settings: dict[str, Any] = dict(_DEFAULTS)
    changes: tuple[tuple[str, str, dict[str, Any]], ...] = (
        ("defaults", "kl, bin 150, ratios 0.7 to 1.3", {}),
        ("range", "ratios 0.3 to 1.7", _WIDE),
        ("bin", "bin 200", {"bin": 200}),
        ("bin", "bin 250", {"bin": 250}),
        ("percentile", f"max_percentile {_DETECTION}", {"max_percentile": _DETECTION}),
    )
    for step, label, change in changes:
        settings |= change
        yield Proposal(step=step, label=label, recipe=_recipe(settings, None, samples))


def _grid(samples: int) -> Iterator[Proposal]:
    """Step 5: the table of recommended values, its last column changing fastest."""
    counts = [count for count in _BATCH_COUNTS if count <= samples] or [None]
    for offset, weights, bins, kind, ratios, share, count in product(
        ("asymmetric", "symmetric"),
        ("per-channel", "per-tensor"),
        (100, 150, 200),
        ("kl", "symkl", "jsd"),
        (_NARROW, _WIDE),
        (1.0, _DETECTION),
        counts,
    ):
        settings = {
            "method": kind,
            "activation": offset,
            "weights": weights,
            "bin": bins,
            "max_percentile": share,
            **ratios,
        }
        label = (
            f"{kind}, {offset}, {weights}, bin {bins}, to {ratios['end_ratio']}, "
            f"{share}, {count or samples} samples"
        )
        recipe = _recipe(settings, count, samples)
        yield Proposal(step="grid", label=label, recipe=recipe)


def _exclusions(base: Recipe, bench: Bench) -> Iterator[Proposal]:
    """Steps 6 and 7: layers excluded from the first on, in the end all of them."""
    layers = bench.layers
    for count in range(1, len(layers) + 1):
        yield Proposal(
            step="exclude",
            label=f"the first {count}, to {layers[count - 1]}",
            recipe=base.model_copy(update={"exclude": tuple(layers[:count])}),
        )
    yield Proposal(
        step="float16",
        label="the whole network",
        recipe=base.model_copy(update={"exclude": tuple(bench.everything)}),
    )


def _recipe(settings: dict[str, Any], count: int | None, samples: int) -> Recipe:
    limited = {"batch_count": count} if count and count < samples else {}
    return Recipe.model_validate({"global": dict(settings), **limited})
