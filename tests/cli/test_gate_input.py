"""Bad input and bad disks of emu gate: one clear line, exit code 2, and nothing lost."""

import errno
import os
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Final

import pytest

from emu.gate import baseline_path, bits, figures, run_gate

CASE: Final = """
[[case]]
id = "{name}"
model = "tiny.onnx"
data = "tiny.npz[:8]"
calibration = "tiny.npz[8:]"
batch_size = 4
compare_samples = 4
"""
ONE: Final = CASE.format(name="first")
UPDATE: Final = ("--update-baseline", "--reason", "made up")


@pytest.fixture(scope="session")
def made(tiny_folder, tmp_path_factory) -> Path:
    """A folder with a suite of two cases and their baselines."""
    folder = tmp_path_factory.mktemp("made")
    shutil.copytree(tiny_folder, folder, dirs_exist_ok=True)
    path = folder / "suite.toml"
    path.write_text(CASE.format(name="first") + CASE.format(name="second"))
    assert run_gate([path], reason="made up").exit_code == 0
    return folder


@pytest.fixture
def accepted(made, tmp_path, monkeypatch) -> Path:
    """The suite with its baselines, in the folder one is in."""
    shutil.copytree(made, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path / "suite.toml"


@pytest.fixture
def suite(accepted) -> Path:
    """The suite without baselines."""
    shutil.rmtree(accepted.parent / "baselines")
    return accepted


@pytest.fixture
def evaluated(monkeypatch) -> list[str]:
    """A word for each evaluation of a model, FP32 or integer."""
    words: list[str] = []
    sound = figures.evaluate_graph

    def counted(*args, **options):
        words.append("evaluated")
        return sound(*args, **options)

    for module in (figures, bits):
        monkeypatch.setattr(module, "evaluate_graph", counted)
    return words


def baselines(suite: Path) -> dict[str, bytes]:
    folder = baseline_path(suite, "first").parent
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (ONE.replace("= 4", '= "four"'), "case.0.batch_size: found 'four'"),
        (ONE.replace('"tiny.onnx"', "5"), "case.0.model"),
        ("case = 5\n", "case: found 5"),
        ("[[case]\n", "line 1"),
        (ONE + ONE, "two cases have the id 'first', lines 3 and 11"),
        (ONE.replace('"tiny.npz[:8]"', '"../t.npz"'), "leaves the project"),
    ],
    ids=["type", "model", "no list", "no TOML", "twice", "outside"],
)
def test_a_wrong_suite_is_refused_before_anything_runs(
    refused, suite, evaluated, text, expected
):
    suite.write_text(text)
    line, error = refused("gate", suite)
    assert expected in line
    assert error["file"] == str(suite)
    assert evaluated == []


def test_a_baseline_edited_by_hand_costs_its_case_alone(emu, accepted):
    file = baseline_path(accepted, "first")
    edited = file.read_text().replace('"top1_correct": ', '"top1_correct": 1')
    file.write_text(edited)
    found = emu("gate", accepted)
    assert found.code == 2
    assert found.err.count("\n") == 1
    assert f"{file}: edited by hand or damaged" in found.err
    verdicts = emu("gate", accepted, "--json").json["verdicts"]
    assert [(v["case"], v["verdict"]) for v in verdicts] == [
        ("first", "missing"),
        *[("second", "equal")] * 3,
    ]
    assert file.read_text() == edited


def test_a_newer_history_is_refused_before_anything_runs(
    emu, refused, accepted, evaluated
):
    assert emu("gate", accepted).code == 0
    file = accepted.parent / ".emu" / "history.db"
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("PRAGMA user_version = 99")
    before = file.read_bytes()
    evaluated.clear()
    line, error = refused("gate", accepted)
    assert "found history format 99" in line
    assert "a newer emu" in line
    assert error["file"] == str(file)
    assert evaluated == []
    assert file.read_bytes() == before


def test_a_folder_of_baselines_that_takes_none_loses_no_work(emu, suite, evaluated):
    place = suite.parent / "baselines"
    place.write_text("a file where a folder should be")
    failed = emu("gate", suite, *UPDATE)
    assert (failed.code, failed.out) == (2, "")
    assert failed.err.startswith(
        f"error: {baseline_path(suite, 'first')}: cannot write"
    )
    assert failed.err.count("\n") == 1
    assert place.read_text() == "a file where a folder should be"
    assert len(evaluated) == 2
    place.unlink()
    assert emu("gate", suite, *UPDATE).code == 0
    # The first case was measured; the second still needs its integer program.
    assert len(evaluated) <= 4
    assert set(baselines(suite)) == {"first.json", "second.json"}


def test_a_disk_that_fills_up_leaves_baselines_as_they_were(
    emu, accepted, evaluated, monkeypatch
):
    stored = baselines(accepted)
    accepted.write_text(accepted.read_text().replace("[:8]", "[:7]"))
    evaluated.clear()
    with monkeypatch.context() as patch:
        fill_before("second.json", patch)
        failed = emu("gate", accepted, *UPDATE)
    assert (failed.code, failed.out) == (2, "")
    file = baseline_path(accepted, "second")
    assert failed.err == f"error: {file}: cannot write: No space left on device\n"
    now = baselines(accepted)
    assert set(now) == set(stored)
    assert now["first.json"] != stored["first.json"]
    assert now["second.json"] == stored["second.json"]
    done = len(evaluated)
    assert emu("gate", accepted, *UPDATE).code == 0
    # The first is put together again, since its baseline is another now; no batch runs.
    assert len(evaluated) == done + 2
    assert baselines(accepted)["second.json"] != stored["second.json"]
    assert emu("gate", accepted).code == 0


def fill_before(name: str, patch: pytest.MonkeyPatch) -> None:
    """The disk is full when a file of this name is written."""
    sound = os.fdopen

    def fdopen(handle, *args, **options):
        file = sound(handle, *args, **options)
        if name not in Path(f"/proc/self/fd/{handle}").readlink().name:
            return file
        file.close()
        return FullFile()

    patch.setattr("emu.graph.serialize.os.fdopen", fdopen)


class FullFile:
    """A file on a full disk."""

    def write(self, data):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        return None


def test_a_folder_that_takes_no_state_costs_no_verdict(emu, accepted):
    state = accepted.parent / ".emu"
    shutil.rmtree(state, ignore_errors=True)
    state.write_text("a file where a folder should be")
    found = emu("gate", accepted)
    assert found.code == 2
    assert "gate: holds" in found.out
    lines = found.err.splitlines()
    assert [line.split(":")[0] for line in lines] == ["note", "error"]
    assert "history.db: cannot write the history" in lines[1]
    alone = emu("gate", accepted, "--no-history", "--no-resume")
    assert (alone.code, alone.err) == (0, "")


def test_a_report_that_cannot_be_written_costs_no_other(emu, accepted, tmp_path):
    page = tmp_path / "gate.html"
    found = emu("gate", accepted, "--junit", "/proc/self/gate.xml", "--html", page)
    assert found.code == 2
    assert "gate: holds" in found.out
    assert found.err.startswith("error: /proc/self/gate.xml: cannot write")
    assert found.err.count("\n") == 1
    assert page.is_file()
    rows = emu("history", "--json").json["history"]
    assert {row["case"] for row in rows} == {"first", "second"}
