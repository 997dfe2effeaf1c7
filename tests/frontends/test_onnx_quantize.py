"""QuantizeLinear and DequantizeLinear: stated parameters, layouts, constants."""

from collections.abc import Mapping, Sequence
from typing import Any

import ml_dtypes
import numpy as np
import onnx
import pytest
from onnx import helper

from emu.errors import UnsupportedError
from emu.fixedpoint import INT8, UINT8, IntFormat, QParams
from emu.graph import Graph, is_static
from emu.ops import Conv, Dequantize, MaxPool, Quantize
from tests.frontends.run import (
    check_against_onnxruntime,
    import_model,
    model_of,
    one_node_model,
    run_graph,
)

F = np.float32


def real(*values: float) -> np.ndarray:
    return np.array(values, F)


def scalar(value: Any, dtype: Any = F) -> np.ndarray:
    return np.array(value, dtype)


def quantized(
    shape: Sequence[int | str],
    scale: np.ndarray,
    zero_point: np.ndarray | None,
    *,
    opset: int = 13,
    **attributes: Any,
) -> onnx.ModelProto:
    """x -> QuantizeLinear -> q (an output) -> DequantizeLinear -> y."""
    names = ["scale"] if zero_point is None else ["scale", "zero"]
    nodes = [
        helper.make_node("QuantizeLinear", ["x", *names], ["q"], **attributes),
        helper.make_node("DequantizeLinear", ["q", *names], ["y"], **attributes),
    ]
    constants = {"scale": scale}
    if zero_point is not None:
        constants["zero"] = zero_point
    return model_of(nodes, {"x": shape}, constants, opset=opset)


@pytest.mark.parametrize("opset", [10, 13, 19, 21, 23, 24, 25])
@pytest.mark.parametrize("dtype", [np.int8, np.uint8])
def test_a_tensor_in_each_version(opset, dtype):
    model = quantized(("N", 3, 4, 5), scalar(0.03), scalar(5, dtype), opset=opset)
    graph = check_against_onnxruntime(model, tolerance=0)
    (quantize,) = nodes_of(graph, Quantize)
    tensor = graph.tensors[quantize.output]
    assert tensor.format == IntFormat(8, dtype is np.int8)
    assert tensor.qparams == QParams((0.03,), (5,))


@pytest.mark.parametrize("dtype", [np.int16, np.uint16])
def test_sixteen_bits(dtype):
    model = quantized(("N", 7), scalar(3e-5), scalar(9, dtype), opset=21)
    check_against_onnxruntime(model, tolerance=0)


@pytest.mark.parametrize(("axis", "channels"), [(1, 4), (-1, 5), (2, 6)])
def test_the_axis_of_parameters_moves_with_the_layout(axis, channels):
    rng = np.random.default_rng(0)
    scale = rng.uniform(0.01, 0.1, channels).astype(F)
    zero_point = rng.integers(-9, 9, channels).astype(np.int8)
    nodes = [
        helper.make_node("Relu", ["x"], ["r"]),
        helper.make_node("MaxPool", ["r"], ["m"], kernel_shape=[1, 1]),
        helper.make_node("QuantizeLinear", ["m", "s", "z"], ["q"], axis=axis),
        helper.make_node("DequantizeLinear", ["q", "s", "z"], ["d"], axis=axis),
        helper.make_node("MaxPool", ["d"], ["y"], kernel_shape=[1, 1]),
    ]
    constants = {"s": scale, "z": zero_point}
    model = model_of(nodes, {"x": ("N", 4, 6, 5)}, constants)
    graph = check_against_onnxruntime(model, tolerance=0)
    qparams = graph.tensors["q"].qparams
    assert qparams is not None
    assert qparams.axis == {1: 3, -1: 2, 2: 1}[axis]
    assert qparams.scale == tuple(scale.tolist())


def test_without_zero_point_the_integers_are_uint8_about_zero():
    graph = check_against_onnxruntime(quantized(("N", 7), scalar(0.03), None))
    assert graph.tensors["q"].format == UINT8


def test_output_dtype_tells_the_format():
    nodes = [helper.make_node("QuantizeLinear", ["x", "s"], ["y"], output_dtype=3)]
    model = model_of(nodes, {"x": ("N", 3)}, {"s": scalar(0.1)}, opset=21, element=3)
    assert import_model(model).tensors["y"].format == INT8


