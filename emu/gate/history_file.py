"""The file of a history: SQLite in WAL mode, its tables, and one transaction a run.

    run       id, started (UTC), duration (s), commit, versions, machine
    case      of a run: what was judged, measured, and how long it took (s)
    content   per-layer figures, sample names and predictions, by sha256 of their JSON,
              deflated: what does not change from run to run is stored once

Readers never wait; writers wait for one another, at most WAIT_SECONDS.
"""

import hashlib
import os
import sqlite3
import time
import zlib
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final

import pandas as pd

from emu.errors import ConfigError, DataError, MissingError

FORMAT: Final = 1
WAIT_SECONDS: Final = 30.0

# Tells a history from any other SQLite file.
_APPLICATION: Final = int.from_bytes(b"emuh")

_TABLES: Final = (
    """CREATE TABLE run (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        started TEXT NOT NULL,
        duration REAL NOT NULL,
        "commit" TEXT,
        versions TEXT NOT NULL,
        machine TEXT NOT NULL
    )""",
    """CREATE TABLE "case" (
        run INTEGER NOT NULL REFERENCES run (id),
        suite TEXT NOT NULL,
        "case" TEXT NOT NULL,
        outcome TEXT NOT NULL,
        verdicts TEXT NOT NULL,
        settings TEXT,
        metric TEXT,
        score REAL,
        drop_points REAL,
        counts TEXT,
        fp32 TEXT,
        seconds REAL,
        digest TEXT,
        layers TEXT REFERENCES content (sha256),
        samples TEXT REFERENCES content (sha256),
        predictions TEXT REFERENCES content (sha256)
    )""",
    'CREATE INDEX case_of_run ON "case" (run)',
    "CREATE TABLE content (sha256 TEXT PRIMARY KEY, data BLOB NOT NULL) WITHOUT ROWID",
)


def check_history(path: Path) -> None:
    """See that a run can be appended, as far as that is known without writing.

    Raises:
        ConfigError: the file is of a newer emu, or no history at all.
        MissingError: it cannot be read.
    """
    if path.exists():
        with _opened(path, "read") as connection:
            _known_format(connection, path)


@contextmanager
def reading(path: Path) -> Iterator[sqlite3.Connection]:
    """A connection to a history that exists.

    Raises:
        MissingError: there is no such file, nothing in it, or it cannot be read.
        ConfigError: as of `check_history`.
    """
    if not path.is_file():
        raise MissingError("there is no history; `emu gate` makes it", file=path)
    with _opened(path, "read") as connection:
        if _known_format(connection, path) == 0:
            raise MissingError("the history is empty; `emu gate` fills it", file=path)
        yield connection


@contextmanager
def writing(path: Path) -> Iterator[sqlite3.Connection]:
    """A connection inside one transaction, in a history that is made if need be.

    Raises:
        MissingError: it cannot be written, and is as it was.
        ConfigError: as of `check_history`.
    """
    with _opened(path, "write") as connection:
        _known_format(connection, path)
        _use_wal(connection)
        with _transaction(connection, "IMMEDIATE"):
            if _format(connection) == 0:
                for statement in _TABLES:
                    connection.execute(statement)
                connection.execute(f"PRAGMA application_id = {_APPLICATION}")
                connection.execute(f"PRAGMA user_version = {FORMAT}")
            yield connection


def insert(
    connection: sqlite3.Connection, table: str, row: Mapping[str, object]
) -> int:
    """Add a row; returns its number."""
    names = ", ".join(f'"{name}"' for name in row)
    marks = ", ".join("?" * len(row))
    done = connection.execute(
        f'INSERT INTO "{table}" ({names}) VALUES ({marks})', list(row.values())
    )
    return int(done.lastrowid or 0)


def insert_content(connection: sqlite3.Connection, text: str) -> str:
    """Store a text unless it is there already; returns its sha256."""
    data = text.encode()
    digest = hashlib.sha256(data).hexdigest()
    known = connection.execute("SELECT 1 FROM content WHERE sha256 = ?", [digest])
    if known.fetchone() is None:
        connection.execute(
            "INSERT INTO content VALUES (?, ?)", [digest, zlib.compress(data)]
        )
    return digest


def read_content(connection: sqlite3.Connection, digest: str) -> str:
    """The text of this sha256; DataError if it is damaged or gone."""
    row = connection.execute("SELECT data FROM content WHERE sha256 = ?", [digest])
    (packed,) = row.fetchone() or (b"",)
    try:
        data = zlib.decompress(packed)
    except zlib.error:
        data = b""
    if hashlib.sha256(data).hexdigest() != digest:
        raise DataError(f"damaged history: content {digest[:12]} is not what it was")
    return data.decode()


@contextmanager
def _opened(path: Path, purpose: str) -> Iterator[sqlite3.Connection]:
    """A connection in which statements outside a transaction commit at once."""
    try:
        if purpose == "write":
            path.parent.mkdir(parents=True, exist_ok=True)
        address = _address(path, purpose)
        with closing(
            sqlite3.connect(address, WAIT_SECONDS, isolation_level=None, uri=True)
        ) as connection:
            yield connection
    except (sqlite3.Error, pd.errors.DatabaseError, OSError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise MissingError(
            f"cannot {purpose} the history: {reason}", file=path
        ) from error


def _address(path: Path, purpose: str) -> str:
    """What SQLite opens: in a folder that cannot be written, a file that never changes.

    SQLite makes a file beside one in WAL mode even to read it. Where there is one
    already, somebody else writes, and SQLite needs no other.
    """
    used = path.with_name(f"{path.name}-wal").exists()
    sealed = purpose == "read" and not used and not os.access(path.parent, os.W_OK)
    return path.resolve().as_uri() + ("?immutable=1" if sealed else "")


def _known_format(connection: sqlite3.Connection, path: Path) -> int:
    """The format of the file, 0 if it is new; ConfigError for one of others."""
    with _transaction(connection, "DEFERRED"):
        (application,) = connection.execute("PRAGMA application_id").fetchone()
        (tables,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
        found = _format(connection)
    if application != _APPLICATION and (application or found or tables):
        raise ConfigError("found another SQLite file, expected a history", file=path)
    if found > FORMAT:
        raise ConfigError(
            f"found history format {found}, expected {FORMAT}; a newer emu wrote it",
            file=path,
        )
    return found


def _format(connection: sqlite3.Connection) -> int:
    (found,) = connection.execute("PRAGMA user_version").fetchone()
    return int(found)


def _use_wal(connection: sqlite3.Connection) -> None:
    """Set WAL mode; SQLite itself does not wait where several set it at once."""
    deadline = time.monotonic() + WAIT_SECONDS
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            busy = error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY
            if not busy or time.monotonic() > deadline:
                raise
            time.sleep(0.01)
        else:
            return


@contextmanager
def _transaction(connection: sqlite3.Connection, kind: str) -> Iterator[None]:
    """All or nothing. IMMEDIATE waits for the right to write before anything is read."""
    connection.execute(f"BEGIN {kind}")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
