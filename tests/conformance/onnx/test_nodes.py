"""ONNX's own node tests of quantization (onnx.backend.test): equal to the bit.

A node test gives every operand as a graph input. Here scales, zero points and weights
are bound as constants, as in every quantized file; the tensors that an operator works
on stay inputs.
"""

import warnings
from functools import cache
from pathlib import Path
from typing import Any, Final

import numpy as np
import onnx
import pytest
from onnx import numpy_helper
from onnx.backend.test.loader import load_model_tests

from emu.errors import UnsupportedError
from emu.execute import Program
from emu.frontends import load_onnx
from emu.graph import verify

QUANTIZING: Final = {
    "QuantizeLinear",
    "DequantizeLinear",
    "DynamicQuantizeLinear",
    "QLinearConv",
    "QLinearMatMul",
    "ConvInteger",
    "MatMulInteger",
}
TENSORS: Final = ("x", "a", "b", "A", "B")

# Cases that are refused, and what the error says: they quantize to floats of few bits.
REFUSED: Final = {
    "test_dequantizelinear_e4m3fn": "FLOAT8E4M3FN",
    "test_dequantizelinear_e4m3fn_float16": "FLOAT8E4M3FN",
    "test_dequantizelinear_e4m3fn_zero_point": "FLOAT8E4M3FN",
    "test_dequantizelinear_e5m2": "FLOAT8E5M2",
    "test_dequantizelinear_float4e2m1": "FLOAT4E2M1",
    "test_quantizelinear_e4m3fn": "FLOAT8E4M3FN",
    "test_quantizelinear_e5m2": "FLOAT8E5M2",
    "test_quantizelinear_float4e2m1": "FLOAT4E2M1",
}


@cache
def cases() -> dict[str, Any]:
    """The node tests with a quantizing operator, by name."""
    with warnings.catch_warnings():
        # Making the data of other operators divides by zero on purpose.
        warnings.simplefilter("ignore")
        found = load_model_tests(kind="node")
    return {
        case.name: case
        for case in found
        if case.model and QUANTIZING & {n.op_type for n in case.model.graph.node}
    }


def as_array(value: Any) -> np.ndarray:
    """Data of a test case: an array, or a tensor of a type that NumPy has not."""
    if isinstance(value, onnx.TensorProto):
        return numpy_helper.to_array(value)
    return np.asarray(value)


def stored(array: np.ndarray) -> np.ndarray:
    """Integers of 2 or 4 bits one in a byte, as emu holds them."""
    name = str(array.dtype)
    if name in ("int2", "int4"):
        return array.astype(np.int8)
    return array.astype(np.uint8) if name in ("uint2", "uint4") else array


def bound(case: Any) -> tuple[onnx.ModelProto, dict[str, np.ndarray]]:
    """The model with its parameters as constants, and what its inputs are fed."""
    model = onnx.ModelProto()
    model.CopyFrom(case.model)
    graph, (values, _) = model.graph, case.data_sets[0]
    feeds, kept = {}, []
    for info, value in zip(list(graph.input), values, strict=True):
        array = as_array(value)
        if info.name in TENSORS:
            feeds[info.name] = stored(array)
            kept.append(info)
        else:
            graph.initializer.append(numpy_helper.from_array(array, info.name))
    del graph.input[:]
    graph.input.extend(kept)
    return model, feeds


def write(model: onnx.ModelProto, folder: Path) -> Path:
    path = folder / "model.onnx"
    path.write_bytes(model.SerializeToString())
    return path


def test_there_are_as_many_cases_as_expected():
    assert len(cases()) == 45
    assert set(REFUSED) < set(cases())


@pytest.mark.parametrize("name", sorted(set(cases()) - set(REFUSED)))
def test_node_gives_exactly_the_expected_tensors(name, tmp_path):
    model, feeds = bound(cases()[name])
    graph = verify(load_onnx(write(model, tmp_path)))
    found = Program(graph, len(next(iter(feeds.values()))))(feeds)
    _, expected = cases()[name].data_sets[0]
    for info, value in zip(model.graph.output, expected, strict=True):
        array = stored(as_array(value))
        np.testing.assert_array_equal(found[info.name], array)
        assert found[info.name].dtype == array.dtype
        assert found[info.name].shape == array.shape


@pytest.mark.parametrize("name", sorted(REFUSED))
def test_floats_of_few_bits_are_refused_by_name(name, tmp_path):
    model, _ = bound(cases()[name])
    with pytest.raises(UnsupportedError, match=REFUSED[name]):
        load_onnx(write(model, tmp_path))
