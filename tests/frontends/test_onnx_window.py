"""Geometry of Conv and pooling: any padding, stride, dilation, group, auto_pad."""

import math
from typing import Any

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import assume, example, given, settings

from emu.errors import UnsupportedError
from emu.ops import AveragePool, Conv, MaxPool, ReduceMean
from tests.frontends.run import (
    check_against_onnxruntime,
    import_model,
    one_node_model,
)

# Every geometry compiles anew: few examples, drawn from a small set.
few = settings(max_examples=8, deadline=None)

PAIRS = st.sampled_from([(1, 1), (2, 1), (1, 2), (3, 2)])
KERNELS = st.sampled_from([(1, 1), (3, 3), (2, 3)])
PADS = st.sampled_from([(0, 0, 0, 0), (1, 1, 1, 1), (0, 1, 1, 0)])
AUTO = st.sampled_from(["NOTSET", "SAME_UPPER", "SAME_LOWER", "VALID"])


def geometry(auto_pad: str, pads: tuple[int, ...], **others: Any) -> dict[str, Any]:
    """Attributes; pads are given only where auto_pad leaves them open."""
    if auto_pad == "NOTSET":
        return {"pads": list(pads), **others}
    # ONNX Runtime cannot dilate with SAME.
    plain = {"dilations": (1, 1)} if auto_pad.startswith("SAME") else {}
    return {"auto_pad": auto_pad, **others, **plain}


