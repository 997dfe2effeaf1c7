"""Runs that are interrupted: the next one goes on, and ends in the same bytes."""

import json
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace

import onnx
import pytest

from emu.compare import compare
from emu.evaluate import session
from emu.gate import (
    Selection,
    Store,
    baseline_path,
    emulate,
    history_path,
    read_baseline,
    run_gate,
    store as stores,
)
from emu.gate.shared import Shared
from emu.gate.store import resume_path
from emu.graph import save_graph
from emu.report import gate_json
from tests.gate.conftest import SUITE, tiny_model, write_suite

MORE = """
    [[case]]
    id = "second"
    model = "tiny.toml"
    calibration = "data.npz[0:20]"
    batch_size = 8

    [[case]]
    id = "third"
    model = "tiny.toml"
    calibration = "data.npz[0:10]"
    data = "data.npz[30:]"
"""
COMMAND = "from emu.cli.main import main; main()"


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> tuple[Path, str]:
    """A folder with three cases and their baselines, and what a whole run says."""
    folder = tmp_path_factory.mktemp("made")
    path = write_suite(folder, SUITE + MORE)
    shared = run_gate([path], reason="first")
    assert shared.exit_code == 0
    return folder, measured(run_gate([path]))


@pytest.fixture
def three(made, tmp_path) -> Path:
    shutil.copytree(made[0], tmp_path, dirs_exist_ok=True)
    return tmp_path / "suites" / "small.toml"


@pytest.fixture
def whole(made) -> str:
    return made[1]


def measured(result) -> str:
    """All of a run but how long it took."""
    found = gate_json(result)
    for case in found["cases"]:
        del case["seconds"]
    return json.dumps(found)


class InterruptAt:
    """Progress that interrupts at the n-th step of a stage of a case."""

    def __init__(self, case: str, stage: str, step: int = 1):
        self.when = (case, stage)
        self.left = step

    def __call__(self, case, stage, done, total):
        self.left -= self.when == (case, stage)
        if self.left == 0:
            raise KeyboardInterrupt


def interrupt(suite: Path, at: InterruptAt, **options) -> None:
    with pytest.raises(KeyboardInterrupt):
        run_gate([suite], store=Store(resume_path(suite)), progress=at, **options)


def test_a_run_goes_on_and_ends_as_if_it_had_not_been_interrupted(three, whole):
    file = resume_path(three)
    for case, stage in [
        ("tiny", "FP32"),
        ("second", "calibrate"),
        ("second", "integer"),
        ("third", "compare"),
    ]:
        interrupt(three, InterruptAt(case, stage))
    seen = set()
    again = run_gate(
        [three], store=Store(file), progress=lambda case, *_: seen.add(case)
    )
    assert seen == {"third"}
    assert measured(again) == whole


def test_finished_batches_are_not_run_again(three, monkeypatch):
    ran = Counter()
    outputs = session.graph_outputs

    def counted(graph, batch_size, **options):
        predict = outputs(graph, batch_size, **options)

        def count(x):
            ran[graph.name] += 1
            return predict(x)

        return count

    monkeypatch.setattr(session, "graph_outputs", counted)
    file = resume_path(three)
    interrupt(three, InterruptAt("second", "integer", 5))
    before = ran.total()
    run_gate([three], store=Store(file))
    resumed = ran.total() - before
    # By batches of 32: tiny has 3, and of 8: second has 9, both twice; third 2, twice.
    assert before == 6 + 9 + 5
    assert before + resumed == 6 + 18 + 4


def test_finished_batches_of_calibration_are_not_run_again(three, whole, monkeypatch):
    ran = Counter()
    save = stores.StoredCheckpoint.save

    def counted(checkpoint, stage, batches, arrays):
        ran[checkpoint.key, stage, batches] += 1
        save(checkpoint, stage, batches, arrays)

    # What a batch gave is saved right after it was run.
    monkeypatch.setattr(stores.StoredCheckpoint, "save", counted)
    file = resume_path(three)
    # Of 20 samples by 8 there are three batches.
    interrupt(three, InterruptAt("second", "calibrate", 2))
    done = Counter(ran)
    again = run_gate([three], store=Store(file))
    assert done.total() == 1 + 2
    assert ran.total() == 1 + 3 + 1
    assert set(ran.values()) == {1}
    assert measured(again) == whole


def test_finished_batches_of_the_layer_table_are_not_run_again(
    three, whole, monkeypatch
):
    ran = Counter()
    engine = compare.golden_engine

    def counted(model, names):
        golden = engine(model, names)

        def run(x):
            ran["batches"] += 1
            return golden.run(x)

        return SimpleNamespace(run=run, about=golden.about)

    monkeypatch.setattr(compare, "golden_engine", counted)
    file = resume_path(three)
    interrupt(three, InterruptAt("second", "compare", 2))
    done = ran.total()
    again = run_gate([three], store=Store(file))
    # 20 samples by 32, then 64 by 8, then 60 by 32.
    assert done == 1 + 2
    assert ran.total() == 1 + 8 + 2
    assert measured(again) == whole


def test_programs_of_one_suite_keep_their_batches_apart(tmp_path):
    """An .emu file is quantized already; two give what each gives alone."""
    suite = write_suite(
        tmp_path, '[[case]]\nid = "{model}"\nmodel = ["one.toml", "two.toml"]\n'
    )
    folder = suite.parent
    for name, data in (("one", "data.npz[0:20]"), ("two", "data.npz[0:3]")):
        program = emulate(folder / "tiny.onnx", calibration=f"{folder}/{data}")
        save_graph(program.graph, folder / f"{name}.emu")
        entry = f'file = "{name}.emu"\ndata = "data.npz[20:]"\n'
        (folder / f"{name}.toml").write_text(entry)
    assert run_gate([suite], reason="first").exit_code == 0
    one, two = (read_baseline(baseline_path(suite, case)) for case in ("one", "two"))
    assert one.digest != two.digest
    assert run_gate([suite], store=Store(resume_path(suite))).exit_code == 0