def qdq_convolution(
    weights: np.ndarray, scale: np.ndarray, zero_point: np.ndarray, group: int = 1
) -> onnx.ModelProto:
    """A QDQ convolution with int32 bias, as ONNX Runtime's quantizer writes them."""
    co = len(weights)
    constants = {
        "xs": scalar(0.02),
        "xz": scalar(120, np.uint8),
        "w": weights,
        "ws": scale,
        "wz": zero_point,
        "b": np.arange(co, dtype=np.int32) * 50 - 100,
        "bs": (np.broadcast_to(scale, (co,)) * F(0.02)).astype(F),
        "bz": np.zeros(co, np.int32),
        "ys": scalar(0.05),
        "yz": scalar(100, np.uint8),
    }
    nodes = [
        helper.make_node("QuantizeLinear", ["x", "xs", "xz"], ["xq"]),
        helper.make_node("DequantizeLinear", ["xq", "xs", "xz"], ["xd"]),
        helper.make_node("DequantizeLinear", ["w", "ws", "wz"], ["wd"], axis=0),
        helper.make_node("DequantizeLinear", ["b", "bs", "bz"], ["bd"], axis=0),
        helper.make_node("Conv", ["xd", "wd", "bd"], ["c"], name="conv", group=group),
        helper.make_node("QuantizeLinear", ["c", "ys", "yz"], ["y"]),
    ]
    element = onnx.TensorProto.UINT8
    return model_of(nodes, {"x": ("N", 4, 6, 5)}, constants, element=element)


def codes(*shape: int, dtype: Any = np.int8) -> np.ndarray:
    held = np.iinfo(dtype)
    rng = np.random.default_rng(3)
    return rng.integers(held.min, held.max, shape, dtype, endpoint=True)


def nodes_of(graph: Graph, kind: type) -> list[Any]:
    return [node for node in graph.nodes if isinstance(node.op, kind)]


