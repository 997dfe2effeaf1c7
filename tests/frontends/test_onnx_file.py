"""Hostile and damaged ONNX files: one-line errors, nothing read outside the folder."""

import contextlib
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import helper
from onnx.external_data_helper import set_external_data

from emu.errors import EmuError, MissingError, ModelError
from emu.frontends import load_onnx
from tests.frontends.run import model_of, one_node_model, run_graph, save


def dense_model() -> onnx.ModelProto:
    weights = np.arange(12, dtype=np.float32).reshape(4, 3)
    return one_node_model("MatMul", [("N", 4)], constants={"w": weights})


def external_model(location: str, **entries: Any) -> onnx.ModelProto:
    """The dense model with its weights in another file."""
    model = dense_model()
    tensor = model.graph.initializer[0]
    set_external_data(tensor, location, **entries)
    tensor.ClearField("raw_data")
    return model


def write_weights(path) -> None:
    path.write_bytes(np.arange(12, dtype=np.float32).tobytes())


def test_a_missing_file_is_missing(tmp_path):
    with pytest.raises(MissingError, match="there is no such file"):
        load_onnx(tmp_path / "absent.onnx")


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.9, 0.99])
def test_a_truncated_file_is_a_model_error_of_one_line(tmp_path, share):
    path = save(dense_model(), tmp_path)
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    with pytest.raises(ModelError) as error:
        load_onnx(path)
    assert str(error.value).startswith(f"{path}: ")
    assert "\n" not in str(error.value)


def test_every_truncation_is_an_emu_error(tmp_path):
    path = save(dense_model(), tmp_path)
    data = path.read_bytes()
    for size in range(len(data)):
        path.write_bytes(data[:size])
        with pytest.raises(EmuError):
            load_onnx(path)


@pytest.mark.parametrize("seed", range(30))
def test_flipped_bytes_give_a_graph_or_an_emu_error(tmp_path, seed):
    rng = np.random.default_rng(seed)
    path = save(dense_model(), tmp_path)
    data = bytearray(path.read_bytes())
    for at in rng.integers(len(data), size=3):
        data[at] = rng.integers(256)
    path.write_bytes(bytes(data))
    with contextlib.suppress(EmuError):
        load_onnx(path)


@pytest.mark.parametrize("data", [b"garbage", b"\x00" * 64, b"PK\x03\x04" * 9])
def test_what_is_no_onnx_file_is_a_model_error(tmp_path, data):
    path = tmp_path / "model.onnx"
    path.write_bytes(data)
    with pytest.raises(ModelError, match="no ONNX file"):
        load_onnx(path)


def test_a_name_that_is_no_text_is_a_model_error(tmp_path):
    path = save(dense_model(), tmp_path)
    path.write_bytes(path.read_bytes().replace(b"MatMul", b"Mat\xff\xfel"))
    with pytest.raises(ModelError, match="is no text"):
        load_onnx(path)


def test_a_model_that_breaks_onnx_rules_is_a_model_error(tmp_path):
    nodes = [helper.make_node("Relu", ["nowhere"], ["y"], name="relu")]
    path = save(model_of(nodes, {"x": ("N", 3)}), tmp_path)
    with pytest.raises(ModelError, match="no valid ONNX model"):
        load_onnx(path)


def test_shapes_that_contradict_each_other_are_a_model_error(tmp_path):
    model = dense_model()
    model.graph.input[0].type.tensor_type.shape.dim[1].dim_value = 5
    with pytest.raises(ModelError, match="no valid ONNX model"):
        load_onnx(save(model, tmp_path))


def test_weights_shorter_than_their_shape_are_a_model_error(tmp_path):
    model = dense_model()
    tensor = model.graph.initializer[0]
    tensor.raw_data = tensor.raw_data[:-4]
    with pytest.raises(ModelError):
        load_onnx(save(model, tmp_path))


def test_external_data_beside_the_model_are_read(tmp_path):
    write_weights(tmp_path / "weights.bin")
    graph = load_onnx(save(external_model("weights.bin"), tmp_path))
    found = run_graph(graph, {"x0": np.eye(4, dtype=np.float32)})["y"]
    np.testing.assert_array_equal(found.reshape(-1), np.arange(12))
    external = graph.provenance["external"]
    assert isinstance(external, dict)
    assert list(external) == ["weights.bin"]


@pytest.mark.parametrize(
    "location",
    ["../weights.bin", "sub/../../weights.bin", "{folder}/weights.bin", "", "."],
)
def test_external_data_outside_the_folder_are_refused(tmp_path, location):
    (tmp_path / "home" / "sub").mkdir(parents=True)
    write_weights(tmp_path / "weights.bin")
    location = location.format(folder=tmp_path)
    path = save(external_model(location), tmp_path / "home")
    with pytest.raises(ModelError, match="outside the model's folder") as error:
        load_onnx(path)
    assert "tensor 'w'" in str(error.value)
    assert repr(location) in str(error.value)


@pytest.mark.parametrize("location", [r"C:\weights.bin", r"\\host\weights.bin"])
def test_windows_paths_are_refused(tmp_path, location):
    path = save(external_model(location), tmp_path)
    with pytest.raises(ModelError, match="outside the model's folder"):
        load_onnx(path)


def test_a_link_that_leaves_the_folder_is_refused(tmp_path):
    home = tmp_path / "home"
    home.mkdir()
    write_weights(tmp_path / "secret.bin")
    (home / "weights.bin").symlink_to(tmp_path / "secret.bin")
    with pytest.raises(ModelError, match="outside the model's folder"):
        load_onnx(save(external_model("weights.bin"), home))


def test_a_missing_external_file_is_named(tmp_path):
    with pytest.raises(ModelError, match=r"no external data file 'weights\.bin'"):
        load_onnx(save(external_model("weights.bin"), tmp_path))


@pytest.mark.parametrize(
    "entries", [{"offset": 4}, {"length": 40}, {"offset": -4}, {"offset": 1 << 40}]
)
def test_external_data_that_do_not_fit_the_file_are_refused(tmp_path, entries):
    write_weights(tmp_path / "weights.bin")
    with pytest.raises(ModelError, match="tensor 'w': external data"):
        load_onnx(save(external_model("weights.bin", **entries), tmp_path))


def test_a_huge_external_tensor_is_refused_before_reading(tmp_path):
    write_weights(tmp_path / "weights.bin")
    model = external_model("weights.bin")
    model.graph.initializer[0].dims[:] = [1 << 40, 1 << 40]
    with pytest.raises(ModelError, match="external data"):
        load_onnx(save(model, tmp_path))