def test_a_run_that_ends_leaves_nothing(three):
    store = Store(resume_path(three))
    result = run_gate([three], store=store, selection=Selection(expression="tiny"))
    store.close()
    assert result.exit_code == 0
    assert kept(three) == 0


@pytest.mark.parametrize("what", ["model", "data", "case"])
def test_what_was_finished_of_other_inputs_does_not_count(three, what):
    interrupt(three, InterruptAt("second", "FP32"))
    folder = three.parent
    if what == "model":
        model = onnx.load(folder / "tiny.onnx")
        model.doc_string = "the same numbers in another file"
        onnx.save(model, folder / "tiny.onnx")
    elif what == "data":
        write_suite(folder.parent, SUITE.replace("20:]", "21:]") + MORE)
    else:
        write_suite(folder.parent, SUITE.replace("5.0", "4.0") + MORE)
    # It is measured, and not only recalled.
    interrupt(three, InterruptAt("tiny", "FP32"))


def test_weights_in_another_file_count(tmp_path):
    path = tmp_path / "model.onnx"
    onnx.save(
        tiny_model(),
        path,
        save_as_external_data=True,
        location="model.weights",
        size_threshold=0,
    )
    shared = Shared()
    before = shared.model_digest(path)
    (tmp_path / "notes.txt").write_text("of no model")
    assert shared.model_digest(path) == before
    weights = tmp_path / "model.weights"
    weights.write_bytes(weights.read_bytes()[:-1] + b"\0\0")
    assert shared.model_digest(path) != before


def test_an_update_goes_on_too(three):
    stored = {case: read_baseline(baseline_path(three, case)) for case in CASES}
    for case in CASES:
        baseline_path(three, case).unlink()
    file = resume_path(three)
    interrupt(three, InterruptAt("third", "integer"), reason="first")
    # What is measured is written: an update that is interrupted has updated so much.
    assert [baseline_path(three, case).is_file() for case in CASES] == [1, 1, 0]
    run_gate([three], reason="first", store=Store(file))
    assert {c: read_baseline(baseline_path(three, c)) for c in CASES} == stored


CASES = ("tiny", "second", "third")


def kept(suite: Path) -> int:
    with closing(sqlite3.connect(resume_path(suite))) as connection:
        (count,) = connection.execute("SELECT count(*) FROM finished").fetchone()
        return count


def start(suite: Path, *options: str) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-c", COMMAND, "gate", str(suite), "--json", *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.parametrize(
    "number", [signal.SIGTERM, pytest.param(signal.SIGINT, marks=pytest.mark.slow)]
)
def test_signals_end_a_run_in_order_and_say_how_to_go_on(three, number):
    run = start(three, "--jobs", "2")
    while not resume_path(three).exists() or not kept_or_none(three):
        assert run.poll() is None
        time.sleep(0.05)
    run.send_signal(number)
    out, err = run.communicate(timeout=60)
    assert run.returncode == 130
    assert out == ""
    assert "the same command goes on from there" in err
    assert "Traceback" not in err
    assert kept(three) > 0
    assert not history_path(three).exists()


def kept_or_none(suite: Path) -> int:
    try:
        return kept(suite)
    except sqlite3.Error:
        return 0


@pytest.mark.slow
def test_fifty_kills_at_random_moments_lose_nothing(three):
    """With one process and with several; every resumed run ends in the same bytes."""
    begin = time.monotonic()
    whole = strip(json.loads(finish(three)))
    longest = 1.1 * (time.monotonic() - begin)
    rng = random.Random(7)
    killed = ends = 0
    while killed < 50:
        jobs = str(1 + killed % 2)
        run = start(three, "--jobs", jobs)
        try:
            out, err = run.communicate(timeout=rng.uniform(0.2, 1) * longest)
        except subprocess.TimeoutExpired:
            run.kill()
            run.communicate()
            killed += 1
            continue
        assert run.returncode == 0, err
        assert strip(json.loads(out)) == whole
        ends += 1
    assert strip(json.loads(finish(three))) == whole
    assert ends > 0
    with closing(sqlite3.connect(history_path(three))) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        runs = connection.execute("SELECT count(*) FROM run").fetchone()[0]
        cases = connection.execute('SELECT count(*) FROM "case"').fetchone()[0]
    # A run may be killed after it has been stored and before it says so.
    assert ends + 2 <= runs <= ends + 2 + killed
    assert cases == 3 * runs
    left = {path.name for path in (three.parent.parent / "golden").rglob("*")}
    assert left == {"baselines", "small", *(f"{case}.json" for case in CASES)}


@pytest.mark.slow
def test_eight_gates_at_once_find_the_same_and_lose_no_run(three):
    """They share the history and the file of what is finished."""
    whole = strip(json.loads(finish(three)))
    runs = [start(three) for _ in range(8)]
    for run in runs:
        out, err = run.communicate(timeout=600)
        assert run.returncode == 0, err
        assert strip(json.loads(out)) == whole
    assert kept(three) == 0
    with closing(sqlite3.connect(history_path(three))) as connection:
        assert connection.execute("SELECT count(*) FROM run").fetchone() == (9,)
        assert connection.execute('SELECT count(*) FROM "case"').fetchone() == (27,)


def finish(suite: Path) -> str:
    run = start(suite)
    out, err = run.communicate(timeout=300)
    assert run.returncode == 0, err
    return out


def strip(found: dict) -> dict:
    for case in found["cases"]:
        del case["seconds"]
    return found
