"""Layers that do not run on integers: which, in which floats, and what is between."""

import numpy as np
import pytest

from emu.calibrate import calibrate
from emu.errors import ConfigError
from emu.execute import Program
from emu.graph import GraphBuilder, Tensor, consumers, load_graph, save_graph
from emu.ops import (
    Concat,
    Conv,
    Conv2d,
    Dequantize,
    FloatCast,
    Gemm,
    Quantize,
    Relu,
    Rescale,
    Reshape,
    Softmax,
    Transpose,
)
from emu.quantize import Recipe, observations, quantize_graph
from emu.quantize.fusion import joined_outputs
from emu.targets import find_target
from tests.oracles.interpreter import compute
from tests.zoo import every_layer, images, two_convs


def lowered(graph, recipe, target="generic-int8", count=16):
    plan = Recipe.model_validate(recipe)
    accelerator = find_target(target)
    wishes = observations(plan, graph, accelerator)
    calibration = calibrate(graph, [images(graph, count)], wishes)
    return quantize_graph(graph, calibration, plan, accelerator)


def kinds(program):
    return [type(node.op) for node in program.nodes]


def dtypes(program, layer):
    return {program.tensors[n.output].dtype for n in program.nodes if n.layer == layer}


def assert_each_node_equals_the_interpreter(program, x):
    """Integers to the bit; reals to the rounding of their dtype."""
    made = tuple(node.output for node in program.nodes)
    tensors = {**program.constants, "x": x, **Program(program, len(x), made)(x)}
    for node in program.nodes:
        got = tensors[node.output]
        want = compute(node.op, *(tensors[name] for name in node.inputs))
        assert got.dtype == want.dtype, node.name
        if got.dtype.kind == "f":
            near = 2**-10 if got.dtype == np.float16 else 1e-4
            np.testing.assert_allclose(got, want, near, 1e-5, err_msg=node.name)
        else:
            np.testing.assert_array_equal(got, want, node.name)


def test_an_excluded_layer_runs_in_float16_between_casts():
    program = lowered(two_convs(), {"exclude": ["first"]})
    assert kinds(program) == [
        FloatCast,
        Conv,
        Relu,
        Quantize,
        Conv2d,
        Rescale,
        Dequantize,
    ]
    assert [t.dtype for t in program.tensors.values()] == [
        "float32",  # the input
        "float16",
        "float16",
        "float16",
        "int8",
        "int32",
        "int8",
        "float32",
    ]
    weights = program.constants["first.w:float16"]
    assert weights.dtype == np.float16


def test_integers_become_float16_by_way_of_float32():
    program = lowered(two_convs(), {"exclude": ["second"]})
    assert kinds(program)[-4:] == [Dequantize, FloatCast, Conv, FloatCast]
    assert program.tensors[program.outputs[0]].dtype == "float32"
    assert program.outputs == ("second",)


@pytest.mark.parametrize(
    ("execute", "dtype"),
    [("float", "float16"), ("float16", "float16"), ("float32", "float32")],
)
def test_a_recipe_says_in_which_floats(execute, dtype):
    recipe = {"layer": {"first": {"execute": execute}}}
    program = lowered(two_convs(), recipe)
    assert dtypes(program, "first") == {dtype}
    assert "int8" in dtypes(program, "second")


def test_the_whole_network_in_float32_is_the_float_network():
    graph = two_convs()
    program = lowered(graph, {"global": {"execute": "float32"}})
    x = images(graph, 4)
    np.testing.assert_array_equal(
        Program(program, 4)(x)["second"], Program(graph, 4)(x)["second"]
    )


@pytest.mark.parametrize(
    ("target", "recipe"),
    [
        ("generic-int8", {"global": {"execute": "float16"}}),
        ("generic-int8", {"exclude": ["stem", "sum", "gated", "pooled"]}),
        ("generic-int8", {"op": {"Conv": {"execute": "float32"}}}),
        ("ascend-310", {}),
    ],
    ids=["all", "some", "convs-float32", "ascend"],
)
def test_mixed_programs_equal_the_interpreter_and_the_float_network(
    target, recipe, tmp_path
):
    graph = every_layer()
    program = lowered(graph, recipe, target)
    x = images(graph, 4, seed=3)
    assert_each_node_equals_the_interpreter(program, x)
    found, floats = Program(program, 4)(x), Program(graph, 4)(x)
    for name in graph.outputs:
        assert found[name].dtype == np.float32
        noise = np.mean((found[name] - floats[name]) ** 2)
        assert noise < 0.01 * np.mean(floats[name] ** 2)
    save_graph(program, tmp_path / "mixed.emu")
    again = load_graph(tmp_path / "mixed.emu")
    for name, values in Program(again, 4)(x).items():
        np.testing.assert_array_equal(values, found[name])


