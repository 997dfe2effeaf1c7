"""Integer programs to export: the lowered zoo, and one convolution with a clamp."""

from functools import cache

import numpy as np

from emu.calibrate import calibrate
from emu.fixedpoint import INT8, QParams, RescaleScheme, encode_scale
from emu.graph import Graph, GraphBuilder, Tensor, verify
from emu.ops import Clamp, Conv2d, Rescale
from emu.quantize import Recipe, observations, quantize_graph
from emu.targets import find_target
from tests.zoo import every_layer, images

QPARAMS = QParams(scale=(0.5,), zero_point=(-3,))


def lowered(graph, target="generic-int8"):
    """The integer program of a float graph, calibrated on random images."""
    recipe = Recipe()
    calibration = calibrate(
        graph, [images(graph, 16)], observations(recipe, graph, find_target(target))
    )
    return quantize_graph(graph, calibration, recipe, find_target(target))


@cache
def lowered_zoo() -> Graph:
    """The integer program of `every_layer`: calibrated once for all who read it."""
    return lowered(every_layer())


def convolution(seed=0, **fields):
    """int8 images 7x6x3 -> conv2d 3x3 to 4 channels -> rescale per channel -> clamp.

    The multipliers make some outputs saturate and the clamp cut others.
    """
    rng = np.random.default_rng(seed)
    builder = GraphBuilder("convolution")
    tensor = Tensor(shape=(None, 7, 6, 3), dtype="int8", format=INT8, qparams=QPARAMS)
    builder.input("x", tensor)
    settings = {"stride": (2, 1), "padding": ((1, 0), (1, 1)), "x_zero_point": -3}
    weights = rng.integers(-128, 128, (3, 3, 3 // fields.get("groups", 1), 4), np.int8)
    bias = rng.integers(-3000, 3000, 4, dtype=np.int32)
    multiplier, shift = encode_scale(
        np.array([0.004, 0.0071, 0.01, 0.02]), RescaleScheme.SINGLE_ROUND
    )
    acc = builder.add(
        Conv2d(**{**settings, **fields}),
        ("x", builder.constant("w", weights), builder.constant("b", bias)),
        "y:acc",
        layer="conv",
    )
    scaled = builder.add(
        Rescale(scheme=RescaleScheme.SINGLE_ROUND, format=INT8, zero_point=5),
        (acc, builder.constant("m", multiplier), builder.constant("s", shift)),
        "y:rescaled",
        layer="conv",
        format=INT8,
        qparams=QPARAMS,
    )
    y = builder.add(
        Clamp(low=-100, high=90),
        (scaled,),
        "y",
        layer="conv",
        format=INT8,
        qparams=QPARAMS,
    )
    return verify(builder.build((y,)))


def pixels(graph, count, seed=0):
    """Any int8 images for `convolution`."""
    shape = (count, *graph.tensors["x"].shape[1:])
    return np.random.default_rng(seed).integers(-128, 128, shape, dtype=np.int8)


def changed(graph, **fields):
    """The same graph with other parts."""
    parts = ("name", "inputs", "outputs", "nodes", "tensors", "constants", "provenance")
    return Graph(**{**{part: getattr(graph, part) for part in parts}, **fields})
