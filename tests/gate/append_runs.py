"""Processes that append to one history: `append_runs.py FILE PROCESSES RUNS CASES`.

Each process prints the number of a run as soon as it is told that it is stored; RUNS = 0
goes on until killed.
"""

import itertools
import multiprocessing
import os
import sys
from datetime import UTC, datetime
from pathlib import Path

from emu.gate import append_run
from tests.gate.made_up import outcome, run_of


def append(path: Path, process: int, runs: int, cases: int) -> None:
    for count in range(runs) if runs else itertools.count():
        digest = f"{process}-{count}"
        result = run_of(*(outcome(f"c{i}", digest=digest) for i in range(cases)))
        number = append_run(
            path, result, suite=path, started=datetime.now(UTC), duration=0.5
        )
        os.write(1, f"{number}\n".encode())


def main() -> None:
    path, processes, runs, cases = Path(sys.argv[1]), *map(int, sys.argv[2:])
    # Forked, so that emu is imported once.
    fork = multiprocessing.get_context("fork")
    started = [
        fork.Process(target=append, args=(path, number, runs, cases))
        for number in range(processes)
    ]
    for process in started:
        process.start()
    for process in started:
        process.join()
    sys.exit(max(abs(process.exitcode or 0) for process in started))


if __name__ == "__main__":
    main()
