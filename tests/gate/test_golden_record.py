"""Golden FP32 outputs: what is recorded, of which models, and how much."""

import json
from pathlib import Path

import jsonschema
import numpy as np
import pytest
from hypothesis import given, strategies as st

from emu.cli.main import run
from emu.errors import ConfigError
from emu.gate import (
    Status,
    has_recording,
    read_suite,
    record_golden,
)
from emu.gate.golden_record import LIMIT_BYTES, fitting
from emu.gate.golden_store import (
    object_path,
    read_object,
    read_recording,
)
from tests.gate.conftest import SECOND, files, write_suite
from tests.quantized import tiny_tflite
from tests.report.test_gate_schema import VALIDATOR

TENSORS = ["conv", "relu", "flat", "scores", "shares"]

pytestmark = pytest.mark.usefixtures("instant")


def test_the_manifest_says_what_was_recorded_and_how(recorded):
    recording = read_recording(recorded)
    assert [tensor.name for tensor in recording.tensors] == TENSORS
    layers = [tensor.layer for tensor in recording.tensors]
    assert layers == ["conv", "relu", "flat", "fc", "softmax"]
    assert recording.samples == ("x[20]", "x[21]", "x[22]", "x[23]")
    assert recording.command == "emu gate suites/small.toml --record-golden"
    assert recording.engine["engine"] == "onnxruntime"
    assert recording.tensors[-1].shape == (4, 6)
    shares = read_object(recorded, recording.tensors[-1])
    np.testing.assert_allclose(shares.sum(axis=1), 1, rtol=1e-6)


def test_recordings_have_the_same_bytes_wherever_they_are_made(tmp_path):
    made = []
    for name in ("a", "b"):
        (one,) = record_golden([write_suite(tmp_path / name)])
        made.append(files(one.folder or Path()))
    assert made[0] == made[1]
    # Relu and Flatten hold the same bytes: one file.
    assert len(made[0]) == 1 + len(TENSORS) - 1
    for name, data in made[0].items():
        assert data[4:8] == bytes(4) or name == "manifest.json"  # no time of day


def test_recording_again_writes_nothing_that_is_there(suite, recorded):
    times = {path: path.stat().st_mtime_ns for path in recorded.iterdir()}
    (recorded / ("0" * 64 + ".gz")).write_bytes(b"of no tensor")
    (one,) = record_golden([suite])
    assert one.status is Status.EQUAL
    assert {path: path.stat().st_mtime_ns for path in recorded.iterdir()} == times


def test_recording_another_model_removes_files_of_the_old_one(suite, recorded):
    before = files(recorded)
    entry = suite.parent / "tiny.toml"
    entry.write_text(entry.read_text().replace("[20:]", "[30:]"))
    (one,) = record_golden([suite])
    assert one.status is Status.CHANGED
    named = {object_path(recorded, t).name for t in read_recording(recorded).tensors}
    assert files(recorded).keys() == named | {"manifest.json"}
    assert not named & before.keys()


def test_models_that_fail_or_are_quantized_do_not_stop_the_others(suite):
    (suite.parent / "q.tflite").write_bytes(tiny_tflite())
    extra = [
        '\n[[case]]\nid = "q"\nmodel = "q.tflite"\ndata = "data.npz"\n',
        '\n[[case]]\nid = "gone"\nmodel = "gone.onnx"\ndata = "data.npz"\n',
    ]
    suite.write_text(suite.read_text() + SECOND + "".join(extra))
    found = record_golden([suite])
    assert [(one.model, one.status) for one in found] == [
        ("tiny", Status.NEW),
        ("q", Status.LEFT_OUT),
        ("gone.onnx", Status.FAILED),
    ]
    assert "there is no such file" in str(found[-1].error)


def test_two_models_of_one_name_are_refused(suite):
    folder = suite.parent / "other"
    folder.mkdir()
    (folder / "tiny.onnx").write_bytes((suite.parent / "tiny.onnx").read_bytes())
    suite.write_text(
        suite.read_text()
        + '\n[[case]]\nid = "o"\nmodel = "other/tiny.onnx"\ndata = "data.npz"\n'
    )
    first, second = record_golden([suite])
    assert first.status is Status.NEW
    assert "another model is named 'tiny' too" in str(second.error)


def test_a_name_that_leads_elsewhere_is_refused(suite):
    entry = suite.parent / "tiny.toml"
    entry.write_text('name = "../../outside"\n' + entry.read_text())
    (one,) = record_golden([suite])
    assert isinstance(one.error, ConfigError)
    assert not has_recording(suite, read_suite(suite).case[0])


@given(
    sizes=st.lists(st.integers(1, 2 * LIMIT_BYTES), min_size=1, max_size=8),
    most=st.integers(1, 4),
    data=st.data(),
)
def test_what_is_kept_fits_and_has_the_outputs(sizes, most, data):
    named = {f"t{index}": size for index, size in enumerate(sizes)}
    outputs = data.draw(st.lists(st.sampled_from(sorted(named)), unique=True))
    count, kept = fitting(named, outputs, most)
    assert 1 <= count <= most
    assert set(outputs) <= set(kept)
    assert kept == [name for name in named if name in kept]
    total = count * sum(named[name] for name in kept)
    assert total <= max(LIMIT_BYTES, sum(named[name] for name in outputs))
    left = [size for name, size in named.items() if name not in kept]
    assert all(total + size > LIMIT_BYTES for size in left)
    assert count == most or left or sum(sizes) * (count + 1) > LIMIT_BYTES


def test_the_command_line_shows_what_it_recorded(suite, capsys, monkeypatch):
    monkeypatch.delenv("COLUMNS", raising=False)
    assert run(["gate", str(suite), "--record-golden"]) == 0
    assert "tiny         4   5 of 5" in capsys.readouterr().out
    assert run(["gate", str(suite), "--record-golden", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    jsonschema.validate(found, VALIDATOR.schema)
    assert found["golden"][0]["status"] == "equal"
    assert not (suite.parent.parent / ".emu").exists()


def test_recording_takes_no_option_of_a_run(suite, capsys):
    assert (
        run(["gate", str(suite), "--record-golden", "--no-history", "--junit", "j"])
        == 2
    )
    assert "--record-golden runs no case" in capsys.readouterr().err
