"""Hostile and damaged TFLite files: errors of one line, nothing read outside of them."""

import contextlib
from typing import Any

import numpy as np
import pytest
import tflite

from emu.errors import EmuError, MissingError, ModelError
from emu.frontends import load_tflite
from emu.frontends.tflite_file import read_tflite
from tests.frontends.tflite_models import LiteNode, options, packed, tflite_model
from tests.oracles.litert import Lite, lite_constant

# The field of a subgraph that lists its operators, as an offset into its field list.
OPERATORS = 10


def model() -> Any:
    """A quantized convolution and a float tail."""
    weights = np.arange(36, dtype=np.int8).reshape(2, 3, 3, 2)
    tensors = [
        Lite(shape=(1, 5, 4, 2), scale=0.1, zero_point=3),
        lite_constant(weights, (0.1, 0.2)),
        lite_constant(np.array([5, 6], np.int32), (0.01, 0.02)),
        Lite(shape=(1, 5, 4, 2), scale=0.3, zero_point=-3),
        Lite(shape=(1, 5, 4, 2), dtype="float32"),
    ]
    conv = options(
        "Conv2DOptions", strideH=1, strideW=1, dilationHFactor=1, dilationWFactor=1
    )
    nodes = [
        LiteNode(operator="CONV_2D", inputs=(0, 1, 2), outputs=(3,), options=conv),
        LiteNode(operator="DEQUANTIZE", inputs=(3,), outputs=(4,)),
    ]
    return tflite_model(tensors, nodes, (0,), (4,))


@pytest.fixture
def write(tmp_path):
    def write(data: bytes):
        path = tmp_path / "model.tflite"
        path.write_bytes(data)
        return path

    return write


def error_of(path) -> str:
    with pytest.raises(ModelError) as error:
        load_tflite(path)
    text = str(error.value)
    assert text.startswith(f"{path}: ")
    assert "\n" not in text
    return text


def test_the_sound_file_is_read(write):
    assert len(load_tflite(write(packed(model()))).nodes) == 6


def test_a_missing_file_is_missing(tmp_path):
    with pytest.raises(MissingError, match="there is no such file"):
        load_tflite(tmp_path / "absent.tflite")


@pytest.mark.parametrize("data", [b"", b"garbage", b"\x00" * 64, b"PK\x03\x04" * 9])
def test_what_is_no_tflite_file_is_a_model_error(write, data):
    assert "no TFLite file" in error_of(write(data))


def test_every_truncation_is_an_emu_error(write):
    data = packed(model())
    for size in range(0, len(data) - 8, 5):
        with pytest.raises(EmuError):
            load_tflite(write(data[:size]))


@pytest.mark.parametrize("seed", range(60))
def test_changed_bytes_give_a_graph_or_an_emu_error(write, seed):
    rng = np.random.default_rng(seed)
    data = bytearray(packed(model()))
    for at in rng.integers(8, len(data), size=1 + seed % 3):
        data[at] = rng.integers(256)
    with contextlib.suppress(EmuError):
        load_tflite(write(bytes(data)))


@pytest.mark.parametrize("seed", range(20))
def test_changed_words_give_a_graph_or_an_emu_error(write, seed):
    """Offsets and lengths far outside of the file, and negative ones."""
    rng = np.random.default_rng(seed)
    words = np.frombuffer(packed(model()).ljust(4, b"\0"), "<u4").copy()
    at = rng.integers(2, len(words), size=2)
    words[at] = rng.choice([0, 1, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 1 << 20], 2)
    with contextlib.suppress(EmuError):
        load_tflite(write(words.tobytes()))


def test_another_schema_version_is_a_model_error(write):
    file = model()
    file.version = 2
    assert "schema version 2, this emu reads 3" in error_of(write(packed(file)))


def test_a_file_without_a_graph_is_a_model_error(write):
    file = model()
    file.subgraphs = []
    assert "the file holds no graph" in error_of(write(packed(file)))


