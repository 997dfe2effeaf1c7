"""lower_batch_norm: a BatchNormalization that follows no Conv or Gemm."""

import numpy as np
import pytest
from onnx import helper

from emu.graph import Graph
from emu.ops import Conv
from emu.optimize import lower_batch_norm, run_passes
from tests.frontends.run import import_model, model_of
from tests.optimize.same import assert_same_function


def norm_graph(*sizes: int) -> Graph:
    rng = np.random.default_rng(0)
    names = ("gamma", "beta", "mean", "var")
    constants = {
        name: rng.standard_normal(sizes[0]).astype(np.float32) for name in names
    }
    constants["var"] = np.square(constants["var"]) + np.float32(0.1)
    nodes = [
        helper.make_node("Relu", ["x"], ["r"], name="relu"),
        helper.make_node("BatchNormalization", ["r", *names], ["y"], name="norm"),
    ]
    return import_model(model_of(nodes, {"x": ("N", *sizes)}, constants))


@pytest.mark.parametrize("channels", [1, 4])
def test_images_become_a_depthwise_convolution(channels):
    graph = norm_graph(channels, 5, 3)
    lowered = lower_batch_norm(graph)
    assert_same_function(graph, lowered)
    (conv,) = [node for node in lowered.nodes if node.name == "norm"]
    assert conv.op == Conv(groups=channels)
    assert lower_batch_norm(lowered) is lowered


@pytest.mark.parametrize("sizes", [(4,), (4, 3)])
def test_rows_become_a_product_and_a_sum(sizes):
    graph = norm_graph(*sizes)
    lowered = lower_batch_norm(graph)
    assert_same_function(graph, lowered)
    kinds = [type(node.op).__name__ for node in lowered.nodes]
    assert [kind for kind in kinds if kind in ("Mul", "Add")] == ["Mul", "Add"]
    assert lower_batch_norm(lowered) is lowered


def test_all_passes_leave_no_norm_behind():
    graph = norm_graph(4, 5, 3)
    final = run_passes(graph)
    assert_same_function(graph, final)
    assert run_passes(final) is final
