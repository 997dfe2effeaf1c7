"""Bad input: one clear line naming file and place, exit code 2, nothing written."""

import shutil

import numpy as np
import onnx
import pytest
from PIL import Image

TARGET = ("--target", "generic-int8")


@pytest.fixture
def optimize(refused, tmp_path):
    """Refused `emu optimize`; asserts that nothing is written."""

    def call(model, *arguments, output="out.emu"):
        before = sorted(tmp_path.rglob("*"))
        line, error = refused("optimize", model, "-o", output, *arguments)
        assert sorted(tmp_path.rglob("*")) == before
        return line, error

    return call


def test_a_truncated_onnx_file(optimize, tiny, tmp_path):
    model, data = tiny
    cut = tmp_path / "cut.onnx"
    cut.write_bytes(model.read_bytes()[:-40])
    line, error = optimize("cut.onnx", *TARGET, "--calib", data)
    assert line.startswith("error: cut.onnx: ")
    assert "truncated" in line
    assert (error["kind"], error["file"]) == ("model", "cut.onnx")


def test_an_unsupported_operator_names_the_node(optimize, tiny, tmp_path, make_model):
    _, data = tiny
    onnx.save(make_model("Erf"), tmp_path / "erf.onnx")
    line, error = optimize("erf.onnx", *TARGET, "--calib", data)
    assert line == "error: erf.onnx: 1 unsupported node: 'middle' (Erf)\n"
    assert error["kind"] == "unsupported"


@pytest.mark.parametrize("command", ["eval", "compare"])
def test_a_folder_with_one_corrupt_jpeg_names_it(
    command, refused, make_model, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    onnx.save(make_model(channels=3), tmp_path / "rgb.onnx")
    rng = np.random.default_rng(3)
    for label in ("cat", "dog"):
        (tmp_path / "images" / label).mkdir(parents=True)
        for number in range(3):
            pixels = rng.integers(0, 255, (4, 4, 3), dtype=np.uint8)
            name = tmp_path / "images" / label / f"{number}.jpg"
            Image.fromarray(pixels).save(name)
    bad = tmp_path / "images" / "dog" / "1.jpg"
    bad.write_bytes(bad.read_bytes()[:200])
    (tmp_path / "entry.toml").write_text(
        'file = "rgb.onnx"\npreprocess = [{ op = "layout", to = "NCHW" }]\n'
        'data = "./images"\n'
    )
    calibrated = (*TARGET, "--calib", "./images[:4]") if command == "compare" else ()
    line, error = refused(command, "entry.toml", *calibrated, "--batch", "2")
    assert "dog/1.jpg: is no sound image" in line
    assert error["kind"] == "data"


def test_a_calibration_set_with_nan_names_the_sample(optimize, tiny, tmp_path):
    model, data = tiny
    arrays = dict(np.load(data))
    arrays["x"][7, 1, 2, 3] = np.nan
    np.savez(tmp_path / "nan.npz", **arrays)
    line, error = optimize(model, *TARGET, "--calib", "nan.npz", "--batch", "4")
    assert line.startswith("error: nan.npz: x[7]: found 1 of 32 values NaN")
    assert error["kind"] == "data"


def test_an_empty_calibration_set(optimize, tiny, tmp_path):
    np.savez(tmp_path / "none.npz", x=np.zeros((0, 2, 4, 4), np.float32))
    line, error = optimize(tiny[0], *TARGET, "--calib", "none.npz")
    assert "holds no samples" in line
    assert error["kind"] == "data"


def test_a_calibration_set_of_zeros(optimize, tiny, tmp_path):
    np.savez(tmp_path / "zeros.npz", x=np.zeros((5, 2, 4, 4), np.float32))
    line, error = optimize(tiny[0], *TARGET, "--calib", "zeros.npz")
    assert line == "error: calibration: all 5 samples are zeros throughout\n"
    assert error["kind"] == "data"


def test_fewer_calibration_samples_than_a_recipe_wants(optimize, tiny, tmp_path):
    model, data = tiny
    (tmp_path / "r.toml").write_text("batch_count = 50\n")
    recipe = ("--calib", data, "--recipe", "r.toml")
    line, error = optimize(model, *TARGET, *recipe)
    assert "found 12 samples, expected 50 as batch_count says" in line
    assert error["kind"] == "data"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("bin = 99", "r.toml: line 2: global.bin: found 99; "),
        ("start_ratio = -0.7", "r.toml: line 2: global.start_ratio: found -0.7; "),
        ("end_ratio = 0.6", "start_ratio 0.7 must be smaller than end_ratio 0.6"),
    ],
)
def test_search_parameters_out_of_range(text, expected, optimize, tiny, tmp_path):
    model, data = tiny
    (tmp_path / "r.toml").write_text(f"[global]\n{text}\n")
    line, error = optimize(model, *TARGET, "--calib", data, "--recipe", "r.toml")
    assert expected in line
    assert error["kind"] == "config"


@pytest.mark.parametrize("shape", [(12, 4, 4), (12, 2, 4, 5)])
def test_calibration_samples_of_another_shape(shape, optimize, tiny, tmp_path):
    np.savez(tmp_path / "other.npz", x=np.zeros(shape, np.float32))
    line, error = optimize(tiny[0], *TARGET, "--calib", "other.npz")
    assert f"found float32 {list(shape[1:])} a sample, expected float32" in line
    assert error["kind"] == "data"


