"""Recipe: how a model is to be quantized, from a TOML; the most specific entry wins.

    exclude = ["fc"]                  layers that do not run on integers, by node name

    joined_outputs = "float"          what only joins results on their way to outputs
                                      joins reals, so that each keeps a scale of its
                                      own; "integer" (default) gives all one scale

    batch_count = 50                  only the first so many calibration samples count

    [global]                          every layer
    method = "percentile"             range of its result, one of: minmax (default),
                                      ema, percentile, mse, kl, symkl, jsd, ifmr, hfmg
    percentile = 99.99                parameters of a method: those of
                                      emu.calibrate.Observation, by their names
    bias_correction = true            take the mean error of the rounded weights,
                                      over the calibration samples, out of the bias

    [op.Conv]                         every Conv
    weights = "per-tensor"            or per-channel
    weight_method = "nuq"             max (default), mse, or nuq: few levels, an index
    num_steps = 32                    nuq: levels that are kept (default 32)
    num_of_iteration = 10             nuq: rounds of the search (default 10)
    weight_bits = 7                   at most the target's
    migration_strength = 0.5          0.2 to 0.8: balance the layer's input with its
                                      weights, channel by channel

    [layer."stem/conv"]               one node
    activation = "symmetric"
    activation_bits = 16              bits of its result, one of the target's widths
    execute = "float16"               integer, float (as the target runs layers that a
                                      recipe excludes), float16 or float32

Settings of a layer are about its weights and its output. The model's input is the
layer named like the input, of type Input. A Relu or Clip that ends a layer has that
layer's settings where it has none of its own.
"""

from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import BeforeValidator, Field

from emu.calibrate import Method, Observation
from emu.config import Config, nearest, read_toml
from emu.errors import ConfigError
from emu.graph import Graph
from emu.ops import Conv, ConvTranspose, Gemm
from emu.quantize.fusion import RESCALING, activations_after, joined_outputs
from emu.quantize.weights import WeightMethod, WeightStyle
from emu.targets import Target

# AMCT's word for the share that its documents advise for detection networks.
_PERCENTILE_MID: Final = 0.99999
_PARAMETERS: Final = (
    "method",
    "percentile",
    "smoothing",
    "bin",
    "start_ratio",
    "end_ratio",
    "step_ratio",
    "max_percentile",
    "min_percentile",
    "num_of_bins",
)


def _share(value: Any) -> Any:  # noqa: ANN401 - whatever the file says
    return _PERCENTILE_MID if value == "PERCENTILE_MID" else value


Ratio = Annotated[float, Field(gt=0, le=4)]
Share = Annotated[float, Field(gt=0.5, le=1), BeforeValidator(_share)]


class Settings(Config):
    """What a recipe may say at each level; what is unsaid comes from above."""

    method: Method | None = None
    percentile: Annotated[float, Field(gt=50, le=100)] | None = None
    smoothing: Annotated[float, Field(ge=0, lt=1)] | None = None
    bin: Annotated[int, Field(ge=100, le=250)] | None = None
    start_ratio: Ratio | None = None
    end_ratio: Ratio | None = None
    step_ratio: Ratio | None = None
    max_percentile: Share | None = None
    min_percentile: Share | None = None
    num_of_bins: Literal[1024, 2048, 4096, 8192] | None = None
    activation: Literal["symmetric", "asymmetric"] | None = None
    weights: Literal["per-channel", "per-tensor"] | None = None
    activation_bits: Annotated[int, Field(ge=2, le=16)] | None = None
    execute: Literal["integer", "float", "float16", "float32"] | None = None
    bias_correction: bool | None = None
    weight_method: WeightMethod | None = None
    weight_bits: Annotated[int, Field(ge=2, le=16)] | None = None
    num_steps: Annotated[int, Field(ge=2, le=256)] | None = None
    num_of_iteration: Annotated[int, Field(ge=0, le=1000)] | None = None
    migration_strength: Annotated[float, Field(ge=0.2, le=0.8)] | None = None

    @property
    def weight_style(self) -> WeightStyle:
        """How weights become integers."""
        given: dict[str, Any] = {
            "method": self.weight_method,
            "num_steps": self.num_steps,
            "num_of_iteration": self.num_of_iteration,
        }
        return WeightStyle(**{k: v for k, v in given.items() if v is not None})


