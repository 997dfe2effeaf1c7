"""ConvInteger, MatMulInteger, DynamicQuantizeLinear, Cast: equal to ONNX Runtime's."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import helper

from emu.errors import UnsupportedError
from emu.execute import Program
from emu.graph import is_static
from emu.ops import BatchMatMul, Conv2d, MatMul, SubtractZeroPoint
from tests.frontends.run import (
    check_against_onnxruntime,
    import_model,
    model_of,
    one_node_model,
    random_feeds,
    run_onnxruntime,
)

UINT8, INT8, INT32 = (
    onnx.TensorProto.UINT8,
    onnx.TensorProto.INT8,
    onnx.TensorProto.INT32,
)


def codes(dtype: Any, *shape: int) -> np.ndarray:
    held = np.iinfo(dtype)
    rng = np.random.default_rng(5)
    return rng.integers(held.min, held.max, shape, dtype, endpoint=True)


def of_integers(
    op: str,
    shapes: Sequence[Sequence[int | str]],
    element: int,
    constants: Mapping[str, np.ndarray],
    operands: Sequence[str] | None = None,
    **attributes: Any,
) -> onnx.ModelProto:
    """A node that reads integers and gives int32."""
    model = one_node_model(
        op,
        shapes,
        constants=constants,
        operands=operands,
        element=INT32,
        **attributes,
    )
    for info in model.graph.input:
        info.type.tensor_type.elem_type = element
    rank = len(shapes[0])
    info = helper.make_tensor_value_info("y", INT32, [f"y{i}" for i in range(rank)])
    model.graph.output[0].CopyFrom(info)
    return model


@pytest.mark.parametrize("group", [1, 2, 4])
@pytest.mark.parametrize(("x_type", "point"), [(UINT8, 0), (UINT8, 131)])
def test_integer_convolutions(group, x_type, point):
    constants = {"w": codes(np.uint8, 8, 4 // group, 3, 2)}
    constants["xz"] = np.array(point, np.uint8)
    constants["wz"] = np.array(100, np.uint8)
    geometry: dict[str, Any] = {"strides": [2, 1], "pads": [1, 0, 2, 1]}
    shapes = [("N", 4, 7, 6)]
    model = of_integers(
        "ConvInteger", shapes, x_type, constants, group=group, **geometry
    )
    graph = check_against_onnxruntime(model)
    (conv,) = (n.op for n in graph.nodes if isinstance(n.op, Conv2d))
    assert (conv.x_zero_point, conv.w_zero_point) == (point, 100)


def test_zero_points_that_differ_are_taken_off_the_weights():
    """ONNX Runtime has none of these: the sums are those of int64."""
    weights, points = codes(np.uint8, 3, 2, 1, 1), np.array([0, 7, 255], np.uint8)
    constants = {"w": weights, "xz": np.array(9, np.uint8), "wz": points}
    model = of_integers("ConvInteger", [("N", 2, 4, 3)], UINT8, constants)
    x = codes(np.uint8, 2, 2, 4, 3)
    found = Program(import_model(model), 2)(x)["y"]
    wide = weights.reshape(3, 2).astype(np.int64) - points[:, None]
    expected = np.einsum("nchw,oc->nohw", x.astype(np.int64) - 9, wide)
    np.testing.assert_array_equal(found, expected)
    assert found.dtype == np.int32


@pytest.mark.parametrize("dtype", [np.uint8, np.int8])
@pytest.mark.parametrize("with_points", [True, False])
def test_integer_products(dtype, with_points):
    # Of 6 bits: ONNX Runtime may add two products in a saturating int16.
    constants = {"w": codes(dtype, 5, 3) // 4}
    if with_points:
        constants["xz"] = np.array(11, dtype)
        constants["wz"] = np.array(5, dtype)
    element = UINT8 if dtype is np.uint8 else INT8
    model = of_integers("MatMulInteger", [("N", 2, 5)], element, constants)
    graph = check_against_onnxruntime(model)
    assert [type(node.op) for node in graph.nodes] == [MatMul]


def test_integer_products_of_two_computed_operands():
    constants = {"xz": np.array(11, np.uint8), "wz": np.array(200, np.uint8)}
    shapes = [("N", 3, 4, 5), ("N", 3, 5, 2)]
    model = of_integers(
        "MatMulInteger", shapes, UINT8, constants, ["x0", "x1", "xz", "wz"]
    )
    graph = check_against_onnxruntime(model)
    assert any(isinstance(node.op, BatchMatMul) for node in graph.nodes)


def dynamic_matmul() -> onnx.ModelProto:
    """A dense layer as ONNX Runtime's dynamic quantization writes it."""
    nodes = [
        helper.make_node("DynamicQuantizeLinear", ["x"], ["q", "s", "z"], name="dyn"),
        helper.make_node("MatMulInteger", ["q", "w", "z", "wz"], ["a"], name="dense"),
        helper.make_node("Cast", ["a"], ["f"], name="cast", to=1),
        helper.make_node("Mul", ["s", "ws"], ["sw"], name="scales"),
        helper.make_node("Mul", ["f", "sw"], ["y"], name="scale"),
    ]
    constants = {
        "w": codes(np.int8, 6, 5) // 2,
        "wz": np.array(0, np.int8),
        "ws": np.array(0.01, np.float32),
    }
    return model_of(nodes, {"x": (4, 6)}, constants)


