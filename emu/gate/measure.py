"""Cases measured one after another here, or several at once in processes of their own.

A worker is this same Python with `emu.gate.worker`; it takes one case a line on stdin
and answers with lines on stdout (see there). One that dies, whatever of, is the failure
of the case it was at; the others go on in a new one.
"""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Event, Lock
from typing import Any, Final

from emu.errors import EmuError
from emu.gate.codec import decode, encode
from emu.gate.failures import crash, error_of
from emu.gate.result import CaseResult
from emu.gate.run import Progress, run_case
from emu.gate.shared import Shared
from emu.gate.store import Store
from emu.gate.suite import Case
from emu.gate.visuals import Before

_WORKER: Final = "from emu.gate.worker import main; main()"


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """A case to be measured.

    Fields:
        suite: path of its file.
        case: what to measure.
        known_digest, draw: as of `run_case`.
    """

    suite: Path
    case: Case
    known_digest: str | None = None
    draw: Before | None = None


Found = CaseResult | EmuError


def measure_all(
    tasks: Sequence[Task],
    *,
    shared: Shared,
    jobs: int = 1,
    progress: Progress | None = None,
) -> Iterator[tuple[int, Found]]:
    """Measure every task; yields (its position, what was found) as each is ready.

    With one job they come in order. Cases that are timed wait until nothing runs beside
    them. What a case raises is what was found of it.
    """
    positions = range(len(tasks))
    together = [p for p in positions if not tasks[p].case.limits.max_time_ratio]
    if jobs == 1 or len(together) < 2:
        together = []
    if together:
        yield from _Crew(tasks, together, jobs, shared.store, progress).results()
    for position in positions:
        if position not in together:
            yield position, measure_one(tasks[position], shared, progress)


def measure_one(task: Task, shared: Shared, progress: Progress | None = None) -> Found:
    """Measure a case; whatever it raises is what was found."""
    try:
        return run_case(
            task.suite, task.case, progress, shared, task.known_digest, task.draw
        )
    except EmuError as error:
        return error
    except Exception as error:  # noqa: BLE001 - a crash is this case's failure
        return crash(error, task.suite, task.case.id)


class _Crew:
    """Workers that take some of the tasks, cases of one model after another."""

    def __init__(
        self,
        tasks: Sequence[Task],
        positions: Sequence[int],
        jobs: int,
        store: Store,
        progress: Progress | None,
    ) -> None:
        self._tasks = tasks
        self._waiting = list(positions)
        self._jobs = min(jobs, len(positions))
        self._store = store
        self._progress = progress
        self._lock = Lock()
        self._stopped = Event()
        self._workers: set[_Worker] = set()

    def results(self) -> Iterator[tuple[int, Found]]:
        """As of `measure_all`."""
        done: list[tuple[int, Found]] = []
        with ThreadPoolExecutor(self._jobs, thread_name_prefix="emu-gate") as pool:
            running = {pool.submit(self._work, done) for _ in range(self._jobs)}
            try:
                while running:
                    running = self._raise_errors(running)
                    while done:
                        yield done.pop(0)
            finally:
                self._stop()

    def _raise_errors(self, running: set[Future[None]]) -> set[Future[None]]:
        """Wait a moment; threads that ended have raised a bug or nothing."""
        ended, running = wait(running, timeout=0.05, return_when=FIRST_COMPLETED)
        for one in ended:
            one.result()
        return running

    def _work(self, done: list[tuple[int, Found]]) -> None:
        """One thread, its worker, and what tasks it gets."""
        worker, last = None, None
        while (position := self._next(last)) is not None:
            task = self._tasks[position]
            last = (task.suite, task.case.model)
            if worker is None or not worker.is_alive:
                worker = self._start()
            found = worker.measure(task, self._store, self._progress)
            if not self._stopped.is_set():
                done.append((position, found))
        if worker:
            worker.end()

    def _next(self, last: tuple[Path, str] | None) -> int | None:
        """A task of the last one's model, which is compiled; else of the most left."""
        with self._lock:
            if self._stopped.is_set() or not self._waiting:
                return None
            models = [
                (self._tasks[position].suite, self._tasks[position].case.model)
                for position in self._waiting
            ]
            wanted = last if last in models else max(models, key=models.count)
            return self._waiting.pop(models.index(wanted))

    def _start(self) -> "_Worker":
        with self._lock:
            worker = _Worker(self._store.path)
            self._workers.add(worker)
            return worker

    def _stop(self) -> None:
        """End everything at once; tasks that are through have been stored."""
        self._stopped.set()
        with self._lock:
            for worker in self._workers:
                worker.kill()


class _Worker:
    """A process that measures cases."""

    def __init__(self, store: Path | None) -> None:
        path = [str(Path(entry).resolve()) for entry in sys.path]
        # Signals of the terminal are for the one that started it.
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-c", _WORKER, str(store or "")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(path)},
            start_new_session=True,
        )

    @property
    def is_alive(self) -> bool:
        """Whether it can take a case."""
        return self._process.poll() is None

    def measure(self, task: Task, store: Store, progress: Progress | None) -> Found:
        """What it finds of a task."""
        request = {
            "suite": str(task.suite),
            "case": task.case.model_dump(mode="json"),
            "known_digest": task.known_digest,
            "draw": encode(task.draw).decode(),
        }
        for answer in self._answers(json.dumps(request)):
            if "progress" in answer and progress:
                progress(task.case.id, *answer["progress"])
            store.adopt(answer.get("keys", ()))
            if "result" in answer:
                return decode(answer["result"].encode())
            if "error" in answer:
                return error_of(answer["error"])
        how = _end(self.end())
        return EmuError(f"its process ended {how}", file=task.suite, where=task.case.id)

    def _answers(self, request: str) -> Iterator[dict[str, Any]]:
        """Lines of the worker until it dies."""
        stdin, stdout = self._process.stdin, self._process.stdout
        if stdin is None or stdout is None:
            raise RuntimeError("a worker without pipes")
        try:
            stdin.write(f"{request}\n")
            stdin.flush()
        except BrokenPipeError:
            return
        for line in stdout:
            if line.endswith("\n"):
                yield json.loads(line)

    def end(self) -> int:
        """Let it end, since there is nothing more to do; returns its exit code."""
        for stream in (self._process.stdin, self._process.stdout):
            with suppress(BrokenPipeError):
                if stream:
                    stream.close()
        return self._process.wait()

    def kill(self) -> None:
        """End it now."""
        self._process.kill()


def _end(code: int) -> str:
    if code >= 0:
        return f"with exit code {code}"
    try:
        return f"by signal {signal.Signals(-code).name}"
    except ValueError:
        return f"by signal {-code}"
