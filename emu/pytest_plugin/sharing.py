"""What a case gave, measured once by whichever worker comes first."""

import hashlib
import json
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Final

from emu.graph import write_atomically

# How long a worker waits for another that measures the same case: as good as for ever.
_PATIENCE_S: Final = 7 * 24 * 3600.0


def shared_record(
    folder: Path, suite: Path, case: str, measure: Callable[[], dict[str, Any]]
) -> dict[str, Any]:
    """The JSON object that `measure` gives, made once for all processes of a run.

    While one measures a case the others wait for it; if it dies or raises, the next
    one measures.
    """
    digest = hashlib.sha256(str(suite.resolve()).encode()).hexdigest()[:16]
    stem = folder / f"{digest}-{case}"
    file = stem.with_name(f"{stem.name}.json")
    folder.mkdir(parents=True, exist_ok=True)
    if not file.is_file():
        with _alone(stem.with_name(f"{stem.name}.lock")):
            if not file.is_file():
                write_atomically(file, json.dumps(measure()).encode())
    return json.loads(file.read_bytes())


@contextmanager
def _alone(lock: Path) -> Iterator[None]:
    """One process at a time; one that dies leaves no lock behind.

    A transaction of SQLite is the lock that Python has on every system.
    """
    with closing(
        sqlite3.connect(lock, timeout=_PATIENCE_S, isolation_level=None)
    ) as database:
        database.execute("BEGIN EXCLUSIVE")
        yield
