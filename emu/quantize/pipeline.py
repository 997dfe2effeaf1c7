"""quantize_model: the whole way from a float Graph to an integer one."""

from collections.abc import Callable, Mapping

from emu.calibrate import (
    Batches,
    Calibration,
    Range,
    calibrate,
    channel_maxima,
    first_samples,
)
from emu.errors import EmuError
from emu.graph import Graph
from emu.optimize import Balanced, balance, run_passes
from emu.quantize.amct import Record, fit_record, require_honoured
from emu.quantize.layers import quantize_graph
from emu.quantize.recipe import (
    Recipe,
    averaged,
    check_recipe,
    layer_settings,
    observations,
    strengths,
)
from emu.quantize.recorded import NO_FACTORS, Factors
from emu.recall import Checkpoint
from emu.targets import Target


def quantize_model(
    graph: Graph,
    batches: Batches,
    recipe: Recipe,
    target: Target,
    provenance: Mapping[str, object] | None = None,
    progress: Callable[[int], None] | None = None,
    *,
    record: Record | None = None,
    checkpoint: Checkpoint = Checkpoint(),  # noqa: B008 - has no state
) -> Graph:
    """Optimize, calibrate on `batches` (float32 model inputs), lower to integers.

    `batches` gives a fresh run over them on each call, or is a sequence: some methods
    need two passes. `recipe.batch_count` samples of them count. Batches that an earlier
    run has finished by its `checkpoint` are not run again.
    Recipe names are those of the graph after optimization (a folded batch norm goes
    by the name of its convolution). Target, recipe and versions are recorded in the
    result's provenance, with `provenance` (calibration data, say) and, if the recipe
    balances layers, which ones and why others are left.

    What a `record` says is taken from it and not calibrated; the batches are not
    touched if nothing is left (see `calibration_gaps`). Raises ConfigError for one that
    does not fit the model or cannot be had on the target.
    """
    floats = run_passes(graph)
    check_recipe(recipe, floats)
    batches = first_samples(batches, recipe.batch_count)
    balanced = balance_model(floats, batches, recipe, checkpoint)
    floats = balanced.graph
    wanted, factors = observations(recipe, floats, target), NO_FACTORS
    if record is not None:
        factors = fit_record(record, floats, target)
        gaps = _gaps(floats, recipe, target, factors)
        wanted = {name: wanted[name] for name in gaps if name in wanted}
    means = averaged(recipe, floats)
    if record is None or wanted or means:
        calibration = calibrate(floats, batches, wanted, means, progress, checkpoint)
    else:
        calibration = Calibration(ranges={})
    known = {
        "target": target.model_dump(mode="json"),
        "recipe": recipe.model_dump(mode="json", exclude_none=True, by_alias=True),
        **balanced.record(),
        **(provenance or {}),
    }
    program = quantize_graph(
        floats, calibration, recipe, target, known, factors=factors
    )
    if record is not None:
        settings = layer_settings(recipe, floats)
        floating = {
            node.name
            for node in floats.nodes
            if settings[node.output].execute not in (None, "integer")
        }
        require_honoured(record, program, floating)
    return program


def calibration_gaps(
    graph: Graph, recipe: Recipe, target: Target, record: Record
) -> tuple[str, ...]:
    """The tensors that need calibration although there is a record."""
    floats = run_passes(graph)
    check_recipe(recipe, floats)
    factors = fit_record(record, floats, target)
    gaps = _gaps(floats, recipe, target, factors)
    balanced = (
        n.inputs[0] for n in floats.nodes if n.name in strengths(recipe, floats)
    )
    return tuple(dict.fromkeys((*gaps, *averaged(recipe, floats), *balanced)))


class _Asked(dict[str, Range]):
    """Ranges that are made up, to see which are asked for."""

    def get(self, key: str, default: Range | None = None) -> Range:  # type: ignore[override]
        del default
        return self.setdefault(key, Range(low=-1.0, high=1.0))


def _gaps(
    graph: Graph, recipe: Recipe, target: Target, factors: Factors
) -> tuple[str, ...]:
    """Tensors whose range a lowering asks for."""
    asked = _Asked()
    plain = Recipe.model_validate(_without_means(recipe))
    try:
        quantize_graph(graph, Calibration(ranges=asked), plain, target, factors=factors)
    except EmuError:
        # The made-up ranges may fit nothing: then all that is not stated is needed.
        return tuple(n for n in graph.tensors if n not in factors.tensors)
    return tuple(asked)


def _without_means(recipe: Recipe) -> dict[str, object]:
    """The recipe without what needs more than ranges."""
    data = recipe.model_dump(by_alias=True, exclude_none=True)
    levels = (data["global"], *data["op"].values(), *data["layer"].values())
    for level in levels:
        level.pop("bias_correction", None)
    return data


def balance_model(
    floats: Graph,
    batches: Batches,
    recipe: Recipe,
    checkpoint: Checkpoint = Checkpoint(),  # noqa: B008 - has no state
) -> Balanced:
    """The graph with the inputs of layers balanced as the recipe says.

    Takes a pass over the batches for the largest magnitude of each channel, none if
    the recipe balances nothing. The graph is one that went through `run_passes`.
    """
    wanted = strengths(recipe, floats)
    if not wanted:
        return Balanced(graph=floats, layers=(), left={})
    inputs = {n.inputs[0] for n in floats.nodes if n.name in wanted}
    maxima = channel_maxima(floats, batches, inputs, checkpoint=checkpoint)
    return balance(floats, maxima, wanted)
