"""Each QLinear operator alone beside ONNX Runtime's kernel: equal integers.

Literally, as a float layer between Dequantize and Quantize; and as the integer
program for the target onnxruntime.
"""

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from emu.errors import UnsupportedError
from emu.execute import Program
from emu.graph import Graph, verify
from emu.ops import Dequantize
from emu.quantize.stated import lower_stated
from emu.targets import find_target
from tests.frontends.qlinear_models import MODELS, draw, random_codes
from tests.frontends.run import import_model, run_onnxruntime

BATCH = 4
DTYPES = (np.uint8, np.int8)

# Operators whose kernel does not compute the float layer, and how far the results are
# apart: softmax sums a table of exponentials.
APART = {"softmax": 1, "softmax of rows": 1}

each_model = pytest.mark.parametrize("name", MODELS)
each_dtype = pytest.mark.parametrize("dtype", DTYPES, ids=lambda d: d.__name__)


def run(graph: Graph, model: onnx.ModelProto, seed: int) -> tuple[np.ndarray, ...]:
    """Our y and ONNX Runtime's for the same random integers."""
    feeds = random_codes(model, BATCH, seed)
    (expected,) = run_onnxruntime(model, feeds, ["y"])
    found = Program(graph, BATCH)(feeds)["y"]
    assert found.dtype == expected.dtype
    assert found.shape == expected.shape
    return found, expected


@each_model
@each_dtype
def test_literal_execution_gives_the_kernels_integers(name, dtype):
    model = draw(name, 0, dtype)
    graph = verify(import_model(model))
    found, expected = run(graph, model, 0)
    apart = np.abs(found.astype(int) - expected.astype(int)).max()
    assert apart <= APART.get(name, 0)


@each_model
@each_dtype
def test_the_integer_program_gives_the_kernels_integers(name, dtype):
    seed = 1 + DTYPES.index(dtype)
    model = draw(name, seed, dtype)
    graph = lower_stated(import_model(model), find_target("onnxruntime"))
    found, expected = run(graph, model, seed)
    np.testing.assert_array_equal(found, expected)


def test_every_tensor_of_a_qoperator_file_is_stated():
    graph = import_model(draw("conv", 0, np.uint8))
    names = {name: t for name, t in graph.tensors.items() if t.dtype == "uint8"}
    assert {"x", "y"} <= set(names)
    assert all(t.format and t.qparams and t.golden for t in names.values())
    assert graph.constants["w:hwio"].dtype == np.int8
    assert graph.constants["b"].dtype == np.int32


def test_a_bias_counts_in_the_product_of_the_scales():
    model = draw("conv", 0, np.uint8)
    arrays = {t.name: numpy_helper.to_array(t) for t in model.graph.initializer}
    graph = import_model(model)
    (bias,) = (node for node in graph.nodes if node.inputs == ("b",))
    expected = arrays["xs"] * arrays["ws"]
    assert expected.dtype == np.float32
    assert isinstance(bias.op, Dequantize)
    assert bias.op.qparams.scale == tuple(expected.tolist())


def test_one_tensor_may_be_read_by_many():
    model = draw("add", 0, np.uint8)
    node = model.graph.node[0]
    node.input[3:6] = node.input[0:3]
    again = onnx.NodeProto()
    again.CopyFrom(node)
    again.name, again.output[0], again.input[0] = "again", "z", "y"
    model.graph.node.append(again)
    model.graph.output[0].name = "z"
    del model.graph.input[1:]
    feeds = random_codes(model, BATCH, 0)
    (expected,) = run_onnxruntime(model, feeds, ["z"])
    found = Program(import_model(model), BATCH)(feeds)["z"]
    np.testing.assert_array_equal(found, expected)


def test_qgemm_without_a_result_scale_gives_floats():
    model = draw("gemm", 0, np.int8)
    del model.graph.node[0].input[7:]
    model.graph.output[0].type.tensor_type.elem_type = onnx.TensorProto.FLOAT
    feeds = random_codes(model, BATCH, 0)
    (expected,) = run_onnxruntime(model, feeds, ["y"])
    found = Program(import_model(model), BATCH)(feeds)["y"]
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)


def test_channels_last_is_refused():
    model = draw("global average pool", 0, np.uint8)
    attribute = helper.make_attribute("channels_last", 1)
    model.graph.node[0].attribute.append(attribute)
    with pytest.raises(UnsupportedError, match="channels_last"):
        import_model(model)
