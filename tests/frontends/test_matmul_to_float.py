"""MatMulIntegerToFloat and DynamicQuantizeMatMul give ONNX Runtime's floats, bit by bit.

Products of integers, scaled, and a bias in float32.
"""

from typing import Any

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from emu.errors import UnsupportedError
from emu.execute import Program
from emu.graph import is_static, verify
from emu.ops import MatMul
from tests.frontends.run import import_model, run_onnxruntime

Array = np.ndarray[Any, Any]
FLOAT = onnx.TensorProto.FLOAT
OPSETS = (("", 13), ("com.microsoft", 1))


def model_of(
    kind: str, inputs: list[str], x: Array, shape: list[int | str], **constants: Array
) -> onnx.ModelProto:
    """One node of `inputs`, x first; the constants among them by name."""
    rank = len(shape)
    graph = helper.make_graph(
        [helper.make_node(kind, inputs, ["y"], "node", domain="com.microsoft")],
        "one",
        [
            helper.make_tensor_value_info(
                "x", helper.np_dtype_to_tensor_dtype(x.dtype), shape
            )
        ],
        [helper.make_tensor_value_info("y", FLOAT, [f"y{i}" for i in range(rank)])],
        [numpy_helper.from_array(array, name) for name, array in constants.items()],
    )
    opsets = [helper.make_opsetid(*opset) for opset in OPSETS]
    return helper.make_model(graph, opset_imports=opsets, ir_version=8)


def check(model: onnx.ModelProto, x: Array) -> Any:
    """The graph, once it gives the same bits as ONNX Runtime."""
    graph = verify(import_model(model))
    (expected,) = run_onnxruntime(model, {"x": x}, ["y"])
    found = Program(graph, len(x))({"x": x})["y"]
    assert found.dtype == expected.dtype == np.float32
    assert found.shape == expected.shape
    np.testing.assert_array_equal(found.view(np.uint32), expected.view(np.uint32))
    return graph


def weights(rng: np.random.Generator, dtype: Any, *shape: int) -> Array:
    # Of 7 bits, as in qlinear_models: all CPUs agree on their sums.
    low, high = (-63, 63) if dtype == np.int8 else (0, 127)
    return rng.integers(low, high, shape, dtype, endpoint=True)


def scales(rng: np.random.Generator, size: int | None = None) -> Array:
    return np.array(rng.uniform(0.001, 0.05, size), np.float32)


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("per_column", [False, True], ids=["one", "per-column"])
@pytest.mark.parametrize("with_bias", [False, True], ids=["plain", "bias"])
@pytest.mark.parametrize(
    ("a_type", "b_type"),
    [(np.uint8, np.int8), (np.uint8, np.uint8), (np.int8, np.int8)],
    ids=["u8s8", "u8u8", "s8s8"],
)
def test_a_product_of_integers_in_floats(a_type, b_type, with_bias, per_column, seed):
    rng = np.random.default_rng(seed)
    n, k, m = (int(size) for size in rng.integers(3, 40, 3))
    size = m if per_column else None
    held = np.iinfo(a_type)
    x = rng.integers(held.min, held.max, (4, n, k), a_type, endpoint=True)
    constants = {
        "w": weights(rng, b_type, k, m),
        "xs": scales(rng),
        "ws": scales(rng, size),
        "xz": np.array(rng.integers(held.min, held.max), a_type),
        "wz": np.array(weights(rng, b_type, *((m,) if size else ())), b_type),
    }
    names = ["x", "w", "xs", "ws", "xz", "wz"]
    if with_bias:
        names.append("b")
        constants["b"] = rng.normal(0, 3, m).astype(np.float32)
    model = model_of("MatMulIntegerToFloat", names, x, ["N", n, k], **constants)
    graph = check(model, x)
    assert any(isinstance(node.op, MatMul) for node in graph.nodes)
    assert not is_static(graph)


def test_zero_points_may_be_left_out():
    rng = np.random.default_rng(2)
    x = rng.integers(0, 255, (4, 9), np.uint8, endpoint=True)
    constants = {"w": weights(rng, np.int8, 9, 5), "xs": scales(rng), "ws": scales(rng)}
    names = ["x", *constants]
    check(model_of("MatMulIntegerToFloat", names, x, ["N", 9], **constants), x)


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("per_column", [False, True], ids=["one", "per-column"])
@pytest.mark.parametrize("with_bias", [False, True], ids=["plain", "bias"])
@pytest.mark.parametrize("b_type", [np.int8, np.uint8])
def test_a_product_that_is_quantized_at_run_time(b_type, with_bias, per_column, seed):
    rng = np.random.default_rng(seed)
    n, k, m = (int(size) for size in rng.integers(3, 40, 3))
    size = m if per_column else None
    x = rng.normal(0.3, 2, (2, n, k)).astype(np.float32)
    constants = {
        "w": weights(rng, b_type, k, m),
        "ws": scales(rng, size),
        "wz": np.array(weights(rng, b_type, *((m,) if size else ())), b_type),
    }
    names = ["x", *constants]
    if with_bias:
        names.append("b")
        constants["b"] = rng.normal(0, 3, m).astype(np.float32)
    model = model_of("DynamicQuantizeMatMul", names, x, [2, n, k], **constants)
    assert is_static(check(model, x))


def test_a_scale_found_at_run_time_needs_the_whole_batch():
    x = np.ones((2, 3), np.float32)
    constants = {"w": np.ones((3, 4), np.int8), "ws": np.array(0.1, np.float32)}
    model = model_of(
        "DynamicQuantizeMatMul", ["x", "w", "ws"], x, ["N", 3], **constants
    )
    with pytest.raises(UnsupportedError, match="depends on the whole batch"):
        import_model(model)
