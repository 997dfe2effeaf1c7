"""Golden FP32 outputs: recorded once, verified by every later run."""

import json
import zlib
from pathlib import Path

import jsonschema
import numpy as np
import pytest
from hypothesis import given, strategies as st

from emu.cli.main import run
from emu.errors import ConfigError
from emu.gate import (
    Kind,
    Outcome,
    Status,
    golden as checks,
    has_recording,
    read_suite,
    record_golden,
    run_gate,
)
from emu.gate.golden_record import LIMIT_BYTES, fitting
from emu.gate.golden_store import (
    Recording,
    object_path,
    read_object,
    read_recording,
    sealed,
)
from tests.gate.conftest import write_suite
from tests.quantized import tiny_tflite
from tests.report.test_gate_schema import VALIDATOR

TENSORS = ["conv", "relu", "flat", "scores", "shares"]
SECOND = """
[[case]]
id = "second"
model = "tiny.toml"
calibration = "data.npz[0:20]"
"""

pytestmark = pytest.mark.usefixtures("instant")


@pytest.fixture
def recorded(suite) -> Path:
    """The folder of a recording, beside a suite whose baseline holds."""
    run_gate([suite], reason="first")
    (one,) = record_golden([suite])
    assert one.folder
    return one.folder


@pytest.fixture
def judged(suite):
    """The outcome and the line of the golden verdict, and the exit code of the run."""

    def judge():
        result = run_gate([suite])
        (verdict,) = [v for v in result.verdicts if v.kind is Kind.GOLDEN]
        return verdict.outcome, verdict.detail, result.exit_code

    return judge


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def first_file(folder: Path) -> Path:
    return object_path(folder, read_recording(folder).tensors[0])


def forge(folder: Path, **changes) -> None:
    """Another manifest, with the digest that fits it."""
    recording = Recording.model_validate(
        {**read_recording(folder).model_dump(), **changes}
    )
    (folder / "manifest.json").write_text(json.dumps(sealed(recording)))


def test_what_was_recorded_is_found_again_bit_for_bit(suite, recorded, judged):
    assert recorded == suite.parent.parent / "golden" / "fp32" / "tiny"
    outcome, detail, code = judged()
    assert (outcome, code) == (Outcome.EQUAL, 0)
    assert detail.startswith("5 tensors of 4 samples as recorded by onnxruntime ")
    assert detail.endswith("bit for bit")


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


def test_a_model_without_a_recording_has_no_golden_verdict(suite):
    run_gate([suite], reason="first")
    kinds = {verdict.kind for verdict in run_gate([suite]).verdicts}
    assert Kind.GOLDEN not in kinds
    assert not has_recording(suite, read_suite(suite).case[0])


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


def flip(folder: Path) -> None:
    path = first_file(folder)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def truncate(folder: Path) -> None:
    path = first_file(folder)
    path.write_bytes(path.read_bytes()[:-9])


def empty(folder: Path) -> None:
    first_file(folder).write_bytes(b"")


def append(folder: Path) -> None:
    path = first_file(folder)
    path.write_bytes(path.read_bytes() + b"more")


def swap(folder: Path) -> None:
    one, two = (object_path(folder, t) for t in read_recording(folder).tensors[:2])
    a, b = one.read_bytes(), two.read_bytes()
    one.write_bytes(b)
    two.write_bytes(a)


def bomb(folder: Path) -> None:
    """Few bytes that become many."""
    stream = zlib.compressobj(9, zlib.DEFLATED, 31)
    data = stream.compress(bytes(1 << 20)) + stream.flush()
    first_file(folder).write_bytes(data)


def huge(folder: Path) -> None:
    first_file(folder).write_bytes(bytes(1 << 20))


@pytest.mark.parametrize(
    ("damage", "expected"),
    [
        (flip, "damaged: "),
        (truncate, "the file ends too early"),
        (empty, "the file ends too early"),
        (append, "found 4 bytes after the end"),
        (swap, "found the content of sha256 "),
        (bomb, "found more than 768 bytes, expected the 768 of float32 [4, 3, 4, 4]"),
        (huge, "found 1048576 compressed bytes for 768 of the tensor"),
    ],
)
def test_a_damaged_file_is_named(damage, expected, recorded, judged):
    path = first_file(recorded)
    damage(recorded)
    outcome, detail, code = judged()
    assert (outcome, code) == (Outcome.FAILED, 2)
    assert detail.startswith(f"{path}: tensor conv: ")
    assert expected in detail


def test_a_file_that_is_gone_is_named(recorded, judged):
    path = first_file(recorded)
    path.unlink()
    outcome, detail, code = judged()
    assert (outcome, code) == (Outcome.MISSING, 2)
    assert f"{path}: tensor conv: there is no file of this float32" in detail


def test_recording_again_mends_a_damaged_file(suite, recorded, judged):
    sound = files(recorded)
    flip(recorded)
    (one,) = record_golden([suite])
    assert one.status is Status.CHANGED
    assert files(recorded) == sound
    assert judged()[0] is Outcome.EQUAL


