"""Files whose operators do not keep the first axis become static graphs."""

import numpy as np
import pytest
from onnx import helper

from emu.errors import UnsupportedError
from emu.graph import is_static
from tests.frontends.run import (
    check_against_onnxruntime,
    import_model,
    model_of,
    one_node_model,
)


def whole(*values: int) -> np.ndarray:
    return np.array(values, np.int64)


def ones(*shape: int) -> np.ndarray:
    return np.arange(np.prod(shape), dtype=np.float32).reshape(shape)


STATIC = {
    "reshape without batch": one_node_model(
        "Reshape", [(2, 4, 6)], constants={"s": whole(8, 6)}
    ),
    "constant of the batch": one_node_model(
        "Add", [(2, 3)], constants={"c": ones(2, 3)}
    ),
    "constant of higher rank": one_node_model(
        "Mul", [(2, 3)], constants={"c": ones(4, 2, 1)}
    ),
    "operands of two ranks": one_node_model("Add", [(2, 3, 4, 5), (4, 5)]),
    "concat of the batch": one_node_model("Concat", [(2, 3), (1, 3)], axis=0),
    "concat of a constant": one_node_model(
        "Concat", [(1, 3, 2, 2)], constants={"c": ones(1, 1, 2, 2)}, axis=1
    ),
    "squeeze": one_node_model("Squeeze", [(1, 3, 1)]),
    "unsqueeze": one_node_model("Unsqueeze", [(2, 3)], constants={"a": whole(0)}),
    "transpose": one_node_model("Transpose", [(2, 3, 4, 5)]),
    "flatten": one_node_model("Flatten", [(2, 3, 4)], axis=2),
    "mean": one_node_model("ReduceMean", [(2, 3)], axes=[0], keepdims=0),
    "largest of all": one_node_model("ReduceMax", [(2, 3, 2, 2)], keepdims=0),
    "pad": one_node_model("Pad", [(2, 3)], constants={"p": whole(1, 0, 0, 2)}),
    "softmax": one_node_model("Softmax", [(2, 3)], axis=0),
    "slice": one_node_model(
        "Slice", [(4, 3)], constants={"s": whole(1), "e": whole(3), "a": whole(0)}
    ),
    "inputs of two batches": one_node_model("MatMul", [(4, 3), (3, 2)]),
}


@pytest.mark.parametrize("name", STATIC)
def test_what_does_not_keep_the_first_axis_is_static(name):
    assert is_static(check_against_onnxruntime(STATIC[name]))


def test_a_fixed_batch_that_can_be_freed_is_freed():
    model = one_node_model("Reshape", [(1, 4, 6)], constants={"s": whole(1, 24)})
    assert not is_static(check_against_onnxruntime(model))


def test_the_shape_of_a_static_tensor_is_a_constant():
    nodes = [
        helper.make_node("Shape", ["x"], ["s"], name="shape"),
        helper.make_node("Gather", ["s", "first"], ["n"], name="pick"),
        helper.make_node("Concat", ["n", "rest"], ["t"], name="join", axis=0),
        helper.make_node("Reshape", ["x", "t"], ["y"], name="reshape"),
    ]
    constants = {"first": whole(0), "rest": whole(-1)}
    model = model_of(nodes, {"x": (3, 4, 5)}, constants)
    info = helper.make_tensor_value_info("y", 1, (3, 20))
    model.graph.output[0].CopyFrom(info)
    graph = check_against_onnxruntime(model)
    assert graph.tensors["y"].shape == (3, 20)


def test_a_free_batch_is_never_made_static():
    model = one_node_model("Transpose", [("N", 3)])
    with pytest.raises(UnsupportedError, match="moves the batch axis"):
        import_model(model)


def test_what_cannot_be_imported_either_way_is_listed_without_the_batch():
    nodes = [
        helper.make_node("Transpose", ["x"], ["t"], name="turn"),
        helper.make_node("Cos", ["t"], ["y"], name="cos"),
    ]
    with pytest.raises(UnsupportedError) as error:
        import_model(model_of(nodes, {"x": (2, 3)}))
    assert error.value.message == "1 unsupported node: 'cos' (Cos)"
