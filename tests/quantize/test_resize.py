"""Resize on integers: the codes that interpolating their real values gives."""

import numpy as np
import pytest
from onnx import helper

from emu.calibrate import calibrate
from emu.execute import Program
from emu.quantize import Recipe, observations, quantize_graph
from emu.targets import find_target
from tests.frontends.run import import_model, model_of

TARGET = find_target("generic-int8")
WAYS = ["half_pixel", "pytorch_half_pixel", "asymmetric", "align_corners"]


def resized(way: str, mode: str, size: tuple[int, int], **attributes: str):
    """A program of one Resize from 6 x 5 pixels, and its float Graph."""
    node = helper.make_node(
        "Resize",
        ["x", "", "", "sizes"],
        ["y"],
        mode=mode,
        coordinate_transformation_mode=way,
        **attributes,
    )
    sizes = np.array([1, 2, *size], np.int64)
    graph = import_model(model_of([node], {"x": (1, 2, 6, 5)}, {"sizes": sizes}))
    x = np.random.default_rng(3).uniform(-1, 1, (4, 2, 6, 5)).astype(np.float32)
    recipe = Recipe()
    found = calibrate(graph, [x], observations(recipe, graph, TARGET))
    return quantize_graph(graph, found, recipe, TARGET), graph, x


@pytest.mark.parametrize("size", [(12, 10), (3, 5), (9, 7), (1, 10)])
@pytest.mark.parametrize("way", WAYS)
def test_bilinear_codes_are_within_two_steps_of_the_float_layer(way, size):
    program, graph, x = resized(way, "linear", size)
    (real,) = Program(graph, 4)(x).values()
    (found,) = Program(program, 4)(x).values()
    step = max(t.qparams.scale[0] for t in program.tensors.values() if t.qparams)
    # LiteRT's coordinates have 10 fraction bits: their error grows along an axis.
    assert np.abs(found - real).max() <= 2 * step


@pytest.mark.parametrize("size", [(12, 10), (4, 3), (11, 7)])
@pytest.mark.parametrize(
    "nearest", ["round_prefer_floor", "round_prefer_ceil", "floor", "ceil"]
)
@pytest.mark.parametrize("way", WAYS)
def test_nearest_pixels_are_those_of_the_float_layer(way, nearest, size):
    program, graph, x = resized(way, "nearest", size, nearest_mode=nearest)
    levels = next(t.qparams for t in program.tensors.values() if t.qparams)
    scale = np.float32(levels.scale[0])
    # Values that the codes hold exactly: only their places can differ.
    exact = (np.clip(np.rint(x / scale), -127, 127) * scale).astype(np.float32)
    (real,) = Program(graph, 4)(exact).values()
    (found,) = Program(program, 4)(exact).values()
    np.testing.assert_array_equal(found, real)
