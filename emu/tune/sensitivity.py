"""The default strategy: find what hurts, then pay as little as possible for it.

1. The target's defaults. Good enough: done.
2. Layers are ranked by a cheap proxy, each alone on golden inputs in one pass (SQNR);
   the worst of them again by what is won when that layer alone runs in float16.
3. Every calibration method for the whole network, then what improves the weights.
4. For the worst layers, every method for that layer alone.
5. Where the target has wider integers: the shortest prefix of the ranking whose layers
   must be wide, found by bisection.
6. The same with float16 instead, as AMCT's accuracy-based automatic calibration does:
   bisection over the length of the worst-first prefix that is rolled back.

It ends at the first step that meets the goal, so that a dearer one is never taken
where a cheaper one will do. Whatever is accepted was evaluated on all of the data.

Source: step 6, accuracy_based_auto_calibration.py of AMCT (facts A1.2); that one layer
can make most of the loss: Hailo, arXiv 2012.08420.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import pandas as pd

from emu.quantize import Recipe
from emu.tune.strategy import Bench, Proposal, Search, Steps
from emu.tune.trials import Trial, recipe_json

Settings = Mapping[str, Any]

_MEASURED: Final = 5  # layers whose own loss is measured
_ALONE: Final = 3  # layers that get a method of their own
_WIDE_RATIOS: Final = {"start_ratio": 0.3, "end_ratio": 1.7}

_METHODS: Final[tuple[tuple[str, Settings], ...]] = (
    ("mse", {"method": "mse", "start_ratio": 0.3, "end_ratio": 1.0}),
    ("kl", {"method": "kl"}),
    ("kl, ratios 0.3 to 1.7", {"method": "kl", **_WIDE_RATIOS}),
    ("jsd", {"method": "jsd"}),
    ("ifmr", {"method": "ifmr"}),
    ("hfmg", {"method": "hfmg"}),
    ("percentile 99.99", {"method": "percentile", "percentile": 99.99}),
    ("percentile 99.9", {"method": "percentile", "percentile": 99.9}),
    ("ema", {"method": "ema"}),
)
_WEIGHTS: Final[tuple[tuple[str, Settings], ...]] = (
    ("bias correction", {"bias_correction": True}),
    ("least squared error of weights", {"weight_method": "mse"}),
    ("balanced inputs", {"migration_strength": 0.5}),
)


def sensitivity(search: Search) -> Steps[pd.DataFrame]:
    """Search as described above; the value is the ranking of step 2."""
    bench, defaults = search.bench, Recipe()
    bench.prepare([defaults, *(_with(defaults, change) for _, change in _METHODS)])
    first = yield Proposal(
        step="defaults", label="min-max, the target's own", recipe=defaults
    )
    if first.meets(search.max_drop):
        return pd.DataFrame()
    ranking = yield from _rank(search, defaults, first)
    best, recipe = yield from _best_of(
        search, "method", (first, defaults), _METHODS, keep=False
    )
    if not best.meets(search.max_drop):
        best, recipe = yield from _best_of(
            search, "weights", (best, recipe), _WEIGHTS, keep=True
        )
    if not best.meets(search.max_drop):
        best, recipe = yield from _methods_of_layers(search, (best, recipe), ranking)
    if best.meets(search.max_drop):
        return ranking
    worst = tuple(ranking["name"])
    wider = _widening(bench)
    if wider and (yield from _shortest_prefix(search, "wide", recipe, worst, wider)):
        return ranking
    yield from _shortest_prefix(search, "float16", recipe, worst, _excluded)
    return ranking


def sensitivity_trials(bench: Bench) -> int:
    """Trials if nothing helps before both bisections are through."""
    bisections = 2 * (1 + 2 * len(bench.everything).bit_length())
    alone = _ALONE * (1 + len(_METHODS))
    return 1 + _MEASURED + len(_METHODS) + len(_WEIGHTS) + alone + bisections


def _rank(search: Search, recipe: Recipe, base: Trial) -> Steps[pd.DataFrame]:
    """Layers worst first; `gain_points` is what the layer alone costs, if measured."""
    table = search.bench.rank(recipe).sort_values("sqnr_db", kind="stable")
    table = table.reset_index(drop=True)
    gains: dict[str, float] = {}
    for name in table["name"][:_MEASURED]:
        trial = yield Proposal(
            step="sensitivity",
            label=f"{name} alone in float16",
            recipe=_excluded(recipe, (name,)),
        )
        gains[name] = base.drop_points - trial.drop_points
    table["gain_points"] = [gains.get(name) for name in table["name"]]
    # Those that were measured and matter, by their gain; then the others by proxy.
    order = [-gains[n] if gains.get(n, 0) > 0 else 0.0 for n in table["name"]]
    table = table.iloc[sorted(range(len(order)), key=order.__getitem__)]
    return table.reset_index(drop=True)


def _best_of(
    search: Search,
    step: str,
    start: tuple[Trial, Recipe],
    changes: Sequence[tuple[str, Settings]],
    *,
    keep: bool,
) -> Steps[tuple[Trial, Recipe]]:
    """The best of the changes to the whole network, or the start; the first that will do.

    `keep`: a change that wins something stays for the next, else each stands alone.
    """
    best, recipe = start
    base = recipe
    search.bench.prepare(_with(recipe, change) for _, change in changes)
    for label, change in changes:
        tried = _with(recipe if keep else base, change)
        trial = yield Proposal(step=step, label=label, recipe=tried)
        if trial.score > best.score:
            best, recipe = trial, tried
        if trial.meets(search.max_drop):
            return trial, tried
    return best, recipe


def _methods_of_layers(
    search: Search, start: tuple[Trial, Recipe], ranking: pd.DataFrame
) -> Steps[tuple[Trial, Recipe]]:
    """Another method for each of the worst layers; what wins something stays."""
    best, recipe = start
    changes = (("min-max", {"method": "minmax"}), *_METHODS)
    worst = {name: search.bench.around(name) for name in ranking["name"][:_ALONE]}
    # One pass over the calibration data serves whatever these layers try.
    search.bench.prepare(
        _layers_with(recipe, names, change)
        for names in worst.values()
        for _, change in changes
    )
    for name, names in worst.items():
        for label, change in changes:
            tried = _layers_with(recipe, names, change)
            trial = yield Proposal(step="layer", label=f"{name}: {label}", recipe=tried)
            if trial.score > best.score:
                best, recipe = trial, tried
            if trial.meets(search.max_drop):
                return trial, tried
    return best, recipe


Change = Callable[[Recipe, tuple[str, ...]], Recipe]


def _shortest_prefix(
    search: Search, step: str, recipe: Recipe, worst: tuple[str, ...], change: Change
) -> Steps[bool]:
    """Bisect for the fewest of the worst layers that have to change; whether any will do.

    The whole ranking comes first. Where that is not enough a shorter prefix may be, for
    the change itself loses something: the 1, 2, 4, ... worst follow.
    """

    def proposal(count: int) -> Proposal:
        label = (
            "all layers"
            if count == len(worst)
            else f"{count}: {_listed(worst[:count])}"
        )
        return Proposal(step=step, label=label, recipe=change(recipe, worst[:count]))

    lengths = [len(worst), *(1 << n for n in range(len(worst).bit_length() - 1))]
    enough, too_few = 0, 0
    for count in lengths:
        trial = yield proposal(count)
        if trial.meets(search.max_drop):
            enough = count
            break
        too_few = count if count < len(worst) else 0
    if not enough:
        return False
    while enough - too_few > 1:
        middle = (enough + too_few) // 2
        trial = yield proposal(middle)
        if trial.meets(search.max_drop):
            enough = middle
        else:
            too_few = middle
    return True


def _listed(names: Sequence[str], most: int = 3) -> str:
    more = f", {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def _widening(bench: Bench) -> Change | None:
    """The widest integers of the target for results, operands and weights, if wider."""
    target = bench.target
    change: dict[str, Any] = {}
    if max(target.activation.widths, default=0) > target.activation.bits:
        change |= {"activation_bits": max(target.activation.widths), "method": "minmax"}
    if max(target.weight.widths, default=0) > target.weight.bits:
        change |= {"weight_bits": max(target.weight.widths)}
    if not change:
        return None

    def widened(recipe: Recipe, layers: tuple[str, ...]) -> Recipe:
        names = [name for layer in layers for name in bench.around(layer)]
        return _layers_with(recipe, names, change)

    return widened


def _excluded(recipe: Recipe, layers: tuple[str, ...]) -> Recipe:
    return recipe.model_copy(update={"exclude": (*recipe.exclude, *layers)})


def _with(recipe: Recipe, change: Settings) -> Recipe:
    """The recipe with other settings for the whole network."""
    found = recipe_json(recipe)
    found["global"] = {**found.get("global", {}), **change}
    return Recipe.model_validate(found)


def _layers_with(recipe: Recipe, layers: Sequence[str], change: Settings) -> Recipe:
    """The recipe with other settings for some layers."""
    found = recipe_json(recipe)
    before = found.get("layer", {})
    found["layer"] = before | {n: {**before.get(n, {}), **change} for n in layers}
    return Recipe.model_validate(found)
