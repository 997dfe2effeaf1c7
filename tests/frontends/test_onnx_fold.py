"""Nodes of constants only are computed while importing."""

import numpy as np
import pytest
from onnx import helper

from emu.errors import UnsupportedError
from tests.frontends.run import check_against_onnxruntime, import_model, model_of


def whole(*values: int) -> np.ndarray:
    return np.array(values, np.int64)


def test_weights_may_pass_through_nodes():
    nodes = [
        helper.make_node("Reshape", ["w", "s"], ["w2"], name="shape"),
        helper.make_node("Transpose", ["w2"], ["w3"], name="turn"),
        helper.make_node("MatMul", ["x", "w3"], ["y"], name="dense"),
    ]
    weights = np.arange(24, dtype=np.float32).reshape(2, 3, 2, 2)
    constants = {"w": weights, "s": whole(6, 4)}
    graph = check_against_onnxruntime(model_of(nodes, {"x": ("N", 4)}, constants))
    assert [node.name for node in graph.nodes] == ["dense"]
    assert list(graph.constants) == ["w3"]


@pytest.mark.parametrize(
    ("attribute", "value"),
    [
        ("value", helper.make_tensor("t", 1, [1, 3], [1.0, 2.0, 3.0])),
        ("value_floats", [1.0, 2.0, 3.0]),
        ("value_float", 2.5),
    ],
)
def test_constant_nodes_are_constants(attribute, value):
    nodes = [
        helper.make_node("Constant", [], ["c"], name="constant", **{attribute: value}),
        helper.make_node("Add", ["x", "c"], ["y"], name="add"),
    ]
    check_against_onnxruntime(model_of(nodes, {"x": ("N", 3)}))


def test_a_constant_of_strings_is_refused():
    nodes = [
        helper.make_node("Constant", [], ["c"], name="text", value_string="hello"),
        helper.make_node("Relu", ["x"], ["y"], name="relu"),
    ]
    with pytest.raises(UnsupportedError, match=r"'text' \(Constant: a value given by"):
        import_model(model_of(nodes, {"x": ("N", 3)}))


def test_a_constant_too_large_is_refused_before_it_is_made():
    nodes = [
        helper.make_node("ConstantOfShape", ["s"], ["c"], name="huge"),
        helper.make_node("Add", ["x", "c"], ["y"], name="add"),
    ]
    constants = {"s": whole(1, 1 << 30, 1 << 10)}
    with pytest.raises(UnsupportedError, match=r"'huge' \(ConstantOfShape"):
        import_model(model_of(nodes, {"x": ("N", 1, 1)}, constants))


def test_chance_is_never_folded():
    nodes = [
        helper.make_node("RandomNormalLike", ["c"], ["r"], name="random"),
        helper.make_node("Add", ["x", "r"], ["y"], name="add"),
    ]
    constants = {"c": np.ones(3, np.float32)}
    with pytest.raises(UnsupportedError, match="'random'"):
        import_model(model_of(nodes, {"x": ("N", 3)}, constants))
