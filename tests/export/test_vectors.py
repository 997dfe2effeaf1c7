"""export_vectors: what it writes is complete, true, and never half written."""

import hashlib
import json

import numpy as np
import pytest

from emu.errors import ConfigError, MissingError
from emu.export import export_vectors, vectors
from tests.export.programs import convolution, lowered_zoo, pixels
from tests.export.reading import array, manifest
from tests.oracles.interpreter import interpret
from tests.zoo import images

ORIGIN = {"program": {"name": "zoo"}, "inputs": {"data": "random", "seed": 0}}


@pytest.fixture(scope="module")
def program():
    return lowered_zoo()


@pytest.fixture(scope="module")
def zoo(program, tmp_path_factory):
    """An export of the zoo on two images: its folder, its manifest, its images."""
    folder = tmp_path_factory.mktemp("export") / "zoo"
    x = images(program, 2)
    return folder, export_vectors(program, {"x": x}, folder, ORIGIN), x


def files(folder):
    return {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()}


def test_the_manifest_is_what_is_returned_and_names_every_file(zoo):
    folder, returned, _ = zoo
    found = manifest(folder)
    assert found == json.loads(json.dumps(returned))
    named = {
        file["file"] for layer in found["layers"] for file in layer["files"].values()
    }
    named |= {layer["defines"] for layer in found["layers"]}
    assert files(folder) == named | {"manifest.json", "conv2d_tb.v"}
    assert {key: found[key] for key in ORIGIN} == ORIGIN


def test_every_node_is_exported_or_said_not_to_be(zoo, program):
    _, found, _ = zoo
    exported = [op["node"] for layer in found["layers"] for op in layer["operators"]]
    assert len(exported) + len(found["not_exported"]) == len(program.nodes)
    assert len(set(exported)) == len(exported)
    left = {entry["op"] for entry in found["not_exported"]}
    assert left == {"quantize", "dequantize", "softmax"}


def test_every_digest_is_that_of_the_file(zoo):
    folder, found, _ = zoo
    for layer in found["layers"]:
        for file in layer["files"].values():
            data = (folder / file["file"]).read_bytes()
            assert hashlib.sha256(data).hexdigest() == file["sha256"]
            assert data.count(b"\n") == file["words"] + 1


def test_every_array_equals_the_independent_interpreter(zoo, program):
    folder, found, x = zoo
    expected = {**program.constants, **interpret(program, {"x": x})}
    count = 0
    for layer in found["layers"]:
        for file in layer["files"].values():
            got, want = array(folder, file), expected[file["tensor"]]
            np.testing.assert_array_equal(got, want, f"{layer['layer']} {file['file']}")
            assert got.dtype == want.dtype
            count += 1
    assert count > 100


def test_every_number_of_an_operator_is_in_the_manifest_and_the_defines(tmp_path):
    graph = convolution()
    folder = tmp_path / "out"
    found = export_vectors(graph, {"x": pixels(graph, 2)}, folder)
    (layer,) = found["layers"]
    assert (layer["layer"], layer["op"]) == ("conv", "conv2d")
    conv, rescale, clamp = (op["fields"] for op in layer["operators"])
    assert (conv["stride"], conv["padding"]) == ([2, 1], [[1, 0], [1, 1]])
    assert (conv["x_zero_point"], conv["groups"]) == (-3, 1)
    assert (conv["accumulator"]["bits"], conv["accumulator"]["overflow"]) == (
        32,
        "wrap",
    )
    assert (rescale["scheme"], rescale["zero_point"]) == ("single-round", 5)
    assert clamp == {"low": -100, "high": 90}
    defines = (folder / layer["defines"]).read_text().splitlines()
    for line in (
        "`define EMU_CONV2D_STRIDE_0 (2)",
        "`define EMU_CONV2D_PADDING_0_1 (0)",
        "`define EMU_CONV2D_X_ZERO_POINT (-3)",
        '`define EMU_CONV2D_ACCUMULATOR_OVERFLOW "wrap"',
        "`define EMU_RESCALE_FORMAT_SIGNED 1",
        "`define EMU_CLAMP_LOW (-100)",
        "`define EMU_WEIGHT_WORDS (108)",
        "`define EMU_EXPECTED_DIM_0 (2)",
    ):
        assert line in defines


