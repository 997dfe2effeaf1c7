"""Records of cases between the processes of one run."""

import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from emu.pytest_plugin.sharing import shared_record

# Takes the lock of a case, says so, and would measure for ever.
STUCK = """
import sys, time
from pathlib import Path
from emu.pytest_plugin.sharing import shared_record

def measure():
    print("measuring", flush=True)
    time.sleep(600)

shared_record(Path(sys.argv[1]), Path("s.toml"), "a", measure)
"""


def test_whoever_comes_at_once_waits_for_the_first(tmp_path):
    calls, found = [], []

    def measure():
        calls.append(1)
        time.sleep(0.3)
        return {"n": len(calls)}

    def ask():
        found.append(shared_record(tmp_path / "new", Path("s.toml"), "a", measure))

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [{"n": 1}] * 4


def test_cases_and_suites_do_not_mix(tmp_path):
    for suite in ("a/s.toml", "b/s.toml"):
        for case in ("x", "y"):
            want = {"is": f"{suite} {case}"}
            assert shared_record(tmp_path, Path(suite), case, want.copy) == want


def test_after_one_that_raises_the_next_measures(tmp_path):
    def fail():
        raise RuntimeError("planned")

    with pytest.raises(RuntimeError, match="planned"):
        shared_record(tmp_path, Path("s.toml"), "a", fail)
    assert shared_record(tmp_path, Path("s.toml"), "a", lambda: {"n": 1}) == {"n": 1}


def test_a_worker_that_is_killed_leaves_no_lock(tmp_path):
    args = [sys.executable, "-c", STUCK, str(tmp_path)]
    with subprocess.Popen(args, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "measuring\n"
        process.kill()
        process.wait()
    assert shared_record(tmp_path, Path("s.toml"), "a", lambda: {"n": 2}) == {"n": 2}