def test_a_manifest_that_is_gone_is_named(recorded, judged):
    (recorded / "manifest.json").unlink()
    outcome, detail, code = judged()
    assert (outcome, code) == (Outcome.MISSING, 2)
    assert str(recorded / "manifest.json") in detail


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ("{", "[", "damaged manifest"),
        ('"format": 1', '"format": 2', "found manifest format 2, expected 1"),
        ('"x[20]", ', "", "its content has another digest"),
        ("onnxruntime", "another", "its content has another digest"),
        ("[4, 3, 4, 4]", "[4, 3, 4, 5]", "its content has another digest"),
        ('"dtype": "float32"', '"dtype": "object"', "dtype"),
        ('"available"', '"pickled"', "unknown key"),
        ("[4, 3, 4, 4]", "[60000000, 3, 4, 4]", "67108864 at most"),
        ("[4, 3, 4, 4]", "[" + "9" * 4000 + "]", "less than or equal"),
        ("[4, 3, 4, 4]", "[" + "9" * 5000 + "]", "damaged manifest"),
        ("[4, 3, 4, 4]", "[-4, -3, 4, 4]", "greater than or equal"),
        ('"sha256": "', '"sha256": "../../../', "pattern"),
    ],
)
def test_an_edited_manifest_is_named(before, after, expected, recorded, judged):
    path = recorded / "manifest.json"
    text = path.read_text()
    assert before in text
    path.write_text(text.replace(before, after))
    outcome, detail, code = judged()
    assert (outcome, code) == (Outcome.FAILED, 2)
    assert detail.startswith(f"{path}: ")
    assert expected in detail


def test_an_engine_that_gives_something_else_regresses(monkeypatch, recorded, judged):
    run_engine = checks.run_engine

    def other(*args):
        found, about = run_engine(*args)
        found["scores"] = found["scores"] + np.float32(1)
        found["shares"] = found["shares"] * 2
        return found, about

    monkeypatch.setattr(checks, "run_engine", other)
    outcome, detail, code = judged()
    assert (outcome, code) == (Outcome.REGRESSED, 1)
    assert detail.startswith("tensor scores of layer fc is not what was recorded (")
    assert "`emu gate --record-golden` accepts it" in detail


@pytest.mark.parametrize(
    ("machine", "noise", "expected"),
    [
        (None, 1e-7, Outcome.REGRESSED),
        ("elsewhere", 1e-7, Outcome.EQUAL),
        ("elsewhere", 1e-4, Outcome.REGRESSED),
    ],
    ids=["same machine", "another machine", "another machine, too much"],
)
def test_only_elsewhere_may_an_engine_round_otherwise(
    machine, noise, expected, monkeypatch, recorded, judged
):
    if machine:
        forge(recorded, machine=machine)
    run_engine = checks.run_engine

    def other(*args):
        found, about = run_engine(*args)
        found["conv"] = found["conv"] * np.float32(1 + noise)
        return found, about

    monkeypatch.setattr(checks, "run_engine", other)
    outcome, detail, _ = judged()
    assert outcome is expected
    assert "conv" in detail
    assert (f"on {machine}, now onnxruntime" in detail) is bool(machine)


def test_a_tensor_that_the_engine_no_longer_gives_is_named(
    monkeypatch, recorded, judged
):
    run_engine = checks.run_engine

    def less(model, names, x):
        return run_engine(model, names[:-1], x)

    monkeypatch.setattr(checks, "run_engine", less)
    outcome, detail, _ = judged()
    assert outcome is Outcome.REGRESSED
    assert "no longer gives tensor shares" in detail


def test_another_model_file_is_named(suite, recorded, judged):
    model = suite.parent / "tiny.onnx"
    model.write_bytes(model.read_bytes().replace(b"tiny", b"tidy", 1))
    outcome, detail, code = judged()
    assert (outcome, code) == (Outcome.REGRESSED, 1)
    assert f"{model} changed since the recording: sha256 " in detail


def test_other_values_of_the_same_samples_are_named(suite, recorded, judged):
    path = suite.parent / "data.npz"
    data = dict(np.load(path))
    data["x"][21] += 1
    np.savez(path, **data)
    outcome, detail, _ = judged()
    assert outcome is Outcome.REGRESSED
    assert "the inputs made of data.npz[20:] changed since the recording" in detail


def test_other_samples_are_named(recorded, judged):
    forge(recorded, data="data.npz[19:]")
    outcome, detail, _ = judged()
    assert outcome is Outcome.REGRESSED
    assert "x[20], x[21], x[22], x[23] -> x[19], x[20], x[21], x[22]" in detail


def test_a_recording_is_checked_once_for_all_cases_of_a_model(
    suite, recorded, monkeypatch
):
    suite.write_text(suite.read_text() + SECOND)
    run_gate([suite], reason="first")
    calls = []
    run_engine = checks.run_engine
    monkeypatch.setattr(
        checks, "run_engine", lambda *args: calls.append(1) or run_engine(*args)
    )
    result = run_gate([suite])
    found = [v.outcome for v in result.verdicts if v.kind is Kind.GOLDEN]
    assert found == [Outcome.EQUAL] * 2
    assert calls == [1]


def test_a_known_failure_of_the_case_does_not_excuse_the_recording(suite, recorded):
    suite.write_text(suite.read_text().replace("limits", "known_failure = 'x'\nlimits"))
    flip(recorded)
    result = run_gate([suite])
    found = {v.kind: v.outcome for v in result.verdicts}
    assert found[Kind.GOLDEN] is Outcome.FAILED
    assert result.exit_code == 2


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


def test_a_damaged_recording_ends_the_command_with_2_and_no_traceback(
    suite, recorded, capsys
):
    flip(recorded)
    assert run(["gate", str(suite), "--no-history"]) == 2
    captured = capsys.readouterr()
    assert "Traceback" not in captured.out + captured.err
    assert "golden" in captured.out


def test_recording_takes_no_option_of_a_run(suite, capsys):
    assert (
        run(["gate", str(suite), "--record-golden", "--no-history", "--junit", "j"])
        == 2
    )
    assert "--record-golden runs no case" in capsys.readouterr().err