@few
@given(
    kernel=KERNELS,
    strides=PAIRS,
    dilations=PAIRS,
    pads=PADS,
    auto_pad=AUTO,
    groups=st.sampled_from([1, 2, 4]),
    bias=st.booleans(),
)
@example((3, 3), (2, 2), (1, 1), (0, 0, 0, 0), "SAME_LOWER", 4, True)
@example((2, 3), (1, 1), (2, 1), (1, 0, 2, 1), "NOTSET", 1, False)
def test_conv_has_onnx_geometry(
    kernel, strides, dilations, pads, auto_pad, groups, bias
):
    rng = np.random.default_rng(0)
    weights = rng.standard_normal((8, 4 // groups, *kernel)).astype(np.float32)
    constants = {"w": weights}
    if bias:
        constants["b"] = rng.standard_normal(8).astype(np.float32)
    attributes = geometry(
        auto_pad, pads, strides=strides, dilations=dilations, group=groups
    )
    model = one_node_model("Conv", [("N", 4, 8, 7)], constants=constants, **attributes)
    check_against_onnxruntime(model)


def onnxruntime_can_pad(auto_pad, kernel, strides):
    """ONNX Runtime pools fail with SAME and a stride longer than the kernel."""
    same = auto_pad.startswith("SAME")
    return not same or all(k >= s for k, s in zip(kernel, strides, strict=True))


@few
@given(
    kernel=KERNELS,
    strides=PAIRS,
    dilations=PAIRS,
    pads=PADS,
    auto_pad=AUTO,
    ceil_mode=st.sampled_from([0, 1]),
)
@example((3, 3), (2, 2), (1, 1), (1, 1, 1, 1), "NOTSET", 1)
@example((1, 1), (3, 2), (1, 1), (0, 0, 0, 0), "NOTSET", 1)
@example((2, 3), (3, 2), (1, 1), (0, 1, 1, 0), "NOTSET", 1)
def test_max_pool_has_onnx_geometry(
    kernel, strides, dilations, pads, auto_pad, ceil_mode
):
    assume(all(p < k for p, k in zip(pads, 2 * kernel, strict=True)))
    assume(onnxruntime_can_pad(auto_pad, kernel, strides))
    # What ceil_mode means here, the specification and the onnx package dispute.
    assume(auto_pad != "VALID" or not ceil_mode)
    attributes = geometry(
        auto_pad,
        pads,
        kernel_shape=kernel,
        strides=strides,
        dilations=dilations,
        ceil_mode=ceil_mode,
    )
    model = one_node_model("MaxPool", [("N", 3, 8, 7)], opset=22, **attributes)
    check_against_onnxruntime(model)


@few
@given(
    kernel=KERNELS,
    strides=PAIRS,
    pads=PADS,
    auto_pad=AUTO,
    count_include_pad=st.sampled_from([0, 1]),
)
@example((3, 3), (2, 2), (1, 1, 1, 1), "SAME_UPPER", 1)
def test_average_pool_has_onnx_geometry(
    kernel, strides, pads, auto_pad, count_include_pad
):
    assume(all(p < k for p, k in zip(pads, 2 * kernel, strict=True)))
    assume(onnxruntime_can_pad(auto_pad, kernel, strides))
    attributes = geometry(
        auto_pad,
        pads,
        kernel_shape=kernel,
        strides=strides,
        count_include_pad=count_include_pad,
    )
    attributes.pop("dilations", None)
    model = one_node_model("AveragePool", [("N", 3, 8, 7)], opset=11, **attributes)
    check_against_onnxruntime(model)


def test_average_pool_in_ceil_mode_is_taken_where_it_adds_nothing():
    attributes = {"kernel_shape": [2, 2], "strides": [2, 2], "ceil_mode": 1}
    model = one_node_model("AveragePool", [("N", 3, 8, 6)], opset=12, **attributes)
    check_against_onnxruntime(model)


def test_average_pool_in_ceil_mode_is_refused_where_it_adds_windows():
    attributes = {"kernel_shape": [2, 2], "strides": [2, 2], "ceil_mode": 1}
    model = one_node_model("AveragePool", [("N", 3, 8, 7)], opset=12, **attributes)
    with pytest.raises(UnsupportedError, match=r"AveragePool: ceil_mode adds windows"):
        import_model(model)


def test_ceil_mode_with_valid_padding_is_refused_where_it_adds_windows():
    attributes = {"kernel_shape": [3, 3], "strides": [2, 1], "ceil_mode": 1}
    model = one_node_model(
        "MaxPool", [("N", 3, 8, 7)], opset=22, auto_pad="VALID", **attributes
    )
    with pytest.raises(UnsupportedError, match=r"ceil_mode with auto_pad VALID"):
        check_against_onnxruntime(model)


def test_ceil_mode_is_refused_where_engines_disagree():
    attributes = {"kernel_shape": [1, 1], "strides": [3, 1], "ceil_mode": 1}
    model = one_node_model("MaxPool", [("N", 3, 8, 7)], opset=12, **attributes)
    with pytest.raises(UnsupportedError, match="a window in the padding alone"):
        import_model(model)


@pytest.mark.parametrize(
    ("auto_pad", "rows"), [("SAME_UPPER", (1, 2)), ("SAME_LOWER", (2, 1))]
)
def test_same_padding_counts_the_dilated_kernel(auto_pad, rows):
    """8 rows, kernel 3 dilated to 5, stride 2: 4 results need 3 more rows."""
    weights = np.ones((4, 3, 3, 1), np.float32)
    attributes = {"auto_pad": auto_pad, "dilations": [2, 1], "strides": [2, 1]}
    graph = import_model(
        one_node_model("Conv", [("N", 3, 8, 7)], constants={"w": weights}, **attributes)
    )
    op = graph.nodes[1].op
    assert isinstance(op, Conv)
    assert op.padding == (rows, (0, 0))


def test_dilated_average_pool_is_refused():
    attributes: dict[str, Any] = {"kernel_shape": [2, 2], "dilations": [2, 1]}
    model = one_node_model("AveragePool", [("N", 3, 8, 7)], opset=19, **attributes)
    with pytest.raises(UnsupportedError, match=r"dilations \(2, 1\)"):
        import_model(model)


def test_one_dimensional_convolution_is_refused_with_its_rank():
    weights = np.ones((2, 4, 3), np.float32)
    model = one_node_model("Conv", [("N", 4, 8)], constants={"w": weights})
    with pytest.raises(UnsupportedError, match=r"'node' \(Conv: rank 3, expected 4\)"):
        import_model(model)


def test_convolution_with_computed_weights_is_refused():
    shapes = [("N", 4, 8, 7), (1, 4, 3, 3)]
    model = one_node_model("Conv", shapes, group=1)
    with pytest.raises(UnsupportedError, match="the weight is computed"):
        import_model(model)


def test_max_pool_with_indices_is_refused():
    model = one_node_model("MaxPool", [("N", 3, 8, 7)], kernel_shape=[2, 2])
    model.graph.node[0].output.append("indices")
    with pytest.raises(UnsupportedError, match="Indices"):
        import_model(model)


def test_global_pools_become_a_mean_and_one_window():
    average = import_model(one_node_model("GlobalAveragePool", [("N", 3, 8, 7)]))
    largest = import_model(one_node_model("GlobalMaxPool", [("N", 3, 8, 7)]))
    assert any(node.op == ReduceMean(axes=(1, 2)) for node in average.nodes)
    assert any(node.op == MaxPool(kernel=(8, 7)) for node in largest.nodes)


def test_a_window_too_large_to_unroll_is_refused():
    side = math.isqrt(4096) + 1
    model = one_node_model("GlobalMaxPool", [("N", 1, side, side)])
    with pytest.raises(UnsupportedError, match="at most 4096 taps"):
        import_model(model)


def test_pool_attributes_keep_count_include_pad():
    attributes: dict[str, Any] = {
        "kernel_shape": [3, 3],
        "pads": [1] * 4,
        "count_include_pad": 1,
    }
    graph = import_model(one_node_model("AveragePool", [("N", 3, 8, 7)], **attributes))
    op = graph.nodes[1].op
    assert isinstance(op, AveragePool)
    assert op.count_include_pad
