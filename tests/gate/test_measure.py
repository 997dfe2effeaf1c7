"""Cases in processes of their own: the same results, and deaths that stay theirs."""

import json
import textwrap

import pytest

from emu.errors import DataError, EmuError, MissingError
from emu.gate import Case, Kind, Limits, Outcome, Shared, run_gate
from emu.gate.failures import DataMissingError, error_of, plain_error
from emu.gate.measure import Task, measure_all
from emu.report import gate_json
from tests.gate.conftest import SUITE, write_suite

OTHERS = """
    [[case]]
    id = "second"
    model = "tiny.toml"
    calibration = "data.npz[0:20]"

    [[case]]
    id = "lost"
    model = "tiny.toml"
    calibration = "data.npz[0:20]"
    data = "gone.npz"
"""

# Python reads it at its start; it ends the process that measures the case "second".
DEATH = """
import os, signal
import emu.gate.measure as measure

sound = measure.run_case

def dying(suite, case, *rest):
    if case.id == "second":
        os.kill(os.getpid(), signal.SIGKILL)
    return sound(suite, case, *rest)

measure.run_case = dying
"""


def measured(result, place: int) -> str:
    """All of one case but how long it took."""
    found = gate_json(result)["cases"][place]
    found.pop("seconds", None)
    verdicts = [verdict.to_json() for verdict in result.cases[place].verdicts]
    return json.dumps([found, verdicts])


def test_processes_find_what_one_finds_and_a_dead_one_costs_its_case(
    tmp_path, monkeypatch
):
    path = write_suite(tmp_path / "project", SUITE + OTHERS)
    run_gate([path], reason="first")
    alone = run_gate([path])
    (tmp_path / "sitecustomize.py").write_text(textwrap.dedent(DEATH))
    monkeypatch.syspath_prepend(tmp_path)
    several = run_gate([path], jobs=2)
    assert measured(several, 0) == measured(alone, 0)
    assert measured(several, 2) == measured(alone, 2)
    second = several.cases[1]
    (verdict,) = second.verdicts
    assert (verdict.kind, verdict.outcome) == (Kind.RUN, Outcome.FAILED)
    assert verdict.detail == f"{path}: second: its process ended by signal SIGKILL"


def test_a_case_that_is_timed_runs_when_no_other_does(tmp_path):
    ratios = {"a": {"onnxruntime": 3.0}, "b": None, "c": None}
    tasks = [
        Task(
            suite=tmp_path / "s.toml",
            case=Case(id=name, model="gone", limits=Limits(max_time_ratio=ratio)),
        )
        for name, ratio in ratios.items()
    ]
    found = list(measure_all(tasks, shared=Shared(), jobs=2))
    assert {position for position, _ in found[:2]} == {1, 2}
    assert found[2][0] == 0
    assert all("there is no model 'gone'" in str(error) for _, error in found)


@pytest.mark.parametrize(
    "error",
    [
        EmuError("plain"),
        DataError("of data", file="a.npz", where="x"),
        MissingError("gone", file="b"),
        DataMissingError("no data"),
    ],
)
def test_errors_cross_to_another_process(error):
    again = error_of(json.loads(json.dumps(plain_error(error))))
    assert type(again) is type(error)
    assert str(again) == str(error)
    assert again.to_json() == error.to_json()
