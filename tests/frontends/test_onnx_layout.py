"""Layouts, names and goldens of an imported Graph."""

import numpy as np
from onnx import helper

from emu.graph import Golden
from emu.ops import Conv, Reshape, Transpose
from tests.frontends.run import check_against_onnxruntime, model_of, one_node_model

NHWC = (0, 2, 3, 1)


def image_weights(co: int, ci: int) -> np.ndarray:
    rng = np.random.default_rng(0)
    return rng.standard_normal((co, ci, 3, 3)).astype(np.float32)


def two_convolutions() -> list:
    return [
        helper.make_node("Conv", ["x", "w"], ["a"], name="conv1", pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["a"], ["b"], name="relu"),
        helper.make_node("Conv", ["b", "v"], ["y"], name="conv2", pads=[1, 1, 1, 1]),
    ]


def test_images_are_nhwc_inside_and_in_file_layout_at_the_edges():
    constants = {"w": image_weights(4, 3), "v": image_weights(2, 4)}
    model = model_of(two_convolutions(), {"x": ("N", 3, 6, 5)}, constants)
    graph = check_against_onnxruntime(model)
    assert [(n.name, type(n.op).__name__) for n in graph.nodes] == [
        ("x:nhwc", "Transpose"),
        ("conv1", "Conv"),
        ("relu", "Relu"),
        ("conv2", "Conv"),
        ("y", "Transpose"),
    ]
    assert graph.tensors["x"].shape == (None, 3, 6, 5)
    assert graph.tensors["a"].shape == (None, 6, 5, 4)
    assert graph.tensors["a"].golden == Golden(name="a", perm=NHWC)
    assert graph.tensors["y:nhwc"].golden == Golden(name="y", perm=NHWC)
    assert graph.tensors["y"].golden == Golden(name="y", perm=(0, 1, 2, 3))
    assert graph.outputs == ("y",)
    assert [node.layer for node in graph.nodes] == [node.name for node in graph.nodes]
    assert graph.constants["w:hwio"].shape == (3, 3, 3, 4)


def test_a_name_the_file_uses_is_not_taken_for_a_tensor_of_ours():
    nodes = two_convolutions()
    nodes[0].output[0] = nodes[1].input[0] = "x:nhwc"
    constants = {"w": image_weights(4, 3), "v": image_weights(2, 4)}
    graph = check_against_onnxruntime(model_of(nodes, {"x": ("N", 3, 6, 5)}, constants))
    golden = graph.tensors["x:nhwc"].golden
    assert golden is not None
    assert golden.name == "x:nhwc"


def test_one_channel_is_reshaped_rather_than_transposed():
    constants = {"w": image_weights(4, 1)}
    model = one_node_model("Conv", [("N", 1, 6, 5)], constants=constants)
    graph = check_against_onnxruntime(model)
    assert graph.nodes[0].op == Reshape(shape=(6, 5, 1))


def test_transposes_that_cancel_never_arise():
    """A file made from an NHWC framework: Transpose, Conv, Transpose."""
    nodes = [
        helper.make_node("Transpose", ["x"], ["t"], name="in", perm=[0, 3, 1, 2]),
        helper.make_node("Conv", ["t", "w"], ["c"], name="conv"),
        helper.make_node("Transpose", ["c"], ["y"], name="out", perm=[0, 2, 3, 1]),
    ]
    constants = {"w": image_weights(4, 3)}
    graph = check_against_onnxruntime(model_of(nodes, {"x": ("N", 6, 5, 3)}, constants))
    assert [type(node.op) for node in graph.nodes] == [Conv, Reshape]


def test_flatten_reads_the_file_order():
    nodes = [
        helper.make_node("Relu", ["x"], ["a"], name="relu"),
        helper.make_node("Flatten", ["a"], ["y"], name="flat"),
    ]
    graph = check_against_onnxruntime(model_of(nodes, {"x": ("N", 3, 2, 5)}))
    assert graph.nodes[-2].op == Transpose(perm=(0, 3, 1, 2))


def test_flatten_of_one_pixel_needs_no_transpose():
    nodes = [
        helper.make_node("GlobalAveragePool", ["x"], ["a"], name="pool"),
        helper.make_node("Flatten", ["a"], ["y"], name="flat"),
    ]
    graph = check_against_onnxruntime(model_of(nodes, {"x": ("N", 3, 2, 5)}))
    assert [type(n.op).__name__ for n in graph.nodes] == [
        "Transpose",
        "ReduceMean",
        "Reshape",
    ]


def test_channel_shuffle_through_rank_five_agrees():
    nodes = [
        helper.make_node("Reshape", ["x", "s5"], ["a"], name="split"),
        helper.make_node("Transpose", ["a"], ["b"], name="swap", perm=[0, 2, 1, 3, 4]),
        helper.make_node("Reshape", ["b", "s4"], ["c"], name="join"),
        helper.make_node("Relu", ["c"], ["y"], name="relu"),
    ]
    constants = {
        "s5": np.array([0, 2, 3, 4, 5], np.int64),
        "s4": np.array([0, 6, 4, 5], np.int64),
    }
    check_against_onnxruntime(model_of(nodes, {"x": ("N", 6, 4, 5)}, constants))


def test_identities_are_removed_and_an_output_keeps_its_name():
    nodes = [
        helper.make_node("Identity", ["x"], ["i"], name="first"),
        helper.make_node("Sigmoid", ["i"], ["s"], name="sigmoid"),
        helper.make_node("Identity", ["s"], ["y"], name="last"),
    ]
    graph = check_against_onnxruntime(model_of(nodes, {"x": ("N", 3)}))
    assert graph.outputs == ("y",)
    assert graph.nodes[0].inputs == ("x",)


def test_an_output_may_have_readers():
    nodes = [
        helper.make_node("Relu", ["x"], ["a"], name="relu"),
        helper.make_node("Sigmoid", ["a"], ["b"], name="sigmoid"),
    ]
    model = model_of(nodes, {"x": ("N", 3, 4, 5)}, outputs=("a", "b"))
    assert check_against_onnxruntime(model).outputs == ("a", "b")


def test_nodes_without_name_are_called_by_their_output():
    nodes = [helper.make_node("Relu", ["x"], ["y"])]
    graph = check_against_onnxruntime(model_of(nodes, {"x": ("N", 3)}))
    assert graph.nodes[0].name == "y"


def test_shared_weights_stay_one_constant():
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["a"], name="conv1", pads=[1, 1, 1, 1]),
        helper.make_node("Conv", ["a", "w"], ["y"], name="conv2", pads=[1, 1, 1, 1]),
    ]
    constants = {"w": image_weights(3, 3)}
    graph = check_against_onnxruntime(model_of(nodes, {"x": ("N", 3, 6, 5)}, constants))
    assert list(graph.constants) == ["w:hwio"]
