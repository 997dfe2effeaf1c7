"""What interrupted runs have finished: one SQLite file, from keys to bytes.

    .emu/resume.db           beside the folder `suites`, or beside a suite elsewhere

A key (`key_of` in `emu/gate/shared.py`) says everything that its value depends on, so a
value is right whenever its key is asked for. What a run stored it forgets when it is
through; only a run that is killed leaves something. Killing a process at any moment
loses what it was just writing and nothing else: SQLite commits whole values. Nothing
waits for the disk (a failing machine may lose the file; then everything is measured
anew).
"""

import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import Final

import jax
import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load, save

from emu.recall import Arrays, Checkpoint, Recall

_WAIT_SECONDS: Final = 30.0

# What nobody came back for.
_KEEP_DAYS: Final = 7

# SQLite takes no value of a gigabyte. What is as large is computed again.
_LARGEST: Final = 900_000_000

# Among the places of a checkpoint's arrays.
_BATCHES: Final = "batches"


def state_folder(suite: Path) -> Path:
    """Where runs of a suite, or of a folder of suites, leave what is not versioned."""
    path = suite.resolve()
    folder = path if path.is_dir() else path.parent
    return (folder.parent if folder.name == "suites" else folder) / ".emu"


def resume_path(suite: Path) -> Path:
    """The file of the store of a suite, or of a folder of suites."""
    return state_folder(suite) / "resume.db"


class Store:
    """Values by key; without a path, and after the first failure, it holds nothing.

    A disk that cannot be written costs the way back, not the run: `failure` then says
    why in one line. Threads may share a store, processes a file.
    """

    def __init__(self, path: Path | None = None) -> None:
        """Open the file, made if need be."""
        self.path = path
        self.failure = ""
        self._lock = Lock()
        self._connection: sqlite3.Connection | None = None
        self._used: dict[str, None] = {}
        if path is not None:
            with self._guarded():
                path.parent.mkdir(parents=True, exist_ok=True)
                self._connection = _opened(path)

    @property
    def holds(self) -> bool:
        """Whether it keeps what it is given."""
        return self._connection is not None

    def get(self, key: str) -> bytes | None:
        """What is stored, None for nothing."""
        self._used[key] = None
        with self._guarded() as connection:
            if connection:
                query = "SELECT value FROM finished WHERE key = ?"
                row = connection.execute(query, [key]).fetchone()
                return None if row is None else bytes(row[0])
        return None

    def put(self, key: str, value: bytes) -> None:
        """Store a value before returning; not one that is too large."""
        if len(value) > _LARGEST:
            return
        self._used[key] = None
        with self._guarded() as connection:
            if connection:
                connection.execute(
                    "INSERT OR REPLACE INTO finished VALUES (?, ?, ?)",
                    [key, int(time.time()), value],
                )

    def drop(self, prefix: str) -> None:
        """Forget what is stored under keys that begin so."""
        with self._guarded() as connection:
            if connection:
                query = "DELETE FROM finished WHERE substr(key, 1, ?) = ?"
                connection.execute(query, [len(prefix), prefix])

    def forget(self) -> None:
        """Drop whatever was asked for or stored: the run is through."""
        with self._guarded() as connection:
            if connection:
                connection.execute("BEGIN")
                connection.executemany(
                    "DELETE FROM finished WHERE key = ?", [(key,) for key in self._used]
                )
                connection.execute("COMMIT")
        self._used.clear()

    def take_used(self) -> list[str]:
        """The keys that were asked for or stored since this was asked last."""
        used = list(self._used)
        self._used.clear()
        return used

    def adopt(self, keys: Iterable[str]) -> None:
        """Forget these too: another process of this run has used them."""
        self._used.update(dict.fromkeys(keys))

    def close(self) -> None:
        """Let go of the file."""
        with self._lock:
            if self._connection:
                self._connection.close()
            self._connection = None

    def recall(self, key: str) -> Recall:
        """Batches of one stage of a case, under keys that begin with `key`."""

        def recall(number: int, compute: Callable[[], Arrays]) -> Arrays:
            name = f"{key}/{number}"
            known = _unpacked(self.get(name))
            if known is not None:
                return known
            found = compute()
            self.put(name, _packed(found))
            return found

        return recall

    def checkpoint(self, key: str) -> Checkpoint:
        """Passes over batches, under keys that begin with `key`."""
        return StoredCheckpoint(self, key)

    @contextmanager
    def _guarded(self) -> Iterator[sqlite3.Connection | None]:
        with self._lock:
            try:
                yield self._connection
            except (sqlite3.Error, OSError) as error:
                self.failure = getattr(error, "strerror", None) or str(error)
                self._connection = None


class StoredCheckpoint(Checkpoint):
    """A checkpoint in a store: what is known by place, and how many batches made it."""

    def __init__(self, store: Store, key: str) -> None:
        self.store = store
        self.key = key

    def load(self, stage: str) -> tuple[int, Sequence[np.ndarray]]:
        known = dict(_unpacked(self.store.get(f"{self.key}/{stage}")) or {})
        batches = int(known.pop(_BATCHES, 0))
        return batches, [known[str(place)] for place in range(len(known))]

    def save(
        self, stage: str, batches: int, arrays: Sequence[np.ndarray | jax.Array]
    ) -> None:
        if not self.store.holds:
            return
        known = {str(place): np.asarray(x) for place, x in enumerate(arrays)}
        known[_BATCHES] = np.array(batches)
        self.store.put(f"{self.key}/{stage}", _packed(known))


def _packed(arrays: Arrays) -> bytes:
    return save({name: np.asarray(x, order="C") for name, x in arrays.items()})


def _unpacked(value: bytes | None) -> Mapping[str, np.ndarray] | None:
    """Arrays as they were saved; None if there are none, or damaged ones."""
    try:
        return None if value is None else load(value)
    except SafetensorError:
        return None


def _opened(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(
        path, _WAIT_SECONDS, isolation_level=None, check_same_thread=False
    )
    connection.execute("PRAGMA auto_vacuum = FULL")
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = OFF")
    connection.execute(
        "CREATE TABLE IF NOT EXISTS finished"
        " (key TEXT PRIMARY KEY, made INTEGER NOT NULL, value BLOB NOT NULL)"
    )
    oldest = int(time.time()) - _KEEP_DAYS * 24 * 3600
    connection.execute("DELETE FROM finished WHERE made < ?", [oldest])
    return connection