def test_equal_inputs_give_equal_bytes(tmp_path):
    graph = convolution()
    for name in "ab":
        export_vectors(graph, {"x": pixels(graph, 2)}, tmp_path / name)
    assert files(tmp_path / "a") == files(tmp_path / "b")
    for name in files(tmp_path / "a"):
        assert (tmp_path / "a" / name).read_bytes() == (
            tmp_path / "b" / name
        ).read_bytes()


def test_a_pattern_chooses_layers_and_keeps_their_numbers(program, zoo, tmp_path):
    _, whole, x = zoo
    found = export_vectors(program, {"x": x}, tmp_path / "part", layers="s[tc]*")
    chosen = [layer for layer in whole["layers"] if layer["layer"][:2] in ("st", "sc")]
    assert [layer["folder"] for layer in found["layers"]] == [
        layer["folder"] for layer in chosen
    ]
    assert len(chosen) < len(whole["layers"])


def test_a_pattern_that_fits_nothing_names_the_layers(tmp_path):
    graph = convolution()
    with pytest.raises(ConfigError, match="no integer layer fits 'x'; there are: conv"):
        export_vectors(graph, {"x": pixels(graph, 1)}, tmp_path / "out", layers="x")
    assert list(tmp_path.iterdir()) == []


def test_an_older_export_is_replaced_whole(program, tmp_path):
    graph, folder = convolution(), tmp_path / "out"
    export_vectors(program, {"x": images(program, 1)}, folder)
    export_vectors(graph, {"x": pixels(graph, 1)}, folder)
    assert [layer["layer"] for layer in manifest(folder)["layers"]] == ["conv"]
    assert len(files(folder)) == 10
    assert list(tmp_path.iterdir()) == [folder]


def test_a_folder_with_other_files_is_refused_unless_forced(tmp_path):
    graph, folder = convolution(), tmp_path / "out"
    x = {"x": pixels(graph, 1)}
    export_vectors(graph, x, folder)
    (folder / "000_conv_conv2d" / "notes.txt").write_text("mine")
    with pytest.raises(ConfigError, match=r"holds '000_conv_conv2d/notes.txt'"):
        export_vectors(graph, x, folder)
    assert (folder / "000_conv_conv2d" / "notes.txt").read_text() == "mine"
    export_vectors(graph, x, folder, force=True)
    assert len(files(folder)) == 10


@pytest.mark.parametrize("text", ["{", "[]", '{"kind": "other", "layers": []}', "{}"])
def test_a_manifest_that_is_not_ours_saves_nothing_from_being_kept(text, tmp_path):
    graph, folder = convolution(), tmp_path / "out"
    folder.mkdir()
    (folder / "manifest.json").write_text(text)
    with pytest.raises(ConfigError, match="which no export wrote"):
        export_vectors(graph, {"x": pixels(graph, 1)}, folder)


def test_an_empty_folder_is_filled(tmp_path):
    graph, folder = convolution(), tmp_path / "out"
    folder.mkdir()
    export_vectors(graph, {"x": pixels(graph, 1)}, folder)
    assert len(files(folder)) == 10


def test_a_folder_that_cannot_be_one_is_refused(tmp_path, monkeypatch):
    graph = convolution()
    x = {"x": pixels(graph, 1)}
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="is a file, expected a folder"):
        export_vectors(graph, x, tmp_path / "file")
    with pytest.raises(MissingError, match="there is no folder"):
        export_vectors(graph, x, tmp_path / "no" / "such")
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    for name in (".", ".."):
        with pytest.raises(ConfigError, match="is the current folder or holds it"):
            export_vectors(graph, x, tmp_path / "here" / name, force=True)


def test_an_interrupted_export_leaves_the_older_one(tmp_path, monkeypatch):
    graph, folder = convolution(), tmp_path / "out"
    export_vectors(graph, {"x": pixels(graph, 1)}, folder)
    before = {name: (folder / name).read_bytes() for name in files(folder)}

    def stop(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(vectors, "defines_text", stop)
    with pytest.raises(KeyboardInterrupt):
        export_vectors(graph, {"x": pixels(graph, 2)}, folder)
    assert {name: (folder / name).read_bytes() for name in files(folder)} == before
    assert list(tmp_path.iterdir()) == [folder]
