"""The history: whole runs, many writers, and files that cannot be used."""

import os
import random
import resource
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from importlib import metadata
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given, settings, strategies as st

from emu.errors import ConfigError, DataError, MissingError
from emu.gate import (
    GateResult,
    Outcome,
    append_run,
    check_history,
    diff_runs,
    find_history,
    history_path,
    load_history,
)
from emu.gate.history_file import FORMAT, WAIT_SECONDS
from tests.gate.made_up import failed, outcome, run_of

START = datetime(2026, 3, 1, 12, tzinfo=UTC)
REPOSITORY = Path(__file__).resolve().parents[2]


def append(path: Path, result: GateResult, minutes: float = 0) -> int:
    started = START + timedelta(minutes=minutes)
    return append_run(path, result, suite=path.parent, started=started, duration=2.5)


def altered(path: Path, *statements: str) -> None:
    with closing(sqlite3.connect(path)) as connection:
        for statement in statements:
            connection.execute(statement)
        connection.commit()


def sound(path: Path) -> bool:
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / ".emu" / "history.db"


def test_it_lies_beside_the_suites_and_not_among_golden_files(tmp_path):
    (tmp_path / "suites").mkdir()
    expected = tmp_path / ".emu" / "history.db"
    assert history_path(tmp_path / "suites" / "digits.toml") == expected
    assert history_path(tmp_path / "suites") == expected
    assert history_path(tmp_path / "digits.toml") == expected
    assert ".emu/" in (REPOSITORY / ".gitignore").read_text().splitlines()


def test_the_nearest_history_around_a_folder_is_found(path):
    inner = path.parent.parent / "suites" / "recipes"
    inner.mkdir(parents=True)
    with pytest.raises(MissingError, match="there is no history"):
        find_history(inner)
    append(path, run_of(outcome()))
    assert find_history(inner) == find_history(path.parent.parent) == path


def test_runs_come_back_as_one_table(path):
    assert append(path, run_of(outcome("a"), failed("b"))) == 1
    better = outcome("a", predictions=(0, 1, 2, 3), judged=Outcome.IMPROVED)
    assert append(path, run_of(better), minutes=1) == 2
    table = load_history(path)
    assert table["run"].tolist() == [1, 1, 2]
    assert table["case"].tolist() == ["a", "b", "a"]
    assert table["outcome"].tolist() == ["equal", "failed", "improved"]
    assert table["started"].tolist() == [START, START, START + timedelta(minutes=1)]
    assert table["score"].fillna(-1).tolist() == [0.75, -1, 1]
    assert table["drop_points"].fillna(-1).tolist() == [25, -1, 0]
    assert table["change"].fillna(-1).tolist() == [-1, -1, 0.25]
    assert table["counts"].tolist()[0] == {"n": 4, "top1_correct": 3, "top5_correct": 4}
    assert table["counts"].tolist()[1] is None
    assert table["verdicts"].tolist()[1][0]["detail"] == "data.npz: x[3]: no luck"
    assert table["versions"].tolist()[0]["jax"] == metadata.version("jax")
    assert table["settings"].tolist()[0]["target"] == "generic-int8"
    assert set(table["duration"]) == {2.5}


def test_a_change_counts_from_when_the_case_was_measured_last(path):
    append(path, run_of(outcome("a")))
    append(path, run_of(failed("a")))
    append(path, run_of(outcome("a", predictions=(0, 1, 0, 0))))
    assert load_history(path)["change"].tolist()[2] == -0.25


def test_a_run_without_cases_and_an_empty_file_are_no_mistakes(path):
    path.parent.mkdir()
    path.touch()
    with pytest.raises(MissingError, match="the history is empty"):
        load_history(path)
    append(path, run_of())
    table = load_history(path)
    assert isinstance(table, pd.DataFrame)
    assert len(table) == 0
    assert "change" in table


def test_what_does_not_change_is_stored_once(path):
    for _ in range(20):
        append(path, run_of(outcome("a"), outcome("b")))
    with closing(sqlite3.connect(path)) as connection:
        (contents,) = connection.execute("SELECT count(*) FROM content").fetchone()
    assert contents == 3  # layers, samples, predictions


def test_the_commit_of_the_suite_is_stored_where_there_is_one(path):
    append(path, run_of(outcome()))
    assert load_history(path)["commit"].isna().tolist() == [True]
    folder = path.parent.parent
    git = ["git", "-C", str(folder), "-c", "user.name=a", "-c", "user.email=a@b.c"]
    for command in (["init", "-q"], ["commit", "-q", "--allow-empty", "-m", "m"]):
        subprocess.run([*git, *command], check=True)
    head = subprocess.run(
        [*git, "rev-parse", "HEAD"], check=True, capture_output=True, text=True
    )
    append(path, run_of(outcome()))
    assert load_history(path)["commit"].tolist()[1] == head.stdout.strip()


