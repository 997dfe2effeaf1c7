"""Recipe: how a model is to be quantized, from a TOML; the most specific entry wins.

    exclude = ["fc"]                  layers that do not run on integers, by node name

    [global]                          every layer
    method = "percentile"             minmax (default) or percentile
    percentile = 99.99

    bias_correction = true            take the mean error of the rounded weights,
                                      over the calibration samples, out of the bias

    [op.Conv]                         every Conv
    weights = "per-tensor"

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
from typing import Annotated, Literal

from pydantic import Field

from emu.calibrate import Method, Observation
from emu.config import Config, nearest, read_toml
from emu.errors import ConfigError
from emu.graph import Graph
from emu.ops import Conv, Gemm
from emu.quantize.fusion import RESCALING, activations_after


class Settings(Config):
    """What a recipe may say at each level; what is unsaid comes from above."""

    method: Method | None = None
    percentile: Annotated[float, Field(gt=50, le=100)] | None = None
    activation: Literal["symmetric", "asymmetric"] | None = None
    weights: Literal["per-channel", "per-tensor"] | None = None
    activation_bits: Annotated[int, Field(ge=2, le=16)] | None = None
    execute: Literal["integer", "float", "float16", "float32"] | None = None
    bias_correction: bool | None = None


class Recipe(Config):
    """A whole recipe; the empty one takes the target's defaults."""

    exclude: tuple[str, ...] = ()
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
    return found


def observations(recipe: Recipe, graph: Graph) -> dict[str, Observation]:
    """How calibration is to observe each tensor of a float Graph."""
    default = Observation()
    return {
        name: Observation(
            method=settings.method or default.method,
            percentile=settings.percentile or default.percentile,
        )
        for name, settings in layer_settings(recipe, graph).items()
    }


def averaged(recipe: Recipe, graph: Graph) -> tuple[str, ...]:
    """Tensors whose mean the layers with a bias correction need."""
    settings = layer_settings(recipe, graph)
    return tuple(
        dict.fromkeys(
            node.inputs[0]
            for node in graph.nodes
            if isinstance(node.op, Conv | Gemm)
            and settings[node.output].bias_correction
        )
    )
