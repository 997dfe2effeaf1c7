"""Activations of 8 and 16 bits in one program, on integers all the way."""

import numpy as np
import pytest

from emu.calibrate import calibrate
from emu.errors import ConfigError
from emu.execute import Program
from emu.graph import GraphBuilder, Tensor
from emu.ops import Conv2d, MaxPool, ReduceSum, Rescale, SquaredDifference
from emu.quantize import Recipe, observations, quantize_graph
from emu.targets import Target, find_target
from tests.oracles.interpreter import interpret
from tests.zoo import every_layer, images, two_convs

ZOO = every_layer()


def lowered(graph, recipe, target: str | Target = "generic-int8", x=None):
    plan = Recipe.model_validate(recipe)
    sample = images(graph, 16) if x is None else x
    accelerator = target if isinstance(target, Target) else find_target(target)
    found = calibrate(graph, [sample], observations(plan, graph, accelerator))
    return quantize_graph(graph, found, plan, accelerator)


def with_parts(name, **changes):
    target = find_target(name)
    parts = {
        key: getattr(target, key).model_copy(update=value)
        for key, value in changes.items()
    }
    return target.model_copy(update=parts)


def mixed(seed):
    """A recipe that gives each layer 8 or 16 bits."""
    bits = np.random.default_rng(seed).choice([8, 16], len(ZOO.nodes) + 1)
    names = ["x", *(node.name for node in ZOO.nodes)]
    return {
        "layer": {
            name: {"activation_bits": int(b)}
            for name, b in zip(names, bits, strict=True)
        }
    }


def noise(program, graph, x):
    """Decibels of signal to noise of every quantized tensor, by name."""
    names = [name for name in graph.tensors if f"{name}:q" in program.tensors]
    floats = Program(graph, len(x), tuple(names))(x)
    codes = Program(program, len(x), tuple(f"{n}:q" for n in names))(x)
    found = {}
    for name in names:
        qparams = program.tensors[f"{name}:q"].qparams
        real = (codes[f"{name}:q"].astype(float) - qparams.zero_point) * qparams.scale
        error = np.mean((real - floats[name]) ** 2)
        found[name] = 10 * np.log10(np.mean(floats[name] ** 2) / error)
    return found


WIDE = {"global": {"activation_bits": 16}}
WIDE_CONVS = {"op": {"Conv": {"activation_bits": 16}}}
NARROW_CONVS = {**WIDE, "op": {"Conv": {"activation_bits": 8}}}


@pytest.mark.parametrize(
    ("name", "recipe"),
    [
        ("generic-int8", WIDE),
        ("generic-int8", WIDE_CONVS),
        ("generic-int8", mixed(0)),
        ("generic-int8", mixed(1)),
        ("hailo-8", WIDE),
        ("hailo-8", NARROW_CONVS),
        ("hailo-8", mixed(2)),
    ],
)
def test_every_tensor_equals_the_independent_interpreter(name, recipe):
    program = lowered(ZOO, recipe, name)
    x = images(ZOO, 2, seed=5)
    taps = tuple(
        n.output for n in program.nodes if "int" in program.tensors[n.output].dtype
    )
    got, want = Program(program, 2, taps)(x), interpret(program, {"x": x})
    for tensor in taps:
        assert got[tensor].dtype == want[tensor].dtype, tensor
        np.testing.assert_array_equal(got[tensor], want[tensor], tensor)
    formats = {t.format.bits for t in program.tensors.values() if t.format}
    assert 16 in formats
    assert len(formats - {32}) == (1 if recipe is WIDE else 2)
    floats = [t for t in program.tensors.values() if t.dtype.startswith("float")]
    assert len(floats) == 4  # the input, both outputs, and what softmax reads


@pytest.mark.parametrize("name", ["generic-int8", "hailo-8"])
def test_sixteen_bits_everywhere_leave_little_noise(name):
    recipe = {"global": {"activation_bits": 16, "weight_bits": 16}}
    x = images(ZOO, 16)
    found = noise(lowered(ZOO, recipe, name, x), ZOO, x)
    assert len(found) > 30
    # A step of 8 bits is 256 of 16: 48 decibels more, if no layer wastes them.
    assert min(found.values()) > 60, min(found.items(), key=lambda item: item[1])


