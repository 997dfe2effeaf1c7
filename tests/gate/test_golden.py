"""Golden FP32 outputs: what every run checks of a recording."""

import json
import shutil
import zlib
from pathlib import Path

import numpy as np
import pytest

from emu.cli.main import run
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
from emu.gate.golden_store import (
    Recording,
    object_path,
    read_recording,
    sealed,
)
from tests.gate.conftest import SECOND, files

pytestmark = pytest.mark.usefixtures("instant")


@pytest.fixture
def judged(suite):
    """The outcome and the line of the golden verdict, and the exit code of the run."""

    def judge():
        result = run_gate([suite])
        (verdict,) = [v for v in result.verdicts if v.kind is Kind.GOLDEN]
        return verdict.outcome, verdict.detail, result.exit_code

    return judge


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


def test_a_model_without_a_recording_has_no_golden_verdict(suite):
    run_gate([suite], reason="first")
    kinds = {verdict.kind for verdict in run_gate([suite]).verdicts}
    assert Kind.GOLDEN not in kinds
    assert not has_recording(suite, read_suite(suite).case[0])


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


def test_a_recording_that_is_gone_is_named(recorded, judged):
    shutil.rmtree(recorded)
    outcome, detail, code = judged()
    assert (outcome, code) == (Outcome.MISSING, 2)
    assert f"{recorded / 'manifest.json'}: there is no manifest" in detail


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


def test_a_damaged_recording_ends_the_command_with_2_and_no_traceback(
    suite, recorded, capsys
):
    flip(recorded)
    assert run(["gate", str(suite), "--no-history"]) == 2
    captured = capsys.readouterr()
    assert "Traceback" not in captured.out + captured.err
    assert "golden" in captured.out
