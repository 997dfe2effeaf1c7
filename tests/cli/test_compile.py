"""emu compile: vectors of a tiny program, and what it refuses."""

import json

import numpy as np
import pytest

TARGET = ("--target", "generic-int8")
VECTORS = ("--to", "vectors", "-o", "out")
LAYERS = ["x:nhwc", "conv", "pool", "flatten", "dense"]


@pytest.fixture
def here(tmp_path, monkeypatch):
    """An empty current folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def refused_whole(refused, here):
    """Refused `emu compile`; asserts that nothing is written."""

    def call(*arguments):
        before = sorted(here.rglob("*"))
        line, error = refused("compile", *arguments)
        assert sorted(here.rglob("*")) == before
        return line, error

    return call


def test_a_program_becomes_vectors_and_json_is_the_manifest(emu, here, tiny_program):
    made = emu("compile", tiny_program, *VECTORS, "--json")
    assert (made.code, made.err) == (0, "")
    assert made.json == json.loads((here / "out" / "manifest.json").read_text())
    program = made.json["program"]
    assert (program["file"], program["target"]) == ("tiny.emu", "generic-int8")
    assert len(program["sha256"]) == len(program["source_sha256"]) == 64
    assert made.json["inputs"]["data"] == "random:1:0"
    assert (
        list(dict.fromkeys(layer["layer"] for layer in made.json["layers"])) == LAYERS
    )
    assert [layer["op"] for layer in made.json["not_exported"]] == [
        "quantize",
        "dequantize",
        "softmax",
    ]


def test_for_people_a_row_a_layer(emu, here, tiny_program):
    shown = emu("compile", tiny_program, *VECTORS)
    assert (shown.code, shown.err) == (0, "")
    assert "001_conv_conv2d" in shown.out
    assert "conv2d, rescale" in shown.out
    assert "int8 1x4x4x3" in shown.out
    assert "not exported, in float: x (quantize)" in shown.out


def test_samples_come_from_a_dataset(emu, here, tiny_folder, tiny_program):
    data = tiny_folder / "tiny.npz"
    arguments = (*VECTORS, "--data", data, "--samples", "3", "--json")
    made = emu("compile", tiny_program, *arguments).json
    assert (made["inputs"]["data"], made["inputs"]["samples"]) == ("tiny[:3]", 3)
    assert made["layers"][1]["files"]["input"]["shape"] == [3, 4, 4, 2]


def test_another_seed_gives_other_inputs_and_the_same_one_equal_files(
    emu, here, tiny_program
):
    files = []
    for number, data in enumerate(("random", "random:1:0", "random:1:1", "random:2")):
        output = here / str(number)
        arguments = ("--to", "vectors", "-o", output, "--data", data)
        assert emu("compile", tiny_program, *arguments).code == 0
        files.append((output / "001_conv_conv2d" / "input.hex").read_text())
    assert files[0] == files[1] != files[2]
    assert files[3].splitlines()[1:33] == files[0].splitlines()[1:]


def test_random_inputs_reach_both_ends_of_the_range(emu, here, tiny_program):
    arguments = (*VECTORS, "--data", "random:40", "--json")
    made = emu("compile", tiny_program, *arguments).json
    file = here / "out" / made["layers"][1]["files"]["input"]["file"]
    words = {int(line, 16) for line in file.read_text().splitlines()[1:]}
    signed = np.array(sorted(words), np.uint8).view(np.int8)
    assert (signed.min(), signed.max()) <= (-120, 120)
    assert len(words) > 200


def test_a_float_model_is_quantized_first(emu, tiny):
    model, data = tiny
    arguments = (*VECTORS, *TARGET, "--calib", data, "--batch", "4", "--json")
    made = emu("compile", model, *arguments).json
    assert made["program"]["file"] == "tiny.onnx"
    assert made["program"]["sha256"] == made["program"]["source_sha256"]


def test_layers_are_chosen_by_a_pattern(emu, here, tiny_program):
    made = emu("compile", tiny_program, *VECTORS, "--layers", "d*", "--json").json
    assert [layer["layer"] for layer in made["layers"]] == ["dense"]


def test_an_older_export_is_replaced_and_other_files_are_not(
    emu, refused, here, tiny_program
):
    for _ in range(2):
        assert emu("compile", tiny_program, *VECTORS).code == 0
    (here / "out" / "wave.vcd").write_text("mine")
    line, error = refused("compile", tiny_program, *VECTORS)
    assert "holds 'wave.vcd', which no export wrote; --force replaces" in line
    assert (error["kind"], error["where"]) == ("config", "-o")
    assert emu("compile", tiny_program, *VECTORS, "--force").code == 0
    assert not (here / "out" / "wave.vcd").exists()


def test_an_unknown_form_lists_what_there_is(refused_whole, tiny_program):
    line, error = refused_whole(tiny_program, "--to", "tosa", "-o", "out")
    assert "'tosa'" in line
    assert "vectors" in line
    assert error["kind"] == "usage"


def test_a_float_model_without_a_target(refused_whole, tiny_folder):
    line, _ = refused_whole(tiny_folder / "tiny.onnx", *VECTORS)
    assert "is a float model; --target quantizes it first" in line


@pytest.mark.parametrize("data", ["random:0", "random:x", "random:1:2:3"])
def test_a_wrong_random_reference(data, refused_whole, tiny_program):
    line, _ = refused_whole(tiny_program, *VECTORS, "--data", data)
    assert "expected random, random:N or random:N:SEED" in line


def test_samples_of_another_shape(refused_whole, here, tiny_program):
    np.savez(here / "other.npz", x=np.zeros((3, 4, 4), np.float32))
    line, error = refused_whole(tiny_program, *VECTORS, "--data", "other.npz")
    assert "found float32 [4, 4] a sample, expected float32 [2, 4, 4]" in line
    assert error["kind"] == "data"


def test_a_pattern_that_fits_no_layer(refused_whole, tiny_program):
    line, error = refused_whole(tiny_program, *VECTORS, "--layers", "stem")
    assert (
        "no integer layer fits 'stem'; there are: x:nhwc, conv, pool, flatten, dense"
        in line
    )
    assert error["where"] == "--layers"


def test_a_folder_that_is_not_there_or_is_a_file(refused_whole, here, tiny_program):
    (here / "file").write_text("")
    line, _ = refused_whole(tiny_program, "--to", "vectors", "-o", "no/out")
    assert "there is no folder no" in line
    line, _ = refused_whole(tiny_program, "--to", "vectors", "-o", "file")
    assert "is a file, expected a folder" in line
