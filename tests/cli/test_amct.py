"""AMCT's files on the command line: configurations as recipes, records both ways."""

import json

import numpy as np
import pytest

from emu.graph import load_graph

TARGET = ("--target", "generic-int8")
OLD = """quantize_algo: HALF_OFFSET
weight_type: VECTOR_TYPE
bin: 150
type: KL
max_percentile: PERCENTILE_MID
batch_count: 8
exclude_op: 'dense'
preprocess_parameter: { input_type: IMAGE mean_value: 104.0 standard_deviation: 1.0 }
"""
JSON = {
    "version": 1,
    "batch_num": 2,
    "activation_offset": True,
    "conv": {
        "quant_enable": True,
        "activation_quant_params": {"act_algo": "hfmg", "num_of_bins": 1024},
        "weight_quant_params": {"wts_algo": "arq_quantize", "channel_wise": True},
    },
}


@pytest.fixture
def here(tmp_path, monkeypatch):
    """An empty current folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def same(left, right):
    a, b = load_graph(left), load_graph(right)
    return (
        (a.nodes, a.tensors) == (b.nodes, b.tensors)
        and list(a.constants) == list(b.constants)
        and all(np.array_equal(a.constants[k], b.constants[k]) for k in a.constants)
    )


def test_the_old_form_is_a_recipe(emu, tiny):
    model, data = tiny
    with open("quantize.cfg", "w") as file:  # noqa: PTH123 - the current folder
        file.write(OLD)
    made = emu(
        "optimize", model, *TARGET, "--calib", data, "--recipe", "quantize.cfg",
        "-o", "p.emu", "--json",
    )  # fmt: skip
    assert made.code == 0
    assert made.json["calibration"]["samples"] == 8
    assert "dense" in json.dumps(made.json["float_layers"])
    assert made.err.startswith("note: quantize.cfg: without effect here: preprocess_")
    assert made.err.count("\n") == 1
    recipe = load_graph("p.emu").provenance["recipe"]
    assert isinstance(recipe, dict)
    assert recipe["global"]["method"] == "kl"
    assert recipe["global"]["max_percentile"] == 0.99999


def test_the_json_form_counts_batches_of_the_command(emu, tiny, tmp_path):
    model, data = tiny
    (tmp_path / "config.json").write_text(json.dumps(JSON))
    made = emu(
        "eval", model, *TARGET, "--calib", data, "--data", data,
        "--recipe", "config.json", "--batch", 4,
    )  # fmt: skip
    assert (made.code, made.err) == (0, "")
    made = emu(
        "optimize", model, *TARGET, "--calib", data, "--recipe", "config.json",
        "--batch", 4, "-o", "p.emu", "--json",
    )  # fmt: skip
    assert made.json["calibration"]["samples"] == 8


def test_fewer_samples_than_the_batches_need(refused, tiny, tmp_path):
    model, data = tiny
    (tmp_path / "config.json").write_text(json.dumps(JSON))
    line, _ = refused(
        "optimize", model, *TARGET, "--calib", data, "--recipe", "config.json",
        "--batch", 32, "-o", "p.emu",
    )  # fmt: skip
    assert "64" in line
    assert "12" in line


def test_a_wrong_key_and_a_wrong_layer_have_their_line(refused, tiny, tmp_path):
    model, data = tiny
    wish = ("optimize", model, *TARGET, "--calib", data, "-o", "p.emu", "--recipe")
    (tmp_path / "a.cfg").write_text("bin: 150\nratio: 1\n")
    line, error = refused(*wish, "a.cfg")
    assert "a.cfg: line 2: unknown key 'ratio'" in line
    assert (error["kind"], error["where"]) == ("config", "line 2")
    (tmp_path / "b.json").write_text('{\n\n"cnov": {}}')
    line, error = refused(*wish, "b.json")
    assert "b.json: line 3: the model has no layer 'cnov'; did you mean 'conv'?" in line
    assert not (tmp_path / "p.emu").exists()


def test_a_program_goes_out_as_a_record_and_comes_back(
    emu, here, tiny_folder, tiny_program
):
    written = emu(
        "compile", tiny_program, "--to", "amct-record", "-o", "r.txt", "--json"
    )
    assert (written.code, written.err) == (0, "")
    assert written.json["layers"] == ["conv", "dense"]
    # No calibration data: the record says it all.
    made = emu(
        "optimize", tiny_folder / "tiny.onnx", *TARGET, "--record", "r.txt",
        "-o", "again.emu", "--json",
    )  # fmt: skip
    assert made.code == 0
    assert made.json["calibration"] is None
    assert same("again.emu", tiny_program)


def test_for_people_a_line(emu, here, tiny_program):
    shown = emu("compile", tiny_program, "--to", "amct-record", "-o", "r.txt")
    assert (shown.code, shown.err) == (0, "")
    assert shown.out.startswith("r.txt  2 layers, ")


def test_a_record_of_amct_needs_data_for_the_last_output(refused, emu, tiny, tmp_path):
    model, data = tiny
    text = "record { key: '%s' value { scale_d: 0.03 offset_d: 1 scale_w: 0.02 } }\n"
    (tmp_path / "r.txt").write_text(text % "conv" + text % "dense")
    wish = ("optimize", model, *TARGET, "--record", "r.txt", "-o", "p.emu")
    line, error = refused(*wish)
    assert "r.txt: says nothing of the tensors" in line
    assert "name calibration data with --calib" in line
    assert error["kind"] == "config"
    assert emu(*wish, "--calib", data).code == 0
    made = load_graph("p.emu")
    (first,) = [
        node for node in made.nodes if node.layer == "conv" and node.inputs[1:]
    ][:1]
    qparams = made.tensors[first.inputs[0]].qparams
    assert qparams
    assert (qparams.scale, qparams.zero_point) == ((float(np.float32(0.03)),), (1,))


def test_what_means_nothing_is_refused(refused, here, tiny_folder, tiny_program):
    record = ("compile", tiny_program, "--to", "amct-record", "-o", "r.txt")
    for option in (("--data", "random:2"), ("--samples", 2), ("--layers", "c*")):
        line, error = refused(*record, *option)
        assert "means nothing with --to amct-record" in line
        assert error["where"] == option[0]
    line, _ = refused("compile", tiny_program, "--to", "amct-record", "-o", ".")
    assert "is a folder, expected a file" in line
    (here / "r.txt").write_text("record { key: 'cnov' value { scale_d: 1 } }")
    model = tiny_folder / "tiny.onnx"
    line, _ = refused("optimize", model, *TARGET, "--record", "r.txt", "-o", "p.emu")
    assert "r.txt: line 1: the model has no layer 'cnov'; did you mean 'conv'?" in line
    line, _ = refused(
        "optimize", tiny_program, *TARGET, "--record", "r.txt", "-o", "p.emu"
    )
    assert "quantized already" in line
    line, _ = refused("optimize", model, *TARGET, "--record", "none", "-o", "p.emu")
    assert "none: cannot read" in line