def test_a_dynamically_quantized_layer():
    graph = check_against_onnxruntime(dynamic_matmul())
    assert is_static(graph)
    assert any(isinstance(node.op, SubtractZeroPoint) for node in graph.nodes)


@pytest.mark.parametrize("seed", range(20))
def test_dynamic_parameters_are_those_of_onnxruntime(seed):
    names = ["q", "s", "z"]
    node = helper.make_node("DynamicQuantizeLinear", ["x"], names, name="dyn")
    model = model_of([node], {"x": (3, 5)}, outputs=names)
    for info, element, shape in zip(
        model.graph.output, (UINT8, 1, UINT8), ((3, 5), (), ()), strict=True
    ):
        info.CopyFrom(helper.make_tensor_value_info(info.name, element, shape))
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((3, 5)) * rng.choice([0.0, 0.1, 1, 300]) + rng.choice(
        [0, 4]
    )
    feeds = {"x": x.astype(np.float32)}
    found = Program(import_model(model), 3)(feeds)
    for name, expected in zip(names, run_onnxruntime(model, feeds, names), strict=True):
        np.testing.assert_array_equal(found[name], expected)
        assert found[name].dtype == expected.dtype


@pytest.mark.parametrize(("start", "end"), [(1, UINT8), (UINT8, 1), (INT8, INT32)])
def test_casts(start, end):
    node = helper.make_node("Cast", ["x"], ["y"], name="cast", to=end)
    model = model_of([node], {"x": ("N", 3)})
    model.graph.input[0].type.tensor_type.elem_type = start
    info = helper.make_tensor_value_info("y", end, ("N", 3))
    model.graph.output[0].CopyFrom(info)
    feeds = random_feeds(model, 4)
    if start == 1:
        feeds = {"x": np.abs(feeds["x"]) * 90}
    (expected,) = run_onnxruntime(model, feeds, ["y"])
    found = Program(import_model(model), 4)(feeds)["y"]
    np.testing.assert_array_equal(found, expected)
    assert found.dtype == expected.dtype


def test_several_zero_points_of_an_activation_are_refused():
    constants = {"w": codes(np.uint8, 5, 3), "xz": np.array([1, 2], np.uint8)}
    model = of_integers("MatMulInteger", [(2, 5)], UINT8, constants)
    with pytest.raises(UnsupportedError, match="several zero points"):
        import_model(model)
