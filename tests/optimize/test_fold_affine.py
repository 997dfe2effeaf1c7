"""fold_affine: normalisation and per-channel arithmetic go into Conv and Gemm."""

import numpy as np
import pytest
from onnx import helper

from emu.errors import GraphError
from emu.graph import Golden, Graph
from emu.ops import Add, BatchNormalization, Conv, Gemm, Mul
from emu.optimize import fold_affine, run_passes
from tests.frontends.run import import_model, model_of
from tests.optimize.same import assert_same_function

RNG = np.random.default_rng(0)


def normal(*shape: int) -> np.ndarray:
    return RNG.standard_normal(shape).astype(np.float32)


def statistics(channels: int) -> dict[str, np.ndarray]:
    return {
        "gamma": normal(channels),
        "beta": normal(channels),
        "mean": normal(channels),
        "var": np.abs(normal(channels)) + np.float32(0.1),
    }


def conv_then_norm(groups: int, *, bias: bool, outputs: tuple[str, ...]) -> Graph:
    constants = {"w": normal(8, 4 // groups, 3, 3), **statistics(8)}
    operands = ["x", "w"]
    if bias:
        constants["b"] = normal(8)
        operands.append("b")
    nodes = [
        helper.make_node("Conv", operands, ["c"], name="conv", group=groups),
        helper.make_node(
            "BatchNormalization",
            ["c", "gamma", "beta", "mean", "var"],
            ["y"],
            name="norm",
            epsilon=1e-3,
        ),
    ]
    return import_model(
        model_of(nodes, {"x": ("N", 4, 6, 5)}, constants, outputs=outputs)
    )


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("groups", [1, 2, 4])
def test_batch_norm_after_any_conv_is_folded(groups, bias):
    graph = conv_then_norm(groups, bias=bias, outputs=("y",))
    folded = fold_affine(graph)
    assert_same_function(graph, folded)
    assert [type(n.op).__name__ for n in folded.nodes] == [
        "Transpose",
        "Conv",
        "Transpose",
    ]
    conv = folded.nodes[1]
    assert (conv.name, conv.layer, conv.output) == ("conv", "conv", "y:nhwc")
    golden = Golden(name="y", perm=(0, 2, 3, 1))
    assert folded.tensors["y:nhwc"].golden == golden
    assert fold_affine(folded) is folded


def test_a_conv_that_makes_an_output_is_left_alone():
    graph = conv_then_norm(1, bias=True, outputs=("c", "y"))
    assert fold_affine(graph) is graph


def test_a_conv_with_another_reader_is_left_alone():
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["c"], name="conv"),
        helper.make_node("Mul", ["c", "f"], ["m"], name="mul"),
        helper.make_node("Add", ["c", "m"], ["y"], name="add"),
    ]
    constants = {"w": normal(4, 4, 1, 1), "f": normal(4, 1, 1)}
    graph = import_model(model_of(nodes, {"x": ("N", 4, 3, 3)}, constants))
    assert fold_affine(graph) is graph


@pytest.mark.parametrize("first", [True, False])
@pytest.mark.parametrize("op", ["Add", "Sub", "Mul"])
@pytest.mark.parametrize("shape", [(), (1,), (4, 1, 1)])
def test_arithmetic_after_a_conv_is_folded(op, shape, first):
    operands = ["c", "f"] if first else ["f", "c"]
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["c"], name="conv"),
        helper.make_node(op, operands, ["y"], name="arithmetic"),
    ]
    constants = {"w": normal(4, 3, 1, 1), "f": normal(*shape)}
    graph = import_model(model_of(nodes, {"x": ("N", 3, 3, 2)}, constants))
    folded = fold_affine(graph)
    assert_same_function(graph, folded)
    assert len(folded.nodes) == 3


@pytest.mark.parametrize("shape", [(1, 1, 3, 2), (1, 4, 3, 1)])
def test_arithmetic_that_differs_between_pixels_is_left_alone(shape):
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["c"], name="conv"),
        helper.make_node("Add", ["c", "f"], ["y"], name="add"),
    ]
    constants = {"w": normal(4, 3, 1, 1), "f": normal(*shape)}
    graph = import_model(model_of(nodes, {"x": ("N", 3, 3, 2)}, constants))
    assert fold_affine(graph) is graph


def test_a_constant_that_adds_channels_is_left_alone():
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["c"], name="conv"),
        helper.make_node("Add", ["c", "f"], ["y"], name="add"),
    ]
    constants = {"w": normal(1, 3, 1, 1), "f": normal(4, 1, 1)}
    graph = import_model(model_of(nodes, {"x": ("N", 3, 3, 2)}, constants))
    assert fold_affine(graph) is graph


def test_a_chain_after_a_dense_layer_is_folded_whole():
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["a"], name="dense"),
        helper.make_node("Add", ["a", "b"], ["c"], name="bias"),
        helper.make_node(
            "BatchNormalization",
            ["c", "gamma", "beta", "mean", "var"],
            ["d"],
            name="norm",
        ),
        helper.make_node("Mul", ["d", "f"], ["e"], name="scale"),
        helper.make_node("Sub", ["g", "e"], ["y"], name="minus"),
    ]
    constants = {
        "w": normal(3, 4),
        "b": normal(4),
        "f": normal(1),
        "g": normal(1, 4),
        **statistics(4),
    }
    graph = import_model(model_of(nodes, {"x": ("N", 3)}, constants))
    folded = fold_affine(graph)
    assert_same_function(graph, folded)
    (node,) = folded.nodes
    assert (node.name, node.op, node.output) == ("dense", Gemm(), "y")
    assert len(folded.constants) == 2


def test_shared_weights_are_copied_not_changed():
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["a"], name="dense1"),
        helper.make_node("Mul", ["a", "f"], ["b"], name="scale"),
        helper.make_node("MatMul", ["b", "w"], ["y"], name="dense2"),
    ]
    constants = {"w": normal(4, 4), "f": normal(4)}
    graph = import_model(model_of(nodes, {"x": ("N", 4)}, constants))
    before = graph.constants["w"].copy()
    folded = fold_affine(graph)
    assert_same_function(graph, folded)
    np.testing.assert_array_equal(folded.constants["w"], before)
    assert "w:folded" in folded.constants


def test_a_factor_that_overflows_float32_is_left_alone():
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["a"], name="dense"),
        helper.make_node("Mul", ["a", "f"], ["y"], name="scale"),
    ]
    constants = {
        "w": np.full((2, 2), 1e30, np.float32),
        "f": np.full(2, 1e30, np.float32),
    }
    graph = import_model(model_of(nodes, {"x": ("N", 2)}, constants))
    assert fold_affine(graph) is graph


def test_a_variance_that_is_not_positive_is_an_error_naming_node_and_pass():
    graph = conv_then_norm(1, bias=False, outputs=("y",))
    constants = dict(graph.constants)
    constants["var"] = np.full(8, -1.0, np.float32)
    broken = Graph(
        name=graph.name,
        inputs=graph.inputs,
        outputs=graph.outputs,
        nodes=graph.nodes,
        tensors=graph.tensors,
        constants=constants,
    )
    with pytest.raises(GraphError, match=r"norm: pass fold_affine: variance"):
        run_passes(broken)


def test_all_passes_remove_every_batch_norm():
    """Conv, Add, normalisation, Mul in any order: one Conv remains."""
    graph = conv_then_norm(1, bias=False, outputs=("y",))
    final = run_passes(graph)
    kinds = {type(node.op) for node in final.nodes}
    assert not kinds & {BatchNormalization, Add, Mul}
    assert sum(isinstance(node.op, Conv) for node in final.nodes) == 1
