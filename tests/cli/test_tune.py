"""emu tune on a tiny model: the program, the table, a kill and what comes after it."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.detector import write_detector

TARGET = ("--target", "generic-int8")
BATCH = ("--batch", "4")
# No trial can meet this goal: the ladder is climbed to its end.
IMPOSSIBLE = ("--max-drop", "-100")


@pytest.fixture
def tuned(tiny):
    """The command line of a tuning, without its goal."""
    model, data = tiny
    samples = ("--calib", data, "--data", data)
    return ("tune", model, *TARGET, *samples, *BATCH, "-o", "t.emu")


def test_a_goal_that_is_met_ends_with_0_and_writes_the_program(emu, tuned, tiny):
    found = emu(*tuned, "--max-drop", "100", "--json")
    assert found.code == 0
    said = found.json
    assert said["goal"] == {"max_drop": 100.0, "reached": True}
    assert (said["n_trials"], said["stopped"]) == (1, "goal")
    assert said["best"]["integer_share"] == 1.0
    counted = emu("eval", "t.emu", "--data", tiny[1], *BATCH, "--json").json
    assert counted["top1_correct"] == said["best"]["counts"]["top1_correct"]


def test_a_goal_that_is_missed_ends_with_1_and_writes_the_best(emu, tuned):
    found = emu(*tuned, *IMPOSSIBLE, "--budget", "0", "--json")
    assert found.code == 1
    assert found.json["stopped"] == "budget"
    assert found.json["n_trials"] == 1
    assert Path("t.emu").is_file()


def test_people_see_trials_layers_and_what_was_taken(emu, tuned):
    shown = emu(*tuned, "--max-drop", "100")
    assert (shown.code, shown.err) == (0, "")
    for part in ("defaults", "goal met", "of the MACs", "t.trials.jsonl"):
        assert part in shown.out


def test_the_table_of_trials_is_one_that_pandas_reads(emu, tuned):
    emu(*tuned, *IMPOSSIBLE, "--budget", "0")
    frame = pd.read_json("t.trials.jsonl", lines=True)
    assert list(frame["step"]) == ["defaults"]


def test_a_killed_search_goes_on_where_it_was(emu, tuned, tmp_path):
    ladder = (*tuned, *IMPOSSIBLE, "--strategy", "ladder")
    table = tmp_path / "t.trials.jsonl"
    process = subprocess.Popen(
        [sys.executable, "-m", "emu.cli.main", *map(str, ladder)],
        cwd=tmp_path,
        env={**os.environ, "EMU_CACHE": "off"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        deadline = time.monotonic() + 240
        while not table.exists() or table.read_bytes().count(b"\n") < 3:
            assert process.poll() is None, "the search ended by itself"
            assert time.monotonic() < deadline
            time.sleep(0.02)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert not (tmp_path / "t.emu").exists()
    before = table.read_bytes()
    whole = [json.loads(line) for line in before.splitlines() if line.endswith(b"}")]
    # A kill in the middle of a line leaves part of it.
    table.write_bytes(before + before[:40])
    budget = ("--budget", "0.05")
    found = emu(*ladder, *budget, "--json").json
    assert found["resumed"] >= min(3, len(whole))
    rows = [json.loads(line) for line in table.read_text().splitlines()]
    assert rows[: len(whole)] == whole
    assert [row["number"] for row in rows] == list(range(1, len(rows) + 1))


@pytest.fixture
def detector(tmp_path, monkeypatch):
    """The command line of tuning a detector on its own images."""
    monkeypatch.chdir(tmp_path)
    entry = write_detector(tmp_path)
    return ("tune", entry.name, *TARGET, "--batch", "5", "-o", "t.emu")


def test_a_detector_is_tuned_by_its_average_precision(emu, detector):
    found = emu(*detector, "--max-drop", "1", "--json")
    assert found.code == 0
    assert found.json["best"]["counts"]["map_ppm"] == 1_000_000
    counted = emu("eval", "t.emu", "--batch", "5", "--json").json
    assert counted["map"] == 1.0
    assert counted["target"] == "generic-int8"


def test_what_cannot_be_tuned_is_refused_before_anything_runs(
    refused, tuned, tiny, tiny_program
):
    model, data = tiny
    line, _ = refused("tune", tiny_program, *TARGET, "-o", "t.emu")
    assert "quantized already" in line
    line, _ = refused("tune", model, *TARGET, "--data", data, "-o", "t.emu")
    assert "calibration" in line
    line, _ = refused(*tuned[:-1], "t.onnx")
    assert ".emu" in line
    Path("t.trials.jsonl").write_text("no table\n")
    line, _ = refused(*tuned)
    assert "line 1" in line
    assert Path("t.trials.jsonl").read_text() == "no table\n"


def test_calibration_samples_that_are_no_numbers_are_refused(refused, tuned, tmp_path):
    x = np.full((4, 2, 4, 4), np.nan, np.float32)
    np.savez(tmp_path / "nan.npz", x=x, y=np.zeros(4, np.int64))
    arguments = list(tuned)
    arguments[arguments.index("--calib") + 1] = tmp_path / "nan.npz"
    line, _ = refused(*arguments)
    assert "NaN or infinite" in line
    assert not (tmp_path / "t.emu").exists()
