"""emu compare --against, and quantized files given to every command directly."""

import numpy as np
import onnx
import pytest

from emu.compare import Resolver, litert_engine
from tests.quantized import tiny_qdq, tiny_tflite

REFERENCE = ("--against", "litert-ref", "--data", "random:20")


@pytest.fixture
def lite(tmp_path, monkeypatch):
    """Go to a folder with q.tflite and data for it."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "q.tflite").write_bytes(tiny_tflite())
    rng = np.random.default_rng(8)
    x = rng.normal(0, 2, (10, 4, 4, 2)).astype(np.float32)
    np.savez(tmp_path / "data.npz", x=x, y=np.arange(10) % 4)
    return tmp_path / "q.tflite"


def test_equal_sides_end_with_0(emu, lite):
    found = emu("compare", "q.tflite", *REFERENCE, "--json")
    assert (found.code, found.err) == (0, "")
    told = found.json
    assert list(told) == [
        "model",
        "target",
        "data",
        "n",
        "against",
        "layers",
        "first_divergence",
        "missing",
        "extra",
    ]
    assert (told["model"], told["target"]) == ("q", "tflite-reference")
    assert (told["data"], told["n"]) == ("random:20:0", 20)
    assert told["layers"][0] == {
        "name": "conv",
        "op": "Conv2d",
        "dtype": "int8",
        "elements": 960,
        "differing": 0,
        "max_lsb": 0,
        "max_relative": None,
    }
    assert (told["first_divergence"], told["missing"]) == (None, [])
    shown = emu("compare", "q.tflite", *REFERENCE)
    assert (shown.code, shown.err) == (0, "")
    assert "all 4 tensors are equal" in shown.out
    assert "tflite-reference is the default target of .tflite files" in shown.out


def test_a_difference_is_named_first_and_ends_with_1(emu, lite):
    wrong = ("--target", "tflite-optimized", "--data", "random:400")
    arguments = ("compare", "q.tflite", "--against", "litert-ref", *wrong)
    shown = emu(*arguments)
    assert (shown.code, shown.err) == (1, "")
    assert shown.out.splitlines()[1].startswith("first divergence: dense (MatMul): ")
    assert "default target" not in shown.out
    found = emu(*arguments, "--json")
    assert (found.code, found.json["first_divergence"]) == (1, "dense")
    worst = emu(*arguments, "--worst", "1").out
    assert "1 of 4 tensors" in worst


def test_a_device_dump_is_compared_with_a_saved_program(emu, lite, tmp_path):
    target = ("--target", "tflite-reference")
    assert emu("optimize", "q.tflite", *target, "-o", "q.emu").code == 0
    x = np.random.default_rng(0).integers(-128, 128, (6, 4, 4, 2)).astype(np.int8)
    theirs = litert_engine(lite, ["dense", "y"], Resolver.REFERENCE).run(x)
    np.savez(tmp_path / "dump.npz", allow_pickle=False, x=x, **theirs)
    arguments = ("compare", "q.emu", "--against", "dump.npz", "--json")
    assert emu(*arguments).code == 0
    theirs["dense"][5, 2] += 2
    np.savez(tmp_path / "dump.npz", allow_pickle=False, x=x, typo=x, **theirs)
    found = emu(*arguments)
    assert (found.code, found.json["first_divergence"]) == (1, "dense")
    assert found.json["layers"][0]["max_lsb"] == 2
    assert found.json["missing"] == ["conv", "flat"]
    assert found.json["extra"] == ["typo"]
    shown = emu(*arguments[:-1]).out
    assert "in the dump, but no tensor here: typo" in shown
    assert emu("compare", "q.emu", *REFERENCE).code == 0


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (("--against", "litertref"), "there is no engine or dump 'litertref'"),
        (("--against", "onnxruntime", "--data", "random"), "onnxruntime runs .onnx"),
        (("--against", "litert-ref"), "no data: name it with --data"),
        (
            ("--against", "litert-ref", "--data", "random:0"),
            "expected random, random:N",
        ),
        ((*REFERENCE, "--mode", "both"), "--mode: means nothing with --against"),
        (("--data", "random"), "there is no golden FP32; name an engine or a dump"),
        (("--target", "tflite-reference", "--calib", "a.npz"), "is quantized already"),
    ],
)
def test_what_cannot_be_compared_is_one_line_and_exit_code_2(
    options, expected, refused, lite
):
    line, _ = refused("compare", "q.tflite", *options)
    assert expected in line


def test_an_engine_has_no_integers_of_a_model_quantized_here(refused, tiny_program):
    line, error = refused("compare", tiny_program, "--against", "onnxruntime")
    assert "without --against it is compared with golden FP32" in line
    assert error["where"] == "--against"


def test_golden_fp32_may_be_fed_with_random_inputs(emu, tiny, tiny_program):
    arguments = ("compare", tiny_program, "--data", "random:8:1", "--batch", "4")
    found = emu(*arguments, "--mode", "isolated", "--json")
    assert found.code == 0
    assert (found.json["n"], found.json["data"]) == (8, "random:8:1")
    first = found.json["isolated"][0]
    assert (first["name"], first["saturated"]) == ("x", 0)


def test_a_qdq_file_is_compared_with_onnxruntime(emu, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    onnx.save(tiny_qdq(), "q.onnx")
    found = emu(
        "compare", "q.onnx", "--against", "onnxruntime", "--data", "random:40", "--json"
    ).json
    assert found["target"] == "onnxruntime"
    assert {"xq", "yq"} <= {row["name"] for row in found["layers"]}


def test_floats_of_a_file_that_differ_in_last_bits_end_with_0(
    emu, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    model = tiny_qdq()
    # Its Relu ends at the code 0, so that ONNX Runtime fuses the layer to integers.
    (zero,) = (t for t in model.graph.initializer if t.name == "yz")
    zero.raw_data = bytes(1)
    # Past the last integers: the exponentials of two libraries.
    model.graph.node.append(onnx.helper.make_node("Softmax", ["y"], ["p"], "soft"))
    model.graph.output[0].name = "p"
    onnx.save(model, "q.onnx")
    against = ("--against", "onnxruntime-optimized", "--data", "random:200", "--json")
    found = emu("compare", "q.onnx", *against)
    assert found.code == 0
    told = found.json
    assert told["first_divergence"] is None
    (p,) = (row for row in told["layers"] if row["dtype"] == "float32")
    assert p["name"] == "p"
    assert p["differing"] > 0
    assert 0 < p["max_relative"] < 1e-5
    assert {row["differing"] for row in told["layers"] if row is not p} == {0}


def test_a_quantized_file_is_evaluated_as_it_runs(emu, lite):
    found = emu("eval", "q.tflite", "--data", "data.npz", "--json").json
    assert (found["n"], found["target"]) == (10, "tflite-reference")
    other = ("--target", "tflite-xnnpack")
    found = emu("eval", "q.tflite", "--data", "data.npz", *other, "--json").json
    assert found["target"] == "tflite-xnnpack"
    shown = emu("eval", "q.tflite", "--data", "data.npz").out
    assert "tflite-reference is the default target of .tflite files" in shown


def test_a_quantized_file_is_inspected_as_it_runs(emu, lite):
    found = emu("inspect", "q.tflite", "--json").json
    assert (found["kind"], found["target"]) == ("integer", "tflite-reference")
    assert found["inputs"] == [{"name": "x", "shape": [4, 4, 2], "dtype": "int8"}]
    layers = {layer["op"]: layer for layer in found["layers"]}
    assert layers["Conv2d"]["macs"] == 4 * 4 * 54
    assert layers["Conv2d"]["sums"]["bits"] == 32
    shown = emu("inspect", "q.tflite", "--target", "tflite-xnnpack").out
    assert "integer program for tflite-xnnpack" in shown


def test_a_quantized_file_is_measured_beside_its_engine(emu, lite):
    sizes = ("--batch", "3", "--seconds", "0.01")
    found = emu("bench", "q.tflite", *sizes, "--json").json
    assert list(found["engines"]) == ["emu", "litert_xnnpack"]
    assert set(found["versions"]) == {"jax", "ai-edge-litert"}
    assert found["target"] == "tflite-reference"


def test_a_quantized_onnx_file_is_measured_beside_itself(emu, tmp_path):
    onnx.save(tiny_qdq(), tmp_path / "q.onnx")
    sizes = ("--batch", "3", "--seconds", "0.01")
    found = emu("bench", tmp_path / "q.onnx", *sizes, "--json").json
    assert list(found["engines"]) == ["emu", "onnxruntime_int8"]
