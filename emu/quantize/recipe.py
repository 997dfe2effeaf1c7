"""Recipe: how a model is to be quantized, from a TOML; the most specific entry wins.

    exclude = ["fc"]                  layers that stay in float, by node name

    [global]                          every layer
    method = "percentile"             minmax (default) or percentile
    percentile = 99.99

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

Settings of a layer are about its weights and its output. The model's input is the
layer named like the input, of type Input.
"""

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

from emu.calibrate import Method, Observation
from emu.config import Config, nearest, read_toml
from emu.errors import ConfigError
from emu.graph import Graph
from emu.ops import Conv, ConvTranspose, Gemm
from emu.quantize.weights import WeightMethod, WeightStyle


class Settings(Config):
    """What a recipe may say at each level; what is unsaid comes from above."""

    method: Method | None = None
    percentile: Annotated[float, Field(gt=50, le=100)] | None = None
    activation: Literal["symmetric", "asymmetric"] | None = None
    weights: Literal["per-channel", "per-tensor"] | None = None
    execute: Literal["integer", "float"] | None = None
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
    everywhere: Settings = Field(default=Settings(), alias="global")
    op: dict[str, Settings] = Field(default_factory=dict)
    layer: dict[str, Settings] = Field(default_factory=dict)

    def settings(self, op: str, layer: str) -> Settings:
        """Merge global, per type and per layer; later ones win key by key."""
        merged: dict[str, object] = {}
        levels = (self.everywhere, self.op.get(op), self.layer.get(layer))
        for level in levels:
            if level is not None:
                merged.update(level.model_dump(exclude_none=True))
        if layer in self.exclude:
            merged["execute"] = "float"
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
    for node in graph.nodes:
        found[node.output] = recipe.settings(type(node.op).__name__, node.name)
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
        if isinstance(node.op, Conv | Gemm) and settings[node.output].execute != "float"
    }
    return {name: strength for name, strength in found.items() if strength}
