"""Files for one image whose outputs lack the batch get it back."""

import numpy as np
import onnx
import pytest
from onnx import helper

from emu.execute import Program
from emu.graph import is_static
from tests.frontends.run import import_model, model_of, run_onnxruntime


def head(*nodes: onnx.NodeProto) -> onnx.ModelProto:
    """Convolution, Reshape to [4, 9] without the batch, then `nodes` up to y."""
    rng = np.random.default_rng(7)
    w = rng.standard_normal((4, 3, 1, 1)).astype(np.float32)
    return model_of(
        [
            helper.make_node("Conv", ["x", "w"], ["a"], name="conv"),
            helper.make_node("Reshape", ["a", "s"], ["b"], name="reshape"),
            *nodes,
        ],
        {"x": (1, 3, 3, 3)},
        {
            "w": w,
            "s": np.array([4, -1], np.int64),
            "m": np.ones((9, 2), np.float32),
            "axes": np.array([0], np.int64),
        },
    )


TRANSPOSE = helper.make_node("Transpose", ["b"], ["y"], perm=[1, 0])
REVERSED = helper.make_node("Transpose", ["b"], ["y"])
HEADS = {
    "transposed": head(TRANSPOSE),
    "transposed without perm": head(REVERSED),
    "sigmoid": head(helper.make_node("Sigmoid", ["b"], ["y"])),
    "softmax": head(helper.make_node("Softmax", ["b"], ["y"], axis=0)),
    "joined": head(helper.make_node("Concat", ["b", "b"], ["y"], axis=-1)),
}


@pytest.mark.parametrize("name", HEADS)
def test_the_batch_is_free_and_each_sample_as_onnxruntime_gives_it(name):
    model = HEADS[name]
    graph = import_model(model)
    assert not is_static(graph)
    assert graph.tensors["y"].shape[0] is None
    x = np.random.default_rng(1).standard_normal((3, 3, 3, 3)).astype(np.float32)
    (found,) = Program(graph, 4)(x).values()
    for row, sample in zip(found, x, strict=True):
        (expected,) = run_onnxruntime(model, {"x": sample[None]}, ["y"])
        np.testing.assert_allclose(row, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    "node",
    [
        helper.make_node("MatMul", ["b", "m"], ["y"]),
        helper.make_node("ReduceSum", ["b", "axes"], ["y"], keepdims=0),
    ],
    ids=lambda node: node.op_type,
)
def test_what_is_not_known_behind_the_reshape_leaves_the_graph_static(node):
    assert is_static(import_model(head(node)))


def test_sizes_computed_from_a_batch_of_one_do_not_fix_it():
    """[1, c, h, w] -> Shape -> its last sizes doubled -> Resize, as detectors do."""
    nodes = [
        helper.make_node("Shape", ["x"], ["sizes"]),
        helper.make_node("Slice", ["sizes", "two", "four"], ["hw"]),
        helper.make_node("Mul", ["hw", "two"], ["doubled"]),
        helper.make_node("Slice", ["sizes", "zero", "two"], ["nc"]),
        helper.make_node("Concat", ["nc", "doubled"], ["target"], axis=0),
        helper.make_node("Resize", ["x", "", "", "target"], ["y"], mode="nearest"),
    ]
    numbers = {"zero": 0, "two": 2, "four": 4}
    model = model_of(
        nodes,
        {"x": (1, 2, 3, 3)},
        {k: np.array([v], np.int64) for k, v in numbers.items()},
    )
    graph = import_model(model)
    assert not is_static(graph)
    x = np.random.default_rng(2).standard_normal((2, 2, 3, 3)).astype(np.float32)
    (found,) = Program(graph, 2)(x).values()
    np.testing.assert_array_equal(found, x.repeat(2, axis=2).repeat(2, axis=3))
