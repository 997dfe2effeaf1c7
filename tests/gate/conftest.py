"""A suite over a tiny model, in a folder of its own, and its one measurement."""

import textwrap
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from emu.gate import CaseResult, read_suite, record_golden, run_case, run_gate

SAMPLES, CALIBRATION = 90, 20

SUITE = """
    [[case]]
    id = "tiny"
    model = "tiny.toml"
    data = "data.npz[20:]"
    calibration = "data.npz[0:20]"
    compare_samples = 20
    limits = { max_drop_points = 5.0 }
"""
SECOND = """
[[case]]
id = "second"
model = "tiny.toml"
calibration = "data.npz[0:20]"
"""
ENTRY = """
    file = "tiny.onnx"
    data = "data.npz[20:]"
"""


def tiny_model() -> onnx.ModelProto:
    """Conv 3x3, Relu, Flatten, Gemm, Softmax: [N, 1, 4, 4] -> [N, 6]."""
    rng = np.random.default_rng(3)

    def weights(name: str, *shape: int) -> onnx.TensorProto:
        values = rng.normal(size=shape).astype(np.float32)
        return numpy_helper.from_array(values, name)

    nodes = [
        helper.make_node(
            "Conv", ["x", "cw", "cb"], ["conv"], name="conv", pads=[1, 1, 1, 1]
        ),
        helper.make_node("Relu", ["conv"], ["relu"], name="relu"),
        helper.make_node("Flatten", ["relu"], ["flat"], name="flat"),
        helper.make_node("Gemm", ["flat", "gw", "gb"], ["scores"], name="fc"),
        helper.make_node("Softmax", ["scores"], ["shares"], name="softmax", axis=1),
    ]
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 1, 4, 4])],
        [helper.make_tensor_value_info("shares", TensorProto.FLOAT, ["N", 6])],
        [
            weights("cw", 3, 1, 3, 3),
            weights("cb", 3),
            weights("gw", 48, 6),
            weights("gb", 6),
        ],
    )
    opsets = [helper.make_opsetid("", 17)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=8)


def write_suite(folder: Path, text: str = SUITE) -> Path:
    """A suite in `folder`/suites with the tiny model and its data beside it."""
    suites = folder / "suites"
    suites.mkdir(parents=True, exist_ok=True)
    data = tiny_model().SerializeToString()
    (suites / "tiny.onnx").write_bytes(data)
    (suites / "tiny.toml").write_text(textwrap.dedent(ENTRY))
    rng = np.random.default_rng(4)
    x = rng.normal(size=(SAMPLES, 1, 4, 4)).astype(np.float32)
    session = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])
    y = np.argmax(np.asarray(session.run(None, {"x": x})[0]), axis=1)
    y[::5] = (y[::5] + 1) % 6
    np.savez(suites / "data.npz", x=x, y=y)
    path = suites / "small.toml"
    path.write_text(textwrap.dedent(text))
    return path


@pytest.fixture
def suite(tmp_path: Path) -> Path:
    return write_suite(tmp_path)


@pytest.fixture(scope="session")
def measured(tmp_path_factory: pytest.TempPathFactory) -> CaseResult:
    path = write_suite(tmp_path_factory.mktemp("measured"))
    return run_case(path, read_suite(path).case[0])


@pytest.fixture
def instant(monkeypatch: pytest.MonkeyPatch, measured: CaseResult) -> None:
    """Cases of the gate give the measured result without being run."""
    monkeypatch.setattr("emu.gate.measure.run_case", lambda *_: measured)


@pytest.fixture
def recorded(suite) -> Path:
    """The folder of a recording, beside a suite whose baseline holds."""
    run_gate([suite], reason="first")
    (one,) = record_golden([suite])
    assert one.folder
    return one.folder


def files(folder: Path) -> dict[str, bytes]:
    """Names and contents of a folder."""
    return {path.name: path.read_bytes() for path in folder.iterdir()}
