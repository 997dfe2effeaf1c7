"""quantize_model: the whole way from a float Graph to an integer one."""

from collections.abc import Callable, Mapping

from emu.calibrate import Batches, calibrate, channel_maxima, first_samples
from emu.graph import Graph
from emu.optimize import Balanced, balance, run_passes
from emu.quantize.layers import quantize_graph
from emu.quantize.recipe import (
    Recipe,
    averaged,
    check_recipe,
    observations,
    strengths,
)
from emu.targets import Target


def quantize_model(
    graph: Graph,
    batches: Batches,
    recipe: Recipe,
    target: Target,
    provenance: Mapping[str, object] | None = None,
    progress: Callable[[int], None] | None = None,
) -> Graph:
    """Optimize, calibrate on `batches` (float32 model inputs), lower to integers.

    `batches` gives a fresh run over them on each call, or is a sequence: some methods
    need two passes. `recipe.batch_count` samples of them count.
    Recipe names are those of the graph after optimization (a folded batch norm goes
    by the name of its convolution). Target, recipe and versions are recorded in the
    result's provenance, with `provenance` (calibration data, say) and, if the recipe
    balances layers, which ones and why others are left.
    """
    floats = run_passes(graph)
    check_recipe(recipe, floats)
    batches = first_samples(batches, recipe.batch_count)
    balanced = balance_model(floats, batches, recipe)
    floats = balanced.graph
    calibration = calibrate(
        floats,
        batches,
        observations(recipe, floats, target),
        averaged(recipe, floats),
        progress,
    )
    record = {
        "target": target.model_dump(mode="json"),
        "recipe": recipe.model_dump(mode="json", exclude_none=True, by_alias=True),
        **balanced.record(),
        **(provenance or {}),
    }
    return quantize_graph(floats, calibration, recipe, target, record)


def balance_model(floats: Graph, batches: Batches, recipe: Recipe) -> Balanced:
    """The graph with the inputs of layers balanced as the recipe says.

    Takes a pass over the batches for the largest magnitude of each channel, none if
    the recipe balances nothing. The graph is one that went through `run_passes`.
    """
    wanted = strengths(recipe, floats)
    if not wanted:
        return Balanced(graph=floats, layers=(), left={})
    inputs = {n.inputs[0] for n in floats.nodes if n.name in wanted}
    maxima = channel_maxima(floats, batches, sorted(inputs))
    return balance(floats, maxima, wanted)
