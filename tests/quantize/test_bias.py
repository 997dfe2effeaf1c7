"""Bias correction: the mean error of a layer goes, nothing else changes."""

import jax.numpy as jnp
import numpy as np

from emu.execute import Program
from emu.fixedpoint import IntFormat
from emu.graph import Graph
from emu.ops import KERNELS, Conv
from emu.quantize import Recipe, quantize_model
from emu.quantize.bias import corrected_bias
from emu.quantize.parameters import quantize_weights
from emu.targets import find_target
from tests.zoo import images, two_convs

TARGET = find_target("generic-int8")


def test_the_mean_of_every_channel_is_restored():
    rng = np.random.default_rng(0)
    op = Conv(padding=((1, 1), (1, 1)))
    x = (rng.normal(size=(40, 5, 5, 3)) + 2).astype(np.float32)
    w = rng.normal(size=(3, 3, 3, 4)).astype(np.float32)
    b = rng.normal(size=4).astype(np.float32)
    quantized = quantize_weights(
        w, b, 0.1, IntFormat(3), narrow=True, per_channel=True, bias_bits=32
    )
    rounded = (quantized.weights * quantized.scale).astype(np.float32)
    mean = x.astype(np.float64).mean(axis=0)
    new = corrected_bias(op, mean, w, b, quantized).astype(np.float32)

    def output(weights, bias):
        arrays = map(jnp.asarray, (x, weights, bias))
        return np.asarray(KERNELS[Conv](op, *arrays), np.float64).mean(axis=(0, 1, 2))

    assert np.abs(output(rounded, b) - output(w, b)).max() > 0.1
    np.testing.assert_allclose(output(rounded, new), output(w, b), atol=1e-4)


def quantized(graph: Graph, **settings) -> Graph:
    recipe = Recipe.model_validate({"global": settings})
    x = images(graph, 20) + 1
    return quantize_model(graph, lambda: [x[:12], x[12:]], recipe, TARGET)


def test_only_biases_change_and_only_if_asked_for():
    graph = two_convs()
    plain, off = quantized(graph), quantized(graph, bias_correction=False)
    on = quantized(graph, bias_correction=True)
    assert plain.constants.keys() == on.constants.keys()
    for name, value in plain.constants.items():
        np.testing.assert_array_equal(value, off.constants[name])
        same = np.array_equal(value, on.constants[name])
        assert same != name.endswith(":bias"), name


def test_a_corrected_program_is_nearer_in_the_mean():
    graph = two_convs()
    x = images(graph, 20) + 1
    output = graph.outputs[0]
    run = {
        key: Program(g, 20)(x)[output].mean(axis=(0, 1, 2))
        for key, g in {
            "float": graph,
            "plain": quantized(graph),
            "corrected": quantized(graph, bias_correction=True),
        }.items()
    }
    plain = np.abs(run["plain"] - run["float"]).sum()
    assert np.abs(run["corrected"] - run["float"]).sum() < plain