def test_data_that_do_not_fill_their_tensor_are_a_model_error(write):
    file = model()
    file.subgraphs[0].tensors[1].shape = [2, 3, 3, 1 << 20]
    message = error_of(write(packed(file)))
    assert "tensor 't1': found 36 bytes of data, expected 18874368" in message


def test_a_negative_size_is_a_model_error(write):
    file = model()
    file.subgraphs[0].tensors[1].shape = [2, 3, -3, 2]
    assert "tensor 't1': found shape (2, 3, -3, 2)" in error_of(write(packed(file)))


def test_a_tensor_of_no_buffer_is_a_model_error(write):
    file = model()
    file.subgraphs[0].tensors[1].buffer = 99
    assert "tensor 't1': there is no buffer 99" in error_of(write(packed(file)))


def test_an_operand_beyond_the_tensors_is_a_model_error(write):
    file = model()
    file.subgraphs[0].operators[0].inputs = [0, 1, 77]
    assert "t3: operands (0, 1, 77) of 5 tensors" in error_of(write(packed(file)))


@pytest.mark.parametrize("scale", [0.0, -1.0, np.inf, np.nan, 1e-45])
def test_a_scale_that_is_no_positive_number_is_a_model_error(write, scale):
    file = model()
    file.subgraphs[0].tensors[0].quantization.scale = [scale]
    assert "tensor 't0': a scale must be" in error_of(write(packed(file)))


@pytest.mark.parametrize(("axis", "count"), [(1, 2), (7, 2), (-1, 2), (0, 3)])
def test_scales_that_do_not_fit_their_axis_are_a_model_error(write, axis, count):
    file = model()
    quantization = file.subgraphs[0].tensors[1].quantization
    quantization.quantizedDimension = axis
    quantization.scale = [0.1] * count
    message = error_of(write(packed(file)))
    assert f"{count} scales and 2 zero points on axis {axis}" in message


def test_a_zero_point_outside_its_type_is_a_model_error(write):
    file = model()
    file.subgraphs[0].tensors[0].quantization.zeroPoint = [200]
    assert "zero point 200, expected -128..127" in error_of(write(packed(file)))


def test_data_behind_the_flatbuffer_are_read_within_the_file(write):
    file = model()
    data = bytes(file.buffers[1].data)
    file.buffers[1].data = None
    # Their place must not change the length: two numbers, set to any value first.
    file.buffers[1].offset, file.buffers[1].size = 4096, len(data)
    head = packed(file)
    path = write(head.ljust(4096, b"\0") + data)
    array = read_tflite(path).tensors[1].array()
    np.testing.assert_array_equal(array.reshape(-1), np.arange(36))
    message = error_of(write(head.ljust(4096, b"\0") + data[:-1]))
    assert "tensor 't1': data at 4096 to 4132 of 4131 bytes" in message


def test_tensors_that_share_the_data_too_often_are_refused(write):
    """A small file must not become large in memory."""
    file = model()
    tensors = file.subgraphs[0].tensors
    file.buffers[1].data = np.zeros(100_000, np.uint8)
    tensors.extend([tensors[1]] * 40)
    assert "share more than 16 times the file" in error_of(write(packed(file)))


def test_operators_that_are_one_do_not_multiply_the_work(write):
    """A list of operators whose entries all lead to one of many operands."""
    file = model()
    graph = file.subgraphs[0]
    graph.operators[0].inputs = [0] * 20_000
    graph.operators.extend([graph.operators[1]] * 5000)
    data = bytearray(packed(file))
    subgraph: Any = tflite.Model.GetRootAs(bytes(data), 0).Subgraphs(0)
    table = subgraph._tab
    entries = table.Vector(table.Offset(OPERATORS))
    target = entries + int.from_bytes(data[entries : entries + 4], "little")
    for at in range(entries, entries + 4 * 5000, 4):
        data[at : at + 4] = (target - at).to_bytes(4, "little")
    assert "damaged: a list of 20000 entries" in error_of(write(bytes(data)))


def test_more_than_eight_axes_are_a_model_error(write):
    file = model()
    file.subgraphs[0].tensors[4].shape = [1] * 9
    assert "tensor 't4': found shape (1, 1," in error_of(write(packed(file)))