def test_every_layer_that_ascend_does_not_run_on_integers_is_float16():
    program = lowered(every_layer(), {}, "ascend-310")
    floats = find_target("ascend-310").operators.float
    layers = {n.layer for n in program.nodes if type(n.op).__name__ in floats}
    assert {"sum", "gated", "shares"} <= layers
    assert {d for layer in layers for d in dtypes(program, layer)} <= {
        "float16",
        "int8",  # the quantize node that makes the operand of an integer layer
    }


def test_a_host_runs_its_layers_in_float32():
    program = lowered(every_layer(), {})
    assert dtypes(program, "shares") == {"float32"}
    assert "float16" not in {t.dtype for t in program.tensors.values()}


def test_a_recipe_decides_for_the_host_too():
    program = lowered(every_layer(), {"op": {"Softmax": {"execute": "float16"}}})
    softmax = next(n for n in program.nodes if isinstance(n.op, Softmax))
    assert program.tensors[softmax.output].dtype == "float16"


def test_an_activation_runs_with_its_layer_unless_it_is_named_itself():
    alone = lowered(two_convs(), {"exclude": ["first.relu"]})
    assert Conv2d in kinds(alone)
    assert dtypes(alone, "first.relu") == {"float16"}
    kept = lowered(
        two_convs(),
        {"exclude": ["first"], "layer": {"first.relu": {"execute": "integer"}}},
    )
    assert dtypes(kept, "first") == {"float16"}
    assert "int8" in dtypes(kept, "first.relu")


def test_a_constant_beyond_float16_is_named():
    builder = GraphBuilder("large")
    builder.input("x", Tensor(shape=(None, 2)))
    weights = np.array([[1.0], [70000.0]], np.float32)
    w = builder.constant("w", weights)
    y = builder.add(Gemm(), ("x", w), "y", name="dense", layer="dense")
    graph = builder.build((y,))
    with pytest.raises(ConfigError, match="dense: constant 'w' holds 70000, float16"):
        lowered(graph, {"exclude": ["dense"]})
    program = lowered(graph, {"layer": {"dense": {"execute": "float32"}}})
    assert kinds(program) == [Gemm]


def test_results_beyond_float16_are_infinite():
    builder = GraphBuilder("overflow")
    builder.input("x", Tensor(shape=(None, 1)))
    w = builder.constant("w", np.array([[60000.0]], np.float32))
    y = builder.add(Gemm(), ("x", w), "y", name="dense", layer="dense")
    program = lowered(builder.build((y,)), {"exclude": ["dense"]})
    found = Program(program, 3)(np.array([[1.0], [2.0], [-2.0]], np.float32))["y"]
    np.testing.assert_array_equal(found[:, 0], [60000 - 60000 % 32, np.inf, -np.inf])


def two_heads():
    """Two heads of one channel each, a hundred times apart, joined and reshaped."""
    builder = GraphBuilder("heads")
    x = builder.input("x", Tensor(shape=(None, 4, 4, 1)))
    heads = []
    for name, size in (("small", 0.01), ("large", 1.0)):
        weights = builder.constant(f"{name}:w", np.full((1, 1, 1, 1), size, np.float32))
        heads.append(builder.add(Conv(), (x, weights), name, name=name))
    joined = builder.add(Concat(axis=3), tuple(heads), "joined", name="join")
    flat = builder.add(Reshape(shape=(16, 2)), (joined,), "flat", name="flat")
    return builder.build((builder.add(Transpose(perm=(0, 2, 1)), (flat,), "y"),))


def test_joined_outputs_have_one_scale_or_each_its_own():
    graph = two_heads()
    x = np.random.default_rng(5).uniform(-1, 1, (8, 4, 4, 1)).astype(np.float32)
    plan = {way: Recipe(joined_outputs=way) for way in ("integer", "float")}
    accelerator = find_target("generic-int8")
    (real,) = Program(graph, 8)(x).values()
    worst = {}
    for way, recipe in plan.items():
        found = calibrate(graph, [x], observations(recipe, graph, accelerator))
        program = quantize_graph(graph, found, recipe, accelerator)
        (result,) = Program(program, 8)(x).values()
        worst[way] = np.abs(result - real)[:, 0].max() / np.abs(real)[:, 0].max()
    assert worst["integer"] > 0.2
    assert worst["float"] < 0.02


def test_what_is_computed_behind_a_concat_keeps_it_on_integers():
    graph = every_layer()
    joins = {node.name for node in joined_outputs(graph)}
    readers = consumers(graph)
    for node in graph.nodes:
        if node.name in joins:
            assert all(reader.name in joins for reader in readers.get(node.output, []))
            assert isinstance(node.op, Concat | Reshape | Transpose)
