"""quantize_model: the whole way from a float Graph to an integer one."""

from collections.abc import Callable, Mapping

from emu.calibrate import Batches, calibrate, first_samples
from emu.graph import Graph
from emu.optimize import run_passes
from emu.quantize.layers import quantize_graph
from emu.quantize.recipe import Recipe, averaged, check_recipe, observations
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
    result's provenance, with `provenance` (calibration data, say).
    """
    floats = run_passes(graph)
    check_recipe(recipe, floats)
    calibration = calibrate(
        floats,
        first_samples(batches, recipe.batch_count),
        observations(recipe, floats, target),
        averaged(recipe, floats),
        progress,
    )
    record = {
        "target": target.model_dump(mode="json"),
        "recipe": recipe.model_dump(mode="json", exclude_none=True, by_alias=True),
        **(provenance or {}),
    }
    return quantize_graph(floats, calibration, recipe, target, record)
