"""emu optimize, eval and compare on a tiny model, and on its program."""

import shutil

import numpy as np
import pytest

from emu.graph import load_graph

TARGET = ("--target", "generic-int8")
BATCH = ("--batch", "4")


def test_optimize_writes_a_program_and_says_what_it_is(emu, tiny, tmp_path):
    model, data = tiny
    output = tmp_path / "made.emu"
    arguments = ("optimize", model, *TARGET, *BATCH, "--calib", data, "-o", output)
    made = emu(*arguments, "--json").json
    assert made["bytes"] == output.stat().st_size
    assert (made["target"], made["float_layers"]) == ("generic-int8", ["softmax"])
    assert made["integer_mac_share"] == 1.0
    assert list(made["macs_by_width"]) == ["a8w8"]
    assert made["calibration"]["samples"] == 12
    first = output.read_bytes()
    shown = emu(*arguments)
    assert (shown.code, shown.err) == (0, "")
    assert "1 in float32: softmax (Softmax)" in shown.out
    assert "100% on integers (a8w8)" in shown.out
    assert output.read_bytes() == first


@pytest.mark.parametrize("method", ["ema", "mse", "kl", "ifmr", "hfmg"])
def test_a_recipe_chooses_the_method_and_how_many_samples_count(
    method, emu, tiny, tmp_path
):
    model, data = tiny
    recipe = tmp_path / "recipe.toml"
    arguments = ("optimize", model, *TARGET, *BATCH, "-o", "f.emu", "--recipe", recipe)
    recipe.write_text(f'batch_count = 6\n[global]\nmethod = "{method}"\n')
    made = emu(*arguments, "--calib", data, "--json").json
    assert made["calibration"]["samples"] == 6
    first = load_graph("f.emu")
    # The same samples named otherwise: the same program.
    recipe.write_text(f'[global]\nmethod = "{method}"\n')
    assert emu(*arguments, "--calib", f"{data}[:6]").code == 0
    again = load_graph("f.emu")
    assert again.nodes == first.nodes
    assert again.provenance["calibration"] == {
        **made["calibration"],
        "data": f"{data}[:6]",
    }


def test_a_recipe_keeps_a_layer_in_float(emu, tiny, tmp_path):
    model, data = tiny
    recipe = tmp_path / "recipe.toml"
    recipe.write_text('exclude = ["dense"]\n')
    arguments = ("optimize", model, *TARGET, *BATCH, "--calib", data, "-o", "f.emu")
    made = emu(*arguments, "--recipe", recipe, "--json").json
    assert made["float_layers"] == ["dense", "softmax"]
    assert 0.5 < made["integer_mac_share"] < 1
    assert list(made["macs_by_width"]) == ["a8w8", "float16"]
    shown = emu(*arguments, "--recipe", recipe).out
    assert "1 in float16: dense (Gemm)" in shown
    assert "1 in float32: softmax (Softmax)" in shown
    inspected = emu("inspect", "f.emu", "--json").json
    for key in ("integer_mac_share", "macs_by_width", "float_layers"):
        assert inspected[key] == made[key]
    assert "on integers (a8w8), float16" in emu("inspect", "f.emu").out


def test_eval_counts_a_float_model_as_fp32(emu, tiny):
    model, data = tiny
    found = emu("eval", model, "--data", data, *BATCH, "--json").json
    assert list(found)[:6] == [
        "model",
        "data",
        "target",
        "n",
        "top1_correct",
        "top5_correct",
    ]
    assert (found["model"], found["data"], found["target"]) == ("tiny", "tiny", "fp32")
    assert (found["n"], found["top5"]) == (12, 1.0)
    assert found["top1"] == found["top1_correct"] / 12


def test_eval_in_memory_counts_as_the_program_does(emu, tiny, tiny_program):
    model, data = tiny
    saved = emu("eval", tiny_program, "--data", data, *BATCH, "--json").json
    calibrated = (*TARGET, "--calib", data)
    held = emu("eval", model, "--data", data, *calibrated, *BATCH, "--json").json
    assert saved == {**held, "model": saved["model"]}
    assert saved["target"] == "generic-int8"
    shown = emu("eval", tiny_program, "--data", data, *BATCH)
    assert (shown.code, shown.err) == (0, "")
    assert f"({saved['top1_correct']})" in shown.out


def test_compare_gives_every_layer_in_both_modes(emu, tiny, tiny_program):
    _, data = tiny
    arguments = ("compare", tiny_program, "--data", data, *BATCH, "--samples", "8")
    found = emu(*arguments, "--json").json
    names = ["x", "conv", "pool", "dense"]
    for rows in (found["layers"], found["isolated"]):
        assert [row["name"] for row in rows] == names
        assert all(row["sqnr_db"] > 20 for row in rows)
    assert (found["n"], found["data"]) == (8, "tiny[:8]")
    assert found["golden"]["engine"] == "onnxruntime"
    assert found["first_divergence"] in (None, *names)
    shown = emu(*arguments, "--worst", "2", "--mode", "isolated")
    assert (shown.code, shown.err) == (0, "")
    assert "2 of 4 layers" in shown.out


def test_compare_finds_a_source_model_that_has_moved(
    emu, refused, tiny_folder, tmp_path, monkeypatch
):
    model = shutil.copy(tiny_folder / "tiny.onnx", tmp_path / "here.onnx")
    data = tiny_folder / "tiny.npz"
    monkeypatch.chdir(tmp_path)
    calibrated = (*TARGET, *BATCH, "--calib", data)
    assert emu("optimize", "here.onnx", *calibrated, "-o", "here.emu").code == 0
    model.rename(tmp_path / "there.onnx")
    arguments = ("compare", "here.emu", "--data", data, *BATCH, "--mode", "isolated")
    line, _ = refused(*arguments)
    assert "its source model" in line
    assert emu(*arguments, "--model", "there.onnx").code == 0
    (tmp_path / "other.onnx").write_bytes(b"another model")
    line, _ = refused(*arguments, "--model", "other.onnx")
    assert "is not the model that here.emu was made from" in line


def test_compare_needs_integers(refused, tiny):
    model, data = tiny
    line, _ = refused("compare", model, "--data", data)
    assert "is a float model; --target quantizes it first" in line


@pytest.mark.parametrize("command", ["eval", "compare"])
def test_data_is_asked_for_when_nothing_names_it(command, refused, tiny_program):
    line, _ = refused(command, tiny_program)
    assert "no data: name it with --data" in line


def test_nothing_is_written_beside_the_output(emu, tiny, tmp_path):
    model, data = tiny
    emu("optimize", model, *TARGET, *BATCH, "--calib", data, "-o", tmp_path / "a.emu")
    assert [path.name for path in tmp_path.iterdir()] == ["a.emu"]
    assert np.load(data)["x"].shape == (12, 2, 4, 4)
