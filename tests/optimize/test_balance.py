"""balance: the function stays, channels become alike, what cannot fold is left."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import example, given, strategies as st
from hypothesis.extra import numpy as hnp
from onnx import helper

from emu.calibrate import channel_maxima
from emu.graph import Graph
from emu.ops import AveragePool, Conv, Gemm, LeakyRelu, MaxPool, Relu, Reshape
from emu.optimize import balance, balance_factors, run_passes
from tests.frontends.run import import_model, model_of, run_graph, run_onnxruntime
from tests.oracles.weights import balance_factors as slow_factors
from tests.zoo import SAME, ZooBuilder, images

RNG = np.random.default_rng(0)
MAGNITUDES = st.just(0.0) | st.floats(2.0**-10, 1000)
PAIRS = hnp.arrays(np.float64, (2, 5), elements=MAGNITUDES)


def normal(*shape: int) -> np.ndarray:
    return RNG.standard_normal(shape).astype(np.float32)


def maxima_of(graph: Graph, x: np.ndarray, layers: Mapping[str, float]):
    inputs = {n.inputs[0] for n in graph.nodes if n.name in layers}
    return channel_maxima(graph, [x], sorted(inputs))


def balanced(graph: Graph, *layers: str, strength: float = 0.5):
    strengths = dict.fromkeys(layers, strength)
    return balance(graph, maxima_of(graph, images(graph, 8), strengths), strengths)


@given(pair=PAIRS, strength=st.floats(0.2, 0.8))
@example(pair=np.array([[0, 1, 0, 2, 8], [1, 0, 0, 2, 0.5]], float), strength=0.5)
@example(pair=np.zeros((2, 5)), strength=0.5)
@example(pair=np.array([[0, 1.0], [1.0, 0]]), strength=0.5)
def test_factors_are_those_of_the_transcription_to_8_bits(pair, strength):
    found = balance_factors(pair[0], pair[1], strength)
    expected = np.array(slow_factors(pair[0], pair[1], strength))
    assert np.all(found > 0)
    np.testing.assert_allclose(found, expected, rtol=2.0**-6)
    mantissa = np.frexp(found)[0] * 256
    np.testing.assert_array_equal(mantissa, np.rint(mantissa))


@given(pair=PAIRS, strength=st.sampled_from([0.2, 0.5, 0.7]))
def test_balanced_magnitudes_have_factors_of_one(pair, strength):
    factors = balance_factors(pair[0], pair[1], strength)
    again = balance_factors(pair[0] / factors, pair[1] * factors, strength)
    np.testing.assert_array_equal(again, 1)


def uneven() -> Graph:
    """Conv, Relu, max pool, depthwise Conv, Conv, average, dense: all may be balanced."""
    zoo = ZooBuilder("uneven", (8, 8, 3))
    y = zoo.add(Relu(), zoo.conv("x", "first", 8, padding=SAME), to="relu")
    y = zoo.add(MaxPool(kernel=(2, 2), stride=(2, 2)), y, to="pool")
    y = zoo.conv(y, "deep", 16, groups=8, padding=SAME)
    y = zoo.add(LeakyRelu(alpha=0.1), y, to="leaky")
    y = zoo.conv(y, "group", 8, groups=2, padding=SAME)
    y = zoo.add(AveragePool(kernel=(4, 4), stride=(1, 1)), y, to="mean")
    y = zoo.add(Reshape(shape=(8,)), y, to="flat")
    w, b = zoo.weights("fc.w", 8, 5), zoo.weights("fc.b", 5)
    graph = zoo.builder.build((zoo.add(Gemm(), y, w, b, to="fc"),))
    constants = dict(graph.constants)
    for name in ("first.w", "deep.w", "group.w"):
        outliers = np.where(np.arange(constants[name].shape[-1]) % 4 == 1, 50, 1)
        constants[name] = (constants[name] * outliers).astype(np.float32)
    return replace(graph, constants=constants)


LAYERS = ("deep", "group", "fc")


def test_the_function_is_kept_and_balancing_again_changes_nothing():
    graph = uneven()
    found = balanced(graph, *LAYERS)
    assert (found.layers, found.left) == (LAYERS, {})
    x = images(graph, 4, seed=3)
    ours, theirs = (run_graph(g, {"x": x})["fc"] for g in (found.graph, graph))
    np.testing.assert_allclose(
        ours, theirs, rtol=1e-4, atol=1e-4 * np.abs(theirs).max()
    )
    again = balanced(found.graph, *LAYERS)
    assert again.graph is found.graph


def spread(graph: Graph, tensor: str) -> float:
    maxima = channel_maxima(graph, [images(graph, 8)], [tensor])[tensor]
    return float(maxima.max() / maxima.min())


def test_channels_become_more_alike():
    graph = uneven()
    found = balanced(graph, *LAYERS).graph
    for tensor in ("pool", "leaky", "flat"):
        assert spread(found, tensor) < 0.5 * spread(graph, tensor), tensor


def test_rescaled_tensors_lose_their_golden_and_others_keep_it():
    graph = uneven()
    found = balanced(graph, "deep").graph
    lost = {k for k, t in found.tensors.items() if t.golden is None}
    assert lost == {"first", "relu", "pool"}


def model(nodes: list, constants: dict, outputs=("y",)):
    return model_of(nodes, {"x": ("N", 3, 6, 6)}, constants, outputs=outputs)


def conv(x: str, w: str, y: str, **more):
    return helper.make_node("Conv", [x, w], [y], name=y, pads=[1, 1, 1, 1], **more)


WEIGHTS = {"w1": normal(4, 3, 3, 3), "w2": normal(5, 4, 3, 3)}


def test_onnxruntime_gives_what_the_balanced_graph_gives():
    bias = normal(4) * 3
    nodes = [
        helper.make_node("Conv", ["x", "w1", "b1"], ["c"], name="c", pads=[1] * 4),
        helper.make_node("Relu", ["c"], ["r"], name="r"),
        conv("r", "w2", "y"),
    ]
    proto = model(nodes, {**WEIGHTS, "b1": bias})
    graph = run_passes(import_model(proto))
    x = normal(4, 3, 6, 6)
    strengths = {"y": 0.5}
    found = balance(graph, maxima_of(graph, x, strengths), strengths)
    assert found.layers == ("y",)
    (expected,) = run_onnxruntime(proto, {"x": x}, ["y"])
    ours = np.asarray(run_graph(found.graph, {"x": x})[found.graph.outputs[0]])
    np.testing.assert_allclose(ours, expected, rtol=1e-4, atol=1e-4)


LEFT = {
    "layout": ([conv("x", "w1", "y")], ("y",), "Transpose 'x:nhwc' comes before it"),
    "branch": (
        [
            conv("x", "w1", "c"),
            conv("c", "w2", "y"),
            helper.make_node("Relu", ["c"], ["z"], name="z"),
        ],
        ("y", "z"),
        "has other readers",
    ),
    "output": (
        [conv("x", "w1", "c"), conv("c", "w2", "y")],
        ("y", "c"),
        "",
    ),
    "sigmoid": (
        [
            conv("x", "w1", "c"),
            helper.make_node("Sigmoid", ["c"], ["s"], name="s"),
            conv("s", "w2", "y"),
        ],
        ("y",),
        "Sigmoid 's' comes before it",
    ),
    "clip": (
        [
            conv("x", "w1", "c"),
            helper.make_node("Clip", ["c", "low", "high"], ["s"], name="s"),
            conv("s", "w2", "y"),
        ],
        ("y",),
        "Clip 's' comes before it",
    ),
}


@pytest.mark.parametrize(("nodes", "outputs", "reason"), LEFT.values(), ids=LEFT)
def test_what_cannot_be_folded_is_left_and_said_why(nodes, outputs, reason):
    constants = {**WEIGHTS, "low": np.float32(0), "high": np.float32(6)}
    graph = run_passes(import_model(model(nodes, constants, outputs)))
    strengths = {"y": 0.5}
    maxima = maxima_of(graph, normal(2, 3, 6, 6), strengths)
    found = balance(graph, maxima, strengths)
    assert found.graph is graph
    assert found.layers == ()
    assert reason in found.left["y"]


def test_the_first_layer_is_left():
    found = balanced(uneven(), "first")
    assert found.left == {"first": "its input is the model's input 'x'"}


def test_only_the_layers_that_are_named_change():
    graph = uneven()
    found = balanced(graph, "group").graph
    changed = {n.name for n in found.nodes} - {
        n.name for n in found.nodes if n in graph.nodes
    }
    assert changed == {"deep", "group"}
    assert all(isinstance(n.op, Conv) for n in found.nodes if n.name in changed)
