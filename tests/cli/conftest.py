"""Running command lines inside the test process, and small models to run them on."""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from emu.cli.main import run

REPOSITORY = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Outcome:
    """What a command line left: its exit code, stdout and stderr."""

    code: int
    out: str
    err: str

    @property
    def json(self):
        """The one object on stdout."""
        assert self.out.endswith("\n")
        assert self.out.count("\n") == 1
        return json.loads(self.out)


@pytest.fixture(autouse=True)
def files_are_as_wide_as_for_users(monkeypatch):
    """pytest-xdist sets COLUMNS for its workers, which would change every table."""
    monkeypatch.delenv("COLUMNS", raising=False)


@pytest.fixture
def emu(capsys):
    """Run a command line as the console script does, without its environment."""

    def call(*arguments):
        code = run([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return Outcome(code, captured.out, captured.err)

    return call


@pytest.fixture
def refused(emu):
    """Run a command line that cannot run: one line on stderr, exit code 2, no more.

    Then once more with --json; gives the line and the error object.
    """

    def call(*arguments):
        plain = emu(*arguments)
        assert (plain.code, plain.out) == (2, "")
        assert plain.err.startswith("error: ")
        assert plain.err.count("\n") == 1
        as_json = emu(*arguments, "--json")
        assert as_json.code == 2
        (error,) = as_json.json.values()
        assert set(error) == {"kind", "message", "file", "where"}
        assert error["message"] in plain.err
        return plain.err, error

    return call


@pytest.fixture(scope="session")
def tiny_folder(tmp_path_factory):
    """A folder with tiny.onnx and tiny.npz (12 samples, 4 classes)."""
    folder = tmp_path_factory.mktemp("tiny")
    onnx.save(tiny_model(), folder / "tiny.onnx")
    rng = np.random.default_rng(5)
    x = rng.standard_normal((12, 2, 4, 4)).astype(np.float32)
    np.savez(folder / "tiny.npz", x=x, y=rng.integers(0, 4, 12))
    return folder


@pytest.fixture
def tiny(tiny_folder, tmp_path, monkeypatch):
    """Go to an empty folder; give the model and the data in another one."""
    monkeypatch.chdir(tmp_path)
    return tiny_folder / "tiny.onnx", tiny_folder / "tiny.npz"


@pytest.fixture(scope="session")
def tiny_program(tiny_folder):
    """An .emu file made of the tiny model."""
    output = tiny_folder / "tiny.emu"
    arguments = [str(tiny_folder / "tiny.onnx"), "-o", str(output), "--json"]
    calibration = ["--calib", str(tiny_folder / "tiny.npz"), "--batch", "4"]
    assert run(["optimize", *arguments, "--target", "generic-int8", *calibration]) == 0
    return output


@pytest.fixture(scope="session")
def make_model():
    """The tiny model with another operator in its middle, a fixed batch, other channels."""
    return tiny_model


def tiny_model(operator="Relu", batch="N", channels=2):
    """Conv 3x3, one operator, mean over the image, dense to 4 scores, softmax."""
    rng = np.random.default_rng(4)
    arrays = {
        "w": rng.standard_normal((3, channels, 3, 3)),
        "dense_w": rng.standard_normal((3, 4)),
        "dense_b": rng.standard_normal(4),
    }
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["a"], "conv", pads=[1, 1, 1, 1]),
        helper.make_node(operator, ["a"], ["b"], "middle"),
        helper.make_node("GlobalAveragePool", ["b"], ["c"], "pool"),
        helper.make_node("Flatten", ["c"], ["d"], "flatten"),
        helper.make_node("Gemm", ["d", "dense_w", "dense_b"], ["e"], "dense"),
        helper.make_node("Softmax", ["e"], ["y"], "softmax"),
    ]
    shape = [batch, channels, 4, 4]
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [batch, 4])],
        [numpy_helper.from_array(a.astype(np.float32), n) for n, a in arrays.items()],
    )
    opsets = [helper.make_opsetid("", 17)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=8)