def test_wide_weights_of_narrow_activations_have_the_wide_accumulator():
    recipe = {"layer": {"first": {"weight_bits": 16}}}
    program = lowered(two_convs(), recipe)
    first, second = (n for n in program.nodes if isinstance(n.op, Conv2d))
    assert isinstance(first.op, Conv2d)
    assert isinstance(second.op, Conv2d)
    bits = (first.op.accumulator.bits, second.op.accumulator.bits)
    assert bits == (48, 32)
    assert program.constants[first.inputs[1]].dtype == np.int16
    x = images(two_convs(), 2)
    taps = tuple(node.output for node in program.nodes)
    want = interpret(program, {"x": x})
    for name, found in Program(program, 2, taps)(x).items():
        np.testing.assert_array_equal(found, want[name], name)


def test_wide_activations_of_generic_int8_have_no_zero_point():
    program = lowered(ZOO, WIDE)
    wide = [t for t in program.tensors.values() if t.format and t.format.bits == 16]
    assert {t.qparams.zero_point for t in wide if t.qparams} == {(0,)}
    unsigned = lowered(ZOO, WIDE, "hailo-8")
    points = {t.qparams.zero_point for t in unsigned.tensors.values() if t.qparams}
    assert len(points) > 3


def test_bits_of_a_layer_are_those_of_the_activation_that_ends_it():
    program = lowered(two_convs(), {"layer": {"first": {"activation_bits": 16}}})
    assert program.tensors["first.relu:q"].dtype == "int16"
    assert program.tensors["second:q"].dtype == "int8"
    own = {"first": {"activation_bits": 16}, "first.relu": {"activation_bits": 8}}
    program = lowered(two_convs(), {"layer": own})
    assert program.tensors["first.relu:q"].dtype == "int8"


def test_a_layer_that_moves_values_changes_width_only_when_told():
    names = [n.output for n in ZOO.nodes if isinstance(n.op, MaxPool)]
    program = lowered(ZOO, {"layer": {"all": {"activation_bits": 16}}})
    assert {program.tensors[f"{name}:q"].dtype for name in names} == {"int16"}
    told = {"all": {"activation_bits": 16}, "biggest": {"activation_bits": 8}}
    program = lowered(ZOO, {"layer": told})
    made = [type(n.op) for n in program.nodes if n.layer == "biggest"]
    assert made == [MaxPool, Rescale]
    assert program.tensors["biggest:q"].dtype == "int8"


@pytest.mark.parametrize(
    ("target", "bits", "message"),
    [
        ("generic-int8", 12, "first: activation_bits is 12, generic-int8 has 8 or 16"),
        ("ascend-310", 16, "first: activation_bits is 16, ascend-310 has 8"),
    ],
)
def test_a_width_that_the_target_lacks_names_the_layer(target, bits, message):
    recipe = {"layer": {"first": {"activation_bits": bits}}}
    with pytest.raises(ConfigError, match=message):
        lowered(two_convs(), recipe, target)


def test_an_integer_softmax_of_two_widths_names_the_layer():
    target = with_parts("tflite-reference", activation={"widths": (8, 16)})
    recipe = {"layer": {"shares": {"activation_bits": 16}}}
    with pytest.raises(ConfigError, match="shares: an integer softmax has 8 bits on"):
        lowered(ZOO, recipe, target)


def test_a_sum_that_may_leave_32_bits_names_the_layer():
    builder = GraphBuilder("sum")
    builder.input("x", Tensor(shape=(None, 1 << 17)))
    y = builder.add(ReduceSum(axes=(1,)), ("x",), "y", name="sum", layer="sum")
    graph = builder.build((y,))
    with pytest.raises(ConfigError, match="sum: a sum of 131072 values of 16 bits may"):
        lowered(graph, WIDE)
    assert lowered(graph, {}).outputs == ("y",)


def test_a_squared_difference_of_sixteen_bits_does_not_wrap():
    builder = GraphBuilder("square")
    builder.input("x", Tensor(shape=(None, 64)))
    half = builder.constant("half", np.full((1, 64), -3.0, np.float32))
    y = builder.add(
        SquaredDifference(), ("x", half), "y", name="square", layer="square"
    )
    graph = builder.build((y,))
    x = np.linspace(-3, 3, 64 * 16, dtype=np.float32).reshape(16, 64)
    found = noise(lowered(graph, WIDE, x=x), graph, x)
    assert found["y"] > 80