class Recipe(Config):
    """A whole recipe; the empty one takes the target's defaults."""

    exclude: tuple[str, ...] = ()
    joined_outputs: Literal["integer", "float"] = "integer"
    batch_count: Annotated[int, Field(ge=1)] | None = None
    everywhere: Settings = Field(default=Settings(), alias="global")
    op: dict[str, Settings] = Field(default_factory=dict)
    layer: dict[str, Settings] = Field(default_factory=dict)

    def settings(
        self, op: str, layer: str, ended_by: tuple[str, str] | None = None
    ) -> Settings:
        """Merge global, per type and per layer; later ones win key by key.

        `ended_by`: type and name of the activation that ends the layer, whose own
        entries win at each level, for the settings of its result.
        """
        layers = [(op, layer), *([ended_by] if ended_by else [])]
        excluded = Settings(execute="float")
        levels = [self.everywhere, *(self.op.get(kind) for kind, _ in layers)]
        for _, name in layers:
            levels += [self.layer.get(name), excluded if name in self.exclude else None]
        merged: dict[str, object] = {}
        for level in levels:
            if level is not None:
                merged.update(level.model_dump(exclude_none=True))
        return Settings.model_validate(merged)


def read_recipe(path: str | Path | None) -> Recipe:
    """The recipe at `path`, or the empty one."""
    return Recipe() if path is None else read_toml(path, Recipe)


def check_recipe(recipe: Recipe, graph: Graph) -> None:
    """Raise ConfigError for a layer or type that the model does not have."""
    layers = [node.name for node in graph.nodes] + list(graph.inputs)
    types = sorted({type(node.op).__name__ for node in graph.nodes} | {"Input"})
    for name in (*recipe.exclude, *recipe.layer):
        if name not in layers:
            raise ConfigError(
                f"the model has no layer {name!r}{nearest(name, layers)}",
                where="recipe",
            )
    for name in recipe.op:
        if name not in types:
            raise ConfigError(
                f"the model has no layer of type {name!r}{nearest(name, types)}",
                where="recipe",
            )


def check_widths(recipe: Recipe, graph: Graph, target: Target) -> None:
    """Raise ConfigError for a width of activations that the target does not have."""
    names = [(name, name) for name in graph.inputs]
    names += [(node.output, node.name) for node in graph.nodes]
    settings, widths = layer_settings(recipe, graph), target.activation.widths
    for tensor, layer in names:
        bits = settings[tensor].activation_bits
        if bits is not None and bits not in widths:
            choices = " or ".join(map(str, widths))
            raise ConfigError(
                f"activation_bits is {bits}, {target.name} has {choices}", where=layer
            )


def layer_settings(recipe: Recipe, graph: Graph) -> dict[str, Settings]:
    """Settings of the layer that makes each tensor, by tensor name."""
    found = {name: recipe.settings("Input", name) for name in graph.inputs}
    names = {node.output: (type(node.op).__name__, node.name) for node in graph.nodes}
    found.update((output, recipe.settings(*name)) for output, name in names.items())
    ends = activations_after(graph)
    for node in graph.nodes:
        if node.output in ends and isinstance(node.op, RESCALING):
            after = ends[node.output].output
            found[after] = recipe.settings(*names[node.output], names[after])
    if recipe.joined_outputs == "float":
        for node in joined_outputs(graph):
            real = found[node.output].model_copy(update={"execute": "float32"})
            found[node.output] = real
    return found


def observations(
    recipe: Recipe, graph: Graph, target: Target
) -> dict[str, Observation]:
    """How calibration is to observe each tensor of a float Graph.

    Raises ConfigError for parameters that do not fit together, or a width that the
    target does not have, naming the layer.
    """
    check_widths(recipe, graph, target)
    layers = {node.output: node.name for node in graph.nodes}
    return {
        name: _observation(settings, target, layers.get(name, name))
        for name, settings in layer_settings(recipe, graph).items()
    }


def _observation(settings: Settings, target: Target, layer: str) -> Observation:
    said = settings.model_dump(include=set(_PARAMETERS), exclude_none=True)
    choice, edge = settings.activation, target.activation
    bits = settings.activation_bits or edge.bits
    symmetric = choice == "symmetric" if choice else edge.is_symmetric(bits)
    try:
        return Observation(**said, bits=bits, symmetric=symmetric)
    except ConfigError as error:
        raise ConfigError(
            error.message, where=f"recipe: settings of layer {layer!r}"
        ) from error


def averaged(recipe: Recipe, graph: Graph) -> tuple[str, ...]:
    """Tensors whose mean the layers with a bias correction need."""
    settings = layer_settings(recipe, graph)
    return tuple(
        dict.fromkeys(
            node.inputs[0]
            for node in graph.nodes
            if isinstance(node.op, Conv | Gemm | ConvTranspose)
            and settings[node.output].bias_correction
        )
    )


def strengths(recipe: Recipe, graph: Graph) -> dict[str, float]:
    """Migration strength of the layers whose input is to be balanced, by node name."""
    settings = layer_settings(recipe, graph)
    found = {
        node.name: settings[node.output].migration_strength
        for node in graph.nodes
        if isinstance(node.op, Conv | Gemm)
        and settings[node.output].execute in (None, "integer")
    }
    return {name: strength for name, strength in found.items() if strength}
