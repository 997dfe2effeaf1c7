"""emu gate writes a history; emu history and emu diff read it."""

import json
import shutil
import subprocess
import sys
from importlib import resources

import jsonschema
import pytest


@pytest.fixture
def suite(tiny, tmp_path):
    for file in tiny:
        shutil.copy(file, tmp_path)
    path = tmp_path / "suites" / "suite.toml"
    path.parent.mkdir()
    path.write_text(
        '[[case]]\nid = "tiny"\nmodel = "../tiny.onnx"\ndata = "../tiny.npz[:8]"\n'
        'calibration = "../tiny.npz[8:]"\nbatch_size = 4\ncompare_samples = 4\n'
    )
    return path


def test_every_run_is_found_again_and_compared(emu, suite, tmp_path):
    assert emu("gate", suite, "--update-baseline", "--reason", "made up").code == 0
    assert emu("gate", suite, "--no-history").code == 0
    assert emu("gate", suite, "--json").code == 0
    assert (tmp_path / ".emu" / "history.db").is_file()
    shown = emu("history")
    assert (shown.code, shown.err) == (0, "")
    assert shown.out.count("suite/tiny") == 3  # two runs, one trend
    rows = emu("history", "suite/t*", "--json").json["history"]
    assert [(row["run"], row["outcome"]) for row in rows] == [
        (1, "accepted"),
        (2, "equal"),
    ]
    found = emu("diff", "-2", "-1")
    assert (found.code, found.err) == (0, "")
    assert "verdict accepted -> equal, integer outputs equal" in found.out
    assert emu("diff", "--json").json["before"]["id"] == 1


def test_unknown_cases_and_runs_are_one_line(emu, refused, suite):
    line, _ = refused("history")
    assert "there is no history" in line
    emu("gate", suite)
    line, _ = refused("history", "tinny")
    assert "no run has a case 'tinny'; did you mean 'tiny'?" in line
    line, _ = refused("diff", "1", "7")
    assert "there is no run 7; nearest: 1" in line
    line, _ = refused("diff", "--jso", "1")
    assert "found run '--jso'" in line


def test_a_history_that_cannot_be_written_costs_no_verdict(emu, suite, tmp_path):
    emu("gate", suite, "--update-baseline", "--reason", "made up", "--no-history")
    done = emu("gate", suite, "--history", "/proc/self/history.db")
    assert done.code == 2
    assert "gate: holds (3 equal)" in done.out
    assert done.err.startswith("error: /proc/self/history.db: cannot write the history")
    assert done.err.count("\n") == 1
    as_json = emu("gate", suite, "--history", "/proc/self/history.db", "--json")
    assert (as_json.code, as_json.json["exit_code"]) == (2, 2)
    assert {v["verdict"] for v in as_json.json["verdicts"]} == {"equal"}


def test_a_history_of_others_is_refused_before_anything_runs(refused, suite, tmp_path):
    file = tmp_path / "notes.txt"
    file.write_text("notes " * 100)
    line, _ = refused("gate", suite, "--history", file)
    assert "file is not a database" in line
    assert file.read_text() == "notes " * 100


def test_what_the_gate_prints_fits_its_published_schema(emu, suite, tmp_path):
    text = resources.files("emu.report").joinpath("gate.schema.json").read_text()
    validator = jsonschema.Draft202012Validator(json.loads(text))
    update = ["--update-baseline", "--reason", "made up"]
    runs = [emu("gate", suite, *more, "--json") for more in ([], update)]
    suite.write_text("[[case]]\nid = 1\n")
    runs.append(emu("gate", suite, "--json"))
    assert [run.code for run in runs] == [2, 0, 2]
    for run in runs:
        validator.validate(run.json)


def test_junit_and_github_get_what_the_terminal_gets(emu, suite, tmp_path, monkeypatch):
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "summary.md"))
    found = emu("gate", suite, "--junit", "out/junit.xml")
    assert found.code == 2
    assert "::error title=suite/tiny baseline::missing: " in found.out
    assert '<error type="missing"' in (tmp_path / "out" / "junit.xml").read_text()
    assert "emu gate: could not be judged" in (tmp_path / "summary.md").read_text()
    quiet = emu("gate", suite, "--json")
    assert quiet.json["exit_code"] == 2
    assert quiet.err.startswith("::error title=suite/tiny baseline::")


@pytest.mark.slow
def test_eight_gates_at_once_are_eight_runs_of_one_history(emu, suite):
    assert emu("gate", suite, "--update-baseline", "--reason", "made up").code == 0
    gate = [sys.executable, "-m", "emu.cli.main", "gate", str(suite)]
    running = [
        subprocess.Popen(gate, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        for _ in range(8)
    ]
    ends = [(process.communicate()[1], process.returncode) for process in running]
    assert ends == [(b"", 0)] * 8
    rows = emu("history", "--json").json["history"]
    assert [row["run"] for row in rows] == list(range(1, 10))
    assert {row["outcome"] for row in rows[1:]} == {"equal"}
    assert emu("diff", "2", "9", "--json").json["same"] == 1
