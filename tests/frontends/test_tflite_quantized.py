"""Quantized TFLite files: float layers between the file's integers."""

from typing import Any

import numpy as np
import pytest

from emu.fixedpoint import INT8, QParams
from emu.graph import Graph
from emu.ops import Clip, Conv, Dequantize, Gemm, Pad, Quantize, Relu
from tests.frontends.tflite_models import (
    LiteNode,
    check,
    draw,
    import_bytes,
    options,
    packed,
    run_ours,
    single,
    tflite_model,
)
from tests.oracles.litert import Lite, Resolver, lite_constant

RNG = np.random.default_rng(11)
UNIT = {"strideH": 1, "strideW": 1, "dilationHFactor": 1, "dilationWFactor": 1}


def tensor(
    *shape: int, dtype: str = "int8", scale: float = 0.05, zero: int = 3
) -> Lite:
    return Lite(shape=shape, dtype=dtype, scale=scale, zero_point=zero)


def integers(shape: tuple[int, ...], dtype: str = "int8", limit: int = 127) -> Any:
    low = 0 if dtype == "uint8" else -limit
    return RNG.integers(low, limit, shape, dtype, endpoint=True)


def channel_scales(count: int, factor: float = 1.0) -> tuple[float, ...]:
    return tuple((factor * RNG.uniform(0.01, 0.03, count)).tolist())


def bias(scales: tuple[float, ...], scale: float, dtype: str = "int32") -> Lite:
    products = tuple(float(np.float32(s) * np.float32(scale)) for s in scales)
    values = integers((len(scales),), dtype, 1000)
    return lite_constant(values, products, axis=0)


def nodes(graph: Graph, *kinds: type) -> list[Any]:
    return [node for node in graph.nodes if isinstance(node.op, kinds)]


def meaning(graph: Graph, integers: str) -> QParams:
    """The scales by which the only reader of an integer tensor reads it."""
    (node,) = [n for n in graph.nodes if n.inputs == (integers,)]
    assert isinstance(node.op, Dequantize)
    return node.op.qparams


CHANNELS = channel_scales(4)
DEPTHS = channel_scales(6)

