"""quantize_graph: what each layer becomes, and that it computes the layer."""

import numpy as np
import pytest

from emu.calibrate import Calibration, Range, calibrate
from emu.errors import ConfigError, UnsupportedError
from emu.execute import Program
from emu.fixedpoint import Accumulator, Overflow, RescaleScheme
from emu.graph import GraphBuilder, Tensor, structure
from emu.ops import (
    BatchNormalization,
    Clamp,
    Clip,
    Conv,
    Conv2d,
    Dequantize,
    Quantize,
    Relu,
    Rescale,
)
from emu.quantize import LOWERINGS, Recipe, observations, quantize_graph
from emu.targets import find_target
from tests.oracles.interpreter import interpret
from tests.zoo import every_layer, images, two_convs

TARGET = find_target("generic-int8")


def lowered(graph, *, target=TARGET, count=16, everywhere=None, exclude=()):
    plan = Recipe.model_validate({"global": everywhere or {}, "exclude": exclude})
    calibration = calibrate(
        graph, [images(graph, count)], observations(plan, graph, target)
    )
    return quantize_graph(graph, calibration, plan, target)


def target_with(**changes):
    parts = {
        key: getattr(TARGET, key).model_copy(update=value)
        for key, value in changes.items()
    }
    return TARGET.model_copy(update=parts)


@pytest.fixture(scope="module")
def zoo():
    return every_layer()


def test_the_zoo_has_every_layer_that_can_be_lowered(zoo):
    assert {type(node.op) for node in zoo.nodes} >= set(LOWERINGS)


def test_every_integer_layer_follows_its_float_layer(zoo):
    program = lowered(zoo)
    x = images(zoo, 16)
    names = [name for name in zoo.tensors if f"{name}:q" in program.tensors]
    floats = Program(zoo, 16, tuple(names))(x)
    integers = Program(program, 16, tuple(f"{name}:q" for name in names))(x)
    assert len(names) > 15
    for name in names:
        qparams = program.tensors[f"{name}:q"].qparams
        assert qparams
        got = (integers[f"{name}:q"] - float(qparams.zero_point[0])) * qparams.scale[0]
        noise = np.mean((got - floats[name]) ** 2)
        assert noise < 0.01 * np.mean(floats[name] ** 2), name


SCHEMES = [
    (RescaleScheme.SINGLE_ROUND, Accumulator()),
    (RescaleScheme.DOUBLE_ROUND, Accumulator(20, Overflow.SATURATE)),
    (RescaleScheme.SRDHM_HALF_UP, Accumulator(16, Overflow.WRAP)),
    (RescaleScheme.FLOAT32_HALF_EVEN, Accumulator(40, Overflow.SATURATE)),
]


@pytest.mark.parametrize(("scheme", "accumulator"), SCHEMES)
def test_every_tensor_equals_the_independent_interpreter(zoo, scheme, accumulator):
    target = target_with(
        rescale={"scheme": scheme},
        accumulator={"bits": accumulator.bits, "overflow": accumulator.overflow},
    )
    program = lowered(zoo, target=target)
    x = images(zoo, 3, seed=5)
    taps = tuple(
        n.output for n in program.nodes if "int" in program.tensors[n.output].dtype
    )
    got = Program(program, 3, taps)(x)
    want = interpret(program, {"x": x})
    assert len(taps) > 40
    for name in taps:
        assert got[name].dtype == want[name].dtype, name
        np.testing.assert_array_equal(got[name], want[name], err_msg=name)


def test_names_of_inputs_and_outputs_are_kept(zoo):
    program = lowered(zoo)
    assert program.inputs == zoo.inputs
    assert program.outputs == zoo.outputs


def kinds(program, layer):
    return [type(node.op) for node in program.nodes if node.layer == layer]


def test_relu_is_part_of_the_layer_before_it():
    asymmetric = lowered(two_convs())
    # The zero point at the lowest level already is the clamp.
    assert kinds(asymmetric, "first") == [Conv2d, Rescale]
    symmetric = lowered(two_convs(), everywhere={"activation": "symmetric"})
    assert kinds(symmetric, "first") == [Conv2d, Rescale, Clamp]
    clamp = next(n.op for n in symmetric.nodes if isinstance(n.op, Clamp))
    assert (clamp.low, clamp.high) == (0, 127)


def test_an_excluded_layer_and_its_activation_stay_in_float():
    program = lowered(two_convs(), exclude=("first",))
    assert kinds(program, "first") == [Conv, Relu]
    edges = [
        type(n.op) for n in program.nodes if isinstance(n.op, Quantize | Dequantize)
    ]
    assert edges == [Quantize, Dequantize]


def test_per_tensor_weights_have_one_multiplier():
    per_channel = lowered(two_convs())
    per_tensor = lowered(two_convs(), everywhere={"weights": "per-tensor"})
    assert per_channel.constants["second:multiplier"].shape == (3,)
    assert per_tensor.constants["second:multiplier"].shape == (1,)


def test_a_layer_without_integer_form_is_named():
    builder = GraphBuilder("bn")
    builder.input("x", Tensor(shape=(None, 4)))
    stats = [builder.constant(n, np.ones(4, np.float32)) for n in "abcd"]
    y = builder.add(BatchNormalization(), ("x", *stats), "y", name="norm", layer="norm")
    target = target_with(operators={"float": ()})
    with pytest.raises(
        UnsupportedError, match="norm: BatchNormalization has no integer"
    ):
        lowered(builder.build((y,)), target=target)


def test_a_tensor_without_range_is_named():
    with pytest.raises(ConfigError, match="no range for tensor 'first"):
        quantize_graph(two_convs(), Calibration(ranges={}), Recipe(), TARGET)


@pytest.mark.parametrize("largest", [3.0, 6.0])
def test_uniform_programs_have_one_structure_and_the_same_integers(largest):
    """Where the range ends at the limit of the activation the format clamps already."""
    builder = GraphBuilder("relu6")
    x = builder.input("x", Tensor(shape=(None, 4, 4, 2)))
    weights = np.random.default_rng(0).normal(size=(3, 3, 2, 3)).astype(np.float32)
    linear = builder.add(
        Conv(padding=((1, 1), (1, 1))), (x, builder.constant("w", weights)), "linear"
    )
    graph = builder.build((builder.add(Clip(low=0.0, high=6.0), (linear,), "y"),))
    plan = Recipe()
    ranges = {"x": Range(low=-1.0, high=1.0), "y": Range(low=0.0, high=largest)}
    calibration = Calibration(ranges=ranges)
    plain, uniform = (
        quantize_graph(graph, calibration, plan, TARGET, uniform=uniform)
        for uniform in (False, True)
    )
    clamps = [
        sum(isinstance(node.op, Clamp) for node in found.nodes)
        for found in (plain, uniform)
    ]
    assert clamps == [0, 1]
    values = np.random.default_rng(1).uniform(-1, 1, (8, 4, 4, 2)).astype(np.float32)
    got, want = (Program(found, 8)(values)["y"] for found in (uniform, plain))
    np.testing.assert_array_equal(got, want, strict=True)
    other = quantize_graph(
        graph,
        Calibration(ranges={**ranges, "y": Range(low=0.0, high=8.0)}),
        plan,
        TARGET,
        uniform=True,
    )
    assert structure(other) == structure(uniform)