def test_without_git_there_is_no_commit(path, monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    append(path, run_of(outcome()))
    assert load_history(path)["commit"].isna().tolist() == [True]


# Case, predictions (None for one that cannot be measured), verdict.
judged = st.tuples(
    st.sampled_from("abc"),
    st.none() | st.tuples(*[st.integers(0, 3)] * 4),
    st.sampled_from(Outcome),
)


def case_of(name: str, predictions: tuple[int, ...] | None, judged: Outcome):
    if predictions is None:
        return failed(name)
    return outcome(name, predictions=predictions, judged=judged)


@given(st.lists(st.lists(judged), max_size=4))
@settings(max_examples=20)
def test_whatever_is_appended_comes_back_in_order(drawn):
    runs = [[case_of(*case) for case in cases] for cases in drawn]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "history.db"
        numbers = [append(path, run_of(*cases)) for cases in runs]
        assert numbers == list(range(1, len(runs) + 1))
        if not runs:
            return
        table = load_history(path)
        expected = [
            (
                number,
                case.case,
                case.verdicts[0].outcome.value,
                case.result.quantized.score if case.result else -1,
            )
            for number, cases in zip(numbers, runs, strict=True)
            for case in cases
        ]
        columns = [table[name] for name in ("run", "case", "outcome")]
        found = [*zip(*columns, table["score"].fillna(-1), strict=True)]
        assert found == expected
        assert sound(path)


def writers(path: Path, *counts: int) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "tests.gate.append_runs", path, *map(str, counts)],
        stdout=subprocess.PIPE,
        text=True,
        cwd=REPOSITORY,
        start_new_session=True,
    )


def test_eight_processes_at_once_lose_nothing(path):
    with writers(path, 8, 10, 3) as process:
        told, _ = process.communicate()
    assert process.returncode == 0
    assert sorted(map(int, told.split())) == list(range(1, 81))
    table = load_history(path)
    assert len(table) == 240
    assert table.groupby("digest").size().to_dict() == {
        f"{process}-{count}": 3 for process in range(8) for count in range(10)
    }
    assert sound(path)


def test_killed_processes_leave_whole_runs_and_all_that_they_told_of(path):
    moments = random.Random(5)
    told = set()
    for _ in range(2):
        process = writers(path, 3, 0, 4)
        assert process.stdout is not None
        told.add(int(process.stdout.readline()))  # they are at it
        time.sleep(moments.uniform(0, 0.1))
        # Both writers and their parent.
        os.killpg(process.pid, signal.SIGKILL)
        told |= {int(line) for line in process.stdout if line.endswith("\n")}
        process.stdout.close()
        assert process.wait() == -signal.SIGKILL
        assert sound(path)
        sizes = load_history(path).groupby("run").size()
        assert set(sizes) == {4}
        assert told <= set(sizes.index)
    append(path, run_of(outcome()))
    assert load_history(path)["run"].tolist()[-1] > max(told)


def test_a_newer_format_is_refused_and_left_alone(path):
    append(path, run_of(outcome()))
    altered(path, f"PRAGMA user_version = {FORMAT + 1}")
    before = path.read_bytes()
    message = f"found history format {FORMAT + 1}, expected {FORMAT}; a newer emu"
    for use in (check_history, load_history, lambda p: append(p, run_of(outcome()))):
        with pytest.raises(ConfigError, match=message):
            use(path)
    assert path.read_bytes() == before


def test_a_file_of_others_is_refused_and_left_alone(path):
    path.parent.mkdir()
    altered(path, "CREATE TABLE mine (x)")
    before = path.read_bytes()
    for use in (check_history, load_history, lambda p: append(p, run_of(outcome()))):
        with pytest.raises(ConfigError, match="another SQLite file"):
            use(path)
    assert path.read_bytes() == before


def test_a_file_that_is_no_database_is_refused_and_left_alone(path):
    path.parent.mkdir()
    path.write_text("history " * 1000)
    for use in (check_history, load_history, lambda p: append(p, run_of(outcome()))):
        with pytest.raises(MissingError, match="the history: file is not a database"):
            use(path)
    assert path.read_text() == "history " * 1000


def test_damaged_contents_are_told_of(path):
    append(path, run_of(outcome()))
    append(path, run_of(outcome(digest="cd")))
    altered(path, "UPDATE content SET data = x'00'")
    assert len(load_history(path)) == 2
    with pytest.raises(DataError, match="damaged history: content"):
        diff_runs(path, 1, 2)


@pytest.mark.parametrize("place", ["/proc/self/history.db", "/proc/.emu/history.db"])
def test_a_folder_that_cannot_be_written_is_one_line(place):
    with pytest.raises(MissingError, match=f"^{place}: cannot write the history: "):
        append(Path(place), run_of(outcome()))


@contextmanager
def room_for(size: int):
    """No file of this process may grow beyond `size` bytes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_full_disk_loses_nothing_that_was_stored(path):
    many = run_of(*(outcome(f"c{i}", sqnr_db=(i, i, i)) for i in range(40)))
    append(path, run_of(outcome()))
    with (
        room_for(30_000),
        pytest.raises(MissingError, match="cannot write the history"),
    ):
        append(path, many)
    assert load_history(path)["case"].tolist() == ["c"]
    assert sound(path)
    append(path, many)
    assert len(load_history(path)) == 41


def test_a_writer_that_never_ends_is_waited_for_only_so_long(path, monkeypatch):
    append(path, run_of(outcome()))
    monkeypatch.setattr("emu.gate.history_file.WAIT_SECONDS", 0.1)
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        assert len(load_history(path)) == 1
        with pytest.raises(MissingError, match="database is locked"):
            append(path, run_of(outcome()))
        other.execute("ROLLBACK")
    assert append(path, run_of(outcome())) == 2
    assert WAIT_SECONDS >= 10