CASES: dict[str, tuple[str, Any, list[Any], list[Lite]]] = {
    "conv-int8-per-channel": (
        "CONV_2D",
        options("Conv2DOptions", **UNIT, fusedActivationFunction=1),
        [
            tensor(1, 7, 6, 6),
            lite_constant(integers((4, 3, 3, 6)), CHANNELS),
            bias(CHANNELS, 0.05),
        ],
        [tensor(1, 7, 6, 4, scale=0.1)],
    ),
    "depthwise-int8-per-channel": (
        "DEPTHWISE_CONV_2D",
        options("DepthwiseConv2DOptions", **UNIT, depthMultiplier=1),
        [
            tensor(1, 7, 6, 6),
            lite_constant(integers((1, 3, 3, 6)), DEPTHS, axis=3),
            bias(DEPTHS, 0.05),
        ],
        [tensor(1, 7, 6, 6, scale=0.1)],
    ),
    "conv-uint8-zero-points": (
        "CONV_2D",
        options("Conv2DOptions", **UNIT, fusedActivationFunction=3),
        [
            tensor(1, 7, 6, 3, dtype="uint8", zero=120),
            lite_constant(integers((4, 3, 3, 3), "uint8", 255), 0.02, 131),
            bias((0.02,) * 4, 0.05),
        ],
        [tensor(1, 7, 6, 4, dtype="uint8", scale=0.05, zero=0)],
    ),
    "dense-uint8-zero-points": (
        "FULLY_CONNECTED",
        options("FullyConnectedOptions"),
        [
            tensor(1, 12, dtype="uint8", zero=100),
            lite_constant(integers((4, 12), "uint8", 255), 0.02, 140),
            lite_constant(integers((4,), "int32", 500), 0.001),
        ],
        [tensor(1, 4, dtype="uint8", scale=0.1, zero=90)],
    ),
    "dense-int8-per-channel": (
        "FULLY_CONNECTED",
        options("FullyConnectedOptions"),
        [
            tensor(1, 12),
            lite_constant(integers((4, 12)), CHANNELS),
            bias(CHANNELS, 0.05),
        ],
        [tensor(1, 4, scale=0.1)],
    ),
    "conv-int16": (
        "CONV_2D",
        options("Conv2DOptions", **UNIT),
        [
            tensor(1, 5, 4, 3, dtype="int16", scale=1e-4, zero=0),
            lite_constant(integers((4, 3, 3, 3)), CHANNELS),
            bias(CHANNELS, 1e-4, "int64"),
        ],
        [tensor(1, 5, 4, 4, dtype="int16", scale=5e-4, zero=0)],
    ),
    "add-of-unlike-scales": (
        "ADD",
        options("AddOptions", fusedActivationFunction=1),
        [tensor(1, 3, 4), tensor(1, 3, 4, scale=0.02, zero=-5)],
        [tensor(1, 3, 4, scale=0.06, zero=-128)],
    ),
    "add-a-constant": (
        "ADD",
        options("AddOptions"),
        [tensor(1, 3, 4), lite_constant(integers((4,)), 0.02, 7)],
        [tensor(1, 3, 4, scale=0.06)],
    ),
    "mul": (
        "MUL",
        options("MulOptions"),
        [tensor(1, 3, 4), tensor(1, 3, 4, scale=0.02, zero=-5)],
        [tensor(1, 3, 4, scale=0.1)],
    ),
    "average-pool": (
        "AVERAGE_POOL_2D",
        options("Pool2DOptions", strideH=2, strideW=2, filterHeight=3, filterWidth=3),
        [tensor(1, 7, 6, 2)],
        [tensor(1, 4, 3, 2)],
    ),
    "mean": (
        "MEAN",
        options("ReducerOptions"),
        [tensor(1, 7, 6, 2), lite_constant(np.array([1, 2], np.int32))],
        [tensor(1, 2, scale=0.01)],
    ),
    "softmax": (
        "SOFTMAX",
        options("SoftmaxOptions", beta=1.0),
        [tensor(1, 9)],
        [tensor(1, 9, scale=1 / 256, zero=-128)],
    ),
    "logistic-int16": (
        "LOGISTIC",
        None,
        [tensor(1, 9, dtype="int16", scale=8 / 32768, zero=0)],
        [tensor(1, 9, dtype="int16", scale=1 / 32768, zero=0)],
    ),
    "requantize": (
        "QUANTIZE",
        options("QuantizeOptions"),
        [tensor(1, 9, dtype="uint8", zero=127)],
        [tensor(1, 9, scale=0.07, zero=-1)],
    ),
    "quantize": (
        "QUANTIZE",
        options("QuantizeOptions"),
        [Lite(shape=(1, 9), dtype="float32")],
        [tensor(1, 9)],
    ),
    "dequantize": (
        "DEQUANTIZE",
        options("DequantizeOptions"),
        [tensor(1, 9)],
        [Lite(shape=(1, 9), dtype="float32")],
    ),
    "dense-of-images": (
        "FULLY_CONNECTED",
        options("FullyConnectedOptions"),
        [tensor(1, 2, 3, 2), lite_constant(integers((4, 12)), 0.02), None],
        [tensor(1, 4, scale=0.1)],
    ),
    "matmul-adjoint": (
        "BATCH_MATMUL",
        options("BatchMatMulOptions", adjX=True, adjY=True),
        [tensor(1, 5, 4), tensor(1, 2, 5, scale=0.02, zero=-9)],
        [tensor(1, 4, 2, scale=0.1)],
    ),
    "pack": (
        "PACK",
        options("PackOptions", axis=1, valuesCount=2),
        [tensor(1, 5), tensor(1, 5)],
        [tensor(1, 2, 5)],
    ),
    "reduce-max": (
        "REDUCE_MAX",
        options("ReducerOptions"),
        [tensor(1, 3, 4, 2), lite_constant(np.array([1, 2], np.int32))],
        [tensor(1, 2)],
    ),
    "concatenation-of-unlike-scales": (
        "CONCATENATION",
        options("ConcatenationOptions", axis=1),
        [
            tensor(1, 9, dtype="uint8", zero=100),
            tensor(1, 5, dtype="uint8", scale=0.02, zero=9),
        ],
        [tensor(1, 14, dtype="uint8", scale=0.05, zero=100)],
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_executed_literally_a_layer_is_within_a_step_of_litert(name):
    data, graph, inputs = single(*CASES[name])
    # The result's rounding, and that of 16-bit logistic by a table.
    check(data, graph, inputs, steps=4 if name == "logistic-int16" else 1)


def test_the_integers_of_the_file_stand_between_the_layers():
    _, graph, _ = single(*CASES["conv-int8-per-channel"])
    kinds = {node.output: type(node.op) for node in graph.nodes}
    assert kinds == {
        "t0:dequantized": Dequantize,
        "t1:hwio:dequantized": Dequantize,
        "t2:dequantized": Dequantize,
        "t3:linear": Conv,
        "t3:real": Relu,
        "t3": Quantize,
    }
    found = graph.tensors["t3"]
    assert (found.dtype, found.format) == ("int8", INT8)
    assert found.qparams == QParams((0.1,), (3,))
    assert graph.tensors["t0"].qparams == QParams((0.05,), (3,))
    assert {node.layer for node in nodes(graph, Conv, Relu, Quantize)} == {"t3"}


@pytest.mark.parametrize(
    ("name", "constant", "axis", "shape"),
    [
        ("conv-int8-per-channel", "t1:hwio", 3, (3, 3, 6, 4)),
        ("depthwise-int8-per-channel", "t1:hwio", 3, (3, 3, 1, 6)),
        ("dense-int8-per-channel", "t1:io", 1, (12, 4)),
    ],
)
def test_scales_of_channels_follow_the_layout_of_weights(name, constant, axis, shape):
    _, graph, _ = single(*CASES[name])
    qparams = meaning(graph, constant)
    assert graph.constants[constant].shape == shape
    assert graph.constants[constant].dtype == np.int8
    assert qparams.axis == axis
    assert len(qparams.scale) == shape[axis]


def test_zero_points_of_weights_are_kept():
    _, graph, _ = single(*CASES["conv-uint8-zero-points"])
    assert meaning(graph, "t1:hwio").zero_point == (131,)
    assert graph.constants["t1:hwio"].dtype == np.uint8
    (clip,) = nodes(graph, Clip)
    assert (clip.op.low, clip.op.high) == (0.0, 6.0)


def test_an_integer_bias_without_scales_has_those_of_the_product():
    operator, made, inputs, outputs = CASES["conv-int8-per-channel"]
    bare = lite_constant(inputs[2].data)
    data, graph, feeds = single(operator, made, [*inputs[:2], bare], outputs)
    expected = np.array(CHANNELS, np.float32) * np.float32(0.05)
    found = np.array(meaning(graph, "t2").scale, np.float32)
    np.testing.assert_array_equal(found, expected)
    check(data, graph, feeds)


def test_one_dequantize_serves_all_readers():
    x, y = tensor(1, 4), tensor(1, 4, scale=0.1)
    adds = [
        LiteNode(operator="ADD", inputs=(0, 0), outputs=(1,), options=None),
        LiteNode(operator="ADD", inputs=(0, 1), outputs=(2,), options=None),
    ]
    graph = import_bytes(packed(tflite_model([x, y, y], adds, (0,), (2,))))
    assert len([n for n in nodes(graph, Dequantize) if n.inputs == ("t0",)]) == 1


@pytest.mark.parametrize(
    "name", ["dense-of-images", "matmul-adjoint", "pack", "reduce-max"]
)
def test_steps_that_move_values_keep_the_integers(name):
    """Every layer reads the reals of integers, and its own become integers."""
    _, graph, _ = single(*CASES[name])
    reals = {node.output for node in nodes(graph, Dequantize)}
    quantized = {node.inputs[0] for node in nodes(graph, Quantize)}
    layers = [n for n in graph.nodes if not isinstance(n.op, Quantize | Dequantize)]
    assert len(layers) > 1
    for node in layers:
        assert set(node.inputs) <= reals
        assert node.output in quantized


def test_padding_is_real_zero_whatever_the_zero_point():
    rows = lite_constant(np.array([[0, 0], [1, 2]], np.int32))
    data, graph, feeds = single(
        "PAD", options("PadOptions"), [tensor(1, 4), rows], [tensor(1, 7)]
    )
    (node,) = nodes(graph, Pad)
    assert node.op.value == 0
    check(data, graph, feeds, steps=0)


def dynamic_range(dtype: str, scale: Any = ()) -> tuple[Any, Lite]:
    """A dense float layer whose weights are held as integers or half floats."""
    values = integers((3, 8)) if dtype == "int8" else RNG.normal(0, 1, (3, 8))
    weights = lite_constant(values.astype(dtype), scale)
    return values, weights


def test_integer_weights_of_a_float_layer_become_reals():
    values, weights = dynamic_range("int8", 0.02)
    x, y = (Lite(shape=(1, n), dtype="float32") for n in (8, 3))
    data, graph, feeds = single(
        "FULLY_CONNECTED", options("FullyConnectedOptions"), [x, weights, None], [y]
    )
    assert {type(node.op) for node in graph.nodes} == {Gemm}
    (held,) = graph.constants.values()
    expected = (values.astype(np.float32) * np.float32(0.02)).T
    np.testing.assert_array_equal(held, expected)
    # LiteRT quantizes the operand for this product: each by half of 1/127 at most.
    check(data, graph, feeds, tolerance=0.03)


@pytest.mark.parametrize(("dtype", "scale"), [("float16", ()), ("int8", 0.02)])
def test_dequantized_constants_are_constants(dtype, scale):
    _, weights = dynamic_range(dtype, scale)
    reals = Lite(shape=(3, 8), dtype="float32")
    x, y = (Lite(shape=(1, n), dtype="float32") for n in (8, 3))
    made = [
        LiteNode(operator="DEQUANTIZE", inputs=(0,), outputs=(1,)),
        LiteNode(
            operator="FULLY_CONNECTED",
            inputs=(2, 1, -1),
            outputs=(3,),
            options=options("FullyConnectedOptions"),
        ),
    ]
    data = packed(tflite_model([weights, reals, x, y], made, (2,), (3,)))
    graph = import_bytes(data)
    assert {type(node.op) for node in graph.nodes} == {Gemm}
    check(data, graph, [x])


@pytest.mark.parametrize(("dtype", "bits"), [("int4", 4), ("int2", 2)])
def test_packed_weights_are_taken_apart_lowest_bits_first(dtype, bits):
    limit = 1 << (bits - 1)
    values = RNG.integers(-limit, limit, (3, 7)).astype(np.int8)
    each = 8 // bits
    flat = np.zeros(-(-values.size // each) * each, np.int64)
    flat[: values.size] = values.reshape(-1) & ((1 << bits) - 1)
    shifts = bits * np.arange(each)
    data = (flat.reshape(-1, each) << shifts).sum(axis=1).astype(np.uint8)
    weights = Lite(shape=(3, 7), dtype=dtype, scale=0.5, data=data)
    x, y = tensor(1, 7), tensor(1, 3, scale=1.0)
    node = LiteNode(
        operator="FULLY_CONNECTED",
        inputs=(0, 1, -1),
        outputs=(2,),
        options=options("FullyConnectedOptions"),
    )
    file = packed(tflite_model([x, weights, y], [node], (0,), (2,)))
    graph = import_bytes(file)
    np.testing.assert_array_equal(graph.constants["t1:io"], values.T)
    if bits == 4:
        check(file, graph, [x], resolver=Resolver.OPTIMIZED)


def test_a_sample_alone_gives_what_it_gives_in_a_batch():
    _, graph, feeds = single(*CASES["conv-int8-per-channel"])
    x = draw(np.random.default_rng(1), feeds[0], 3)
    whole = run_ours(graph, [x])["t3"]
    singles = [run_ours(graph, [x[i : i + 1]])["t3"] for i in range(3)]
    np.testing.assert_array_equal(whole, np.concatenate(singles))
