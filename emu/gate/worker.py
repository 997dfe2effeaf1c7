"""The other side of `emu/gate/measure.py`: a process that measures case after case.

    stdin    {"suite", "case", "known_digest", "draw"}         one case a line
    stdout   {"progress": [stage, done, all]}                  any number of lines
             {"result"} or {"error"}, with {"keys"}            what was found

"keys" are those of the store that it asked for or filled. It ends when stdin does, in
the middle of a case too: nobody is left to read what it finds.
"""

import json
import os
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from queue import SimpleQueue
from threading import Thread
from typing import Any, TextIO

from emu.errors import EmuError
from emu.gate.codec import decode, encode
from emu.gate.failures import plain_error
from emu.gate.measure import Task, measure_one
from emu.gate.shared import Shared
from emu.gate.store import Store
from emu.gate.suite import Case


def main() -> None:
    """Serve the process that started this one."""
    # What libraries print goes to stderr: stdout is for the answers.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    store = Store(Path(sys.argv[1]) if sys.argv[1] else None)
    shared = Shared(store)
    for request in _requests():
        task = Task(
            suite=Path(request["suite"]),
            case=Case.model_validate(request["case"]),
            known_digest=request["known_digest"],
            draw=decode(request["draw"].encode()),
        )
        found = measure_one(task, shared, partial(_tell, answers))
        keys = store.take_used()
        if isinstance(found, EmuError):
            _say(answers, {"error": plain_error(found), "keys": keys})
        else:
            _say(answers, {"result": encode(found).decode(), "keys": keys})


def _requests() -> Iterator[dict[str, Any]]:
    """Lines of stdin; the process ends with them, whatever it is at."""
    lines: SimpleQueue[str] = SimpleQueue()

    def read() -> None:
        for line in sys.stdin:
            lines.put(line)
        os._exit(0)

    Thread(target=read, daemon=True).start()
    while True:
        yield json.loads(lines.get())


def _tell(stream: TextIO, case: str, stage: str, done: int, total: int) -> None:
    """Progress of the case that was asked for."""
    del case
    _say(stream, {"progress": [stage, done, total]})


def _say(stream: TextIO, answer: dict[str, Any]) -> None:
    stream.write(json.dumps(answer) + "\n")
    stream.flush()