def test_compared_samples_of_another_shape(refused, tiny, tiny_program, tmp_path):
    np.savez(tmp_path / "other.npz", x=np.zeros((12, 4, 4), np.float32))
    line, _ = refused("compare", tiny_program, "--data", "other.npz")
    assert "found float32 [4, 4] a sample, expected float32 [2, 4, 4]" in line


def test_a_suite_with_an_unknown_key_names_the_line(refused, tmp_path, tiny):
    (tmp_path / "suite.toml").write_text('[[case]]\nid = "a"\nmodle = "tiny"\n')
    line, error = refused("gate", "suite.toml")
    assert "line 3: case.0.modle: unknown key; did you mean 'model'?" in line
    assert (error["kind"], error["file"]) == ("config", "suite.toml")


def test_a_missing_baseline_is_a_verdict_and_exit_code_2(emu, tmp_path, tiny):
    for file in tiny:
        shutil.copy(file, tmp_path)
    (tmp_path / "suite.toml").write_text(
        '[[case]]\nid = "a"\nmodel = "tiny.onnx"\ndata = "tiny.npz[:8]"\n'
        'calibration = "tiny.npz[8:]"\n'
    )
    missing = emu("gate", "suite.toml")
    assert missing.code == 2
    assert missing.err.count("\n") == 1
    assert "a.json: there is no baseline" in missing.err
    found = emu("gate", "suite.toml", "--json")
    assert (found.code, found.json["exit_code"]) == (2, 2)
    assert [verdict["verdict"] for verdict in found.json["verdicts"]] == ["missing"]
    # Nothing but the history, which has every run, is written.
    written = {".emu", "suite.toml", *(file.name for file in tiny)}
    assert {path.name for path in tmp_path.iterdir()} == written


@pytest.mark.parametrize("command", ["inspect", "eval", "compare", "bench"])
def test_a_missing_model_file(command, refused):
    line, error = refused(command, "nowhere.onnx")
    assert line == "error: nowhere.onnx: there is no such file\n"
    assert (error["kind"], error["file"]) == ("missing", "nowhere.onnx")


def test_a_missing_suite(refused):
    line, _ = refused("gate", "nowhere.toml")
    assert line == "error: nowhere.toml: there is no such file\n"


def test_missing_data(refused, tiny):
    line, _ = refused("eval", tiny[0], "--data", "nowhere.npz")
    assert line == "error: nowhere.npz: there is no such file\n"


def test_an_unknown_model_name_lists_what_is_known(refused):
    line, _ = refused("inspect", "digitz")
    assert "did you mean 'digits'?" in line


def test_an_unknown_target(optimize, tiny):
    model, data = tiny
    line, error = optimize(model, "--target", "generic-int9", "--calib", data)
    assert "there is no target 'generic-int9'; did you mean 'generic-int8'?" in line
    assert error["kind"] == "missing"


def test_a_wrong_recipe_key_names_the_line(optimize, tiny, tmp_path):
    model, data = tiny
    (tmp_path / "r.toml").write_text('[global]\nmethode = "minmax"\n')
    arguments = (*TARGET, "--calib", data, "--recipe", "r.toml")
    line, error = optimize(model, *arguments)
    assert "r.toml: line 2: global.methode: unknown key; did you mean 'method'?" in line
    assert error["kind"] == "config"


def test_a_recipe_for_a_layer_that_is_not_there(optimize, tiny, tmp_path):
    model, data = tiny
    (tmp_path / "r.toml").write_text('exclude = ["cnov"]\n')
    line, _ = optimize(model, *TARGET, "--calib", data, "--recipe", "r.toml")
    assert "the model has no layer 'cnov'; did you mean 'conv'?" in line


@pytest.mark.parametrize(
    ("output", "expected"),
    [
        ("nowhere/out.emu", "there is no folder nowhere"),
        ("folder.emu", "folder.emu: -o: is a folder"),
        ("out.onnx", "a program's name ends in .emu"),
    ],
)
def test_an_output_that_cannot_be_written(output, expected, optimize, tiny, tmp_path):
    model, data = tiny
    (tmp_path / "folder.emu").mkdir()
    line, _ = optimize(model, *TARGET, "--calib", data, output=output)
    assert expected in line


def test_a_folder_that_takes_no_files(optimize, tiny):
    model, data = tiny
    line, error = optimize(model, *TARGET, "--calib", data, output="/proc/out.emu")
    assert line.startswith("error: /proc/out.emu: cannot write")
    assert error["kind"] == "missing"


def test_a_damaged_program(refused, tiny_program, tmp_path):
    cut = tmp_path / "cut.emu"
    cut.write_bytes(tiny_program.read_bytes()[:-10])
    line, error = refused("inspect", cut)
    assert line.startswith(f"error: {cut}: no sound .emu file")
    assert error["kind"] == "model"


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (("--calib", "a.npz"), "--calib: means nothing without --target"),
        (("--recipe", "r.toml"), "--recipe: means nothing without --target"),
    ],
)
def test_options_that_mean_nothing(options, expected, refused, tiny):
    line, _ = refused("eval", tiny[0], *options)
    assert expected in line


def test_calibration_data_is_asked_for_when_nothing_names_it(optimize, tiny):
    line, _ = optimize(tiny[0], *TARGET)
    assert "no calibration data: name it with --calib" in line


def test_a_file_that_is_no_model(refused, tmp_path):
    shutil.copy(__file__, tmp_path / "text.onnx")
    line, _ = refused("inspect", tmp_path / "text.onnx")
    assert "no ONNX file" in line