@pytest.mark.parametrize("group", [1, 4])
def test_weights_stay_integers_in_our_layout(group):
    weights = codes(8, 4 // group, 3, 3)
    scale = np.linspace(0.001, 0.01, 8).astype(F)
    model = qdq_convolution(weights, scale, np.zeros(8, np.int8), group)
    graph = check_against_onnxruntime(model)
    np.testing.assert_array_equal(
        graph.constants["w:hwio"], weights.transpose(2, 3, 1, 0)
    )
    assert graph.constants["w:hwio"].dtype == np.int8
    assert graph.constants["b"].dtype == np.int32
    (conv,) = nodes_of(graph, Conv)
    made = {node.output: node for node in nodes_of(graph, Dequantize)}
    x, w, b = (made[name] for name in conv.inputs)
    assert w.op.qparams.axis == 3
    assert w.op.qparams.scale == tuple(scale.tolist())
    assert (w.inputs, b.inputs) == (("w:hwio",), ("b",))
    assert graph.tensors[x.inputs[0]].shape == (None, 6, 5, 4)


def test_the_change_of_layout_moves_integers():
    model = qdq_convolution(codes(8, 4, 3, 3), scalar(0.01), scalar(0, np.int8))
    graph = import_model(model)
    quantize, transpose, *_ = graph.nodes
    assert isinstance(quantize.op, Quantize)
    assert graph.tensors[transpose.output].dtype == "uint8"
    assert graph.tensors[transpose.output].qparams == QParams((0.02,), (120,))


def test_dense_weights_are_transposed_with_their_parameters():
    scale = np.linspace(0.001, 0.01, 6).astype(F)
    nodes = [
        helper.make_node("DequantizeLinear", ["w", "s", "z"], ["d"], axis=0),
        helper.make_node("Transpose", ["d"], ["t"], perm=[1, 0]),
        helper.make_node("Gemm", ["x", "t"], ["a"]),
        helper.make_node("Gemm", ["x", "d"], ["b"], transB=1),
        helper.make_node("Add", ["a", "b"], ["y"]),
    ]
    constants = {"w": codes(6, 5), "s": scale, "z": np.zeros(6, np.int8)}
    graph = check_against_onnxruntime(model_of(nodes, {"x": ("N", 5)}, constants))
    dequantizes = nodes_of(graph, Dequantize)
    assert [node.op.qparams.axis for node in dequantizes] == [1, 1]
    assert all(graph.constants[node.inputs[0]].shape == (5, 6) for node in dequantizes)


def test_a_quantized_constant_operand_broadcasts():
    nodes = [
        helper.make_node("DequantizeLinear", ["c", "s", "z"], ["d"]),
        helper.make_node("Mul", ["x", "d"], ["y"]),
    ]
    constants = {
        "c": codes(4, 1, 1, dtype=np.uint8),
        "s": scalar(0.1),
        "z": scalar(128, np.uint8),
    }
    graph = check_against_onnxruntime(model_of(nodes, {"x": ("N", 4, 6, 5)}, constants))
    assert graph.constants["c:nhwc"].shape == (1, 1, 1, 4)


def test_constants_are_quantized_while_importing():
    nodes = [
        helper.make_node("QuantizeLinear", ["w", "s", "z"], ["q"]),
        helper.make_node("DequantizeLinear", ["q", "s", "z"], ["d"]),
        helper.make_node("MatMul", ["x", "d"], ["y"]),
    ]
    rng = np.random.default_rng(0)
    constants = {
        "w": rng.standard_normal((5, 3)).astype(F),
        "s": scalar(0.02),
        "z": scalar(0, np.int8),
    }
    graph = check_against_onnxruntime(model_of(nodes, {"x": ("N", 5)}, constants))
    assert [array.dtype for array in graph.constants.values()] == [np.int8]


@pytest.mark.parametrize("name", ["int4", "uint4", "int2", "uint2"])
def test_narrow_constants_are_held_one_in_a_byte(name):
    dtype = np.dtype(getattr(ml_dtypes, name))
    weights = np.array([[0, 1], [1, 0], [1, 1]]).astype(dtype)
    nodes = [
        helper.make_node("DequantizeLinear", ["w", "s"], ["d"]),
        helper.make_node("MatMul", ["x", "d"], ["y"]),
    ]
    constants = {"w": weights, "s": scalar(0.5)}
    graph = import_model(model_of(nodes, {"x": ("N", 3)}, constants, opset=25))
    held = graph.constants["w"]
    assert held.dtype == (np.uint8 if name.startswith("u") else np.int8)
    found = run_graph(graph, {"x": np.eye(3, dtype=F)})["y"]
    np.testing.assert_array_equal(found, weights.astype(F) / 2)


def test_integer_inputs_have_the_parameters_that_their_reader_states():
    nodes = [
        helper.make_node("DequantizeLinear", ["x", "s", "z"], ["d"]),
        helper.make_node("Relu", ["d"], ["y"]),
    ]
    constants = {"s": scalar(0.1), "z": scalar(7, np.int8)}
    model = integer_input(model_of(nodes, {"x": ("N", 3)}, constants), 3)
    graph = check_against_onnxruntime(model, tolerance=0)
    assert graph.tensors["x"].format == INT8
    assert graph.tensors["x"].qparams == QParams((0.1,), (7,))


def integer_input(model: onnx.ModelProto, number: int) -> onnx.ModelProto:
    """The model with elements of another type in its first input."""
    model.graph.input[0].type.tensor_type.elem_type = number
    return model


def test_pooled_integers_keep_their_meaning():
    nodes = [
        helper.make_node("QuantizeLinear", ["x", "s", "z"], ["q"]),
        helper.make_node("MaxPool", ["q"], ["m"], kernel_shape=[2, 2]),
        helper.make_node("Reshape", ["m", "shape"], ["r"]),
        helper.make_node("DequantizeLinear", ["r", "s", "z"], ["y"]),
    ]
    constants = {
        "s": scalar(0.1),
        "z": scalar(7, np.int8),
        "shape": np.array([0, -1], np.int64),
    }
    model = model_of(nodes, {"x": ("N", 4, 6, 5)}, constants)
    graph = check_against_onnxruntime(model, tolerance=0)
    (pool,) = nodes_of(graph, MaxPool)
    assert graph.tensors[pool.output].qparams == QParams((0.1,), (7,))
    assert graph.tensors["r"].qparams == QParams((0.1,), (7,))


def test_parameters_of_blocks_make_a_static_graph():
    scale = np.random.default_rng(0).uniform(0.01, 0.1, (3, 2)).astype(F)
    model = quantized((3, 4), scale, None, opset=21, axis=1, block_size=2)
    assert is_static(check_against_onnxruntime(model, tolerance=0))


def test_parameters_along_the_batch_make_a_static_graph():
    zeros = np.zeros(3, np.int8)
    model = quantized((3, 4), real(0.1, 0.2, 0.3), zeros, axis=0)
    assert is_static(check_against_onnxruntime(model, tolerance=0))


BAD: Mapping[str, tuple[onnx.ModelProto, str]] = {
    "batch": (
        quantized(("N", 3), real(0.1, 0.2), np.zeros(2, np.int8), axis=0),
        "2 scales along axis 0",
    ),
    "channels": (
        quantized(("N", 3), real(0.1, 0.2), np.zeros(2, np.int8), axis=1),
        "2 scales along axis 1",
    ),
    "zero scale": (quantized(("N", 3), scalar(0.0), scalar(0, np.int8)), "scale"),
    "blocks": (
        quantized(("N", 4), np.ones((2, 2), F), None, opset=21, block_size=2),
        "blocks fix the batch size",
    ),
    "float16": (
        one_node_model(
            "QuantizeLinear",
            [("N", 4)],
            opset=23,
            constants={"s": scalar(0.5, np.float16), "z": scalar(0, np.int8)},
            element=3,
        ),
        "other floats than float32",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_parameters_that_cannot_be_used_say_why(name):
    model, reason = BAD[name]
    with pytest.raises(UnsupportedError, match=reason):
        import_model(model)


def test_a_float16_scale_with_float32_precision_is_taken():
    constants = {"s": scalar(0.5, np.float16), "z": scalar(0, np.int8)}
    model = one_node_model(
        "QuantizeLinear",
        [("N", 4)],
        opset=23,
        constants=constants,
        element=3,
        precision=1,
    )
    assert import_model(model).tensors["y"].qparams == QParams((0.5,), (0,))
