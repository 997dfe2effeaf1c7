"""The history: every run of the gate, in one SQLite file that many may write at once.

    .emu/history.db          beside the folder `suites`, or beside a suite elsewhere

It is a log and not versioned, other than baselines. A run is one transaction: it is in
the file whole or not at all, whenever its process ends.
"""

import json
import platform
import sqlite3
import subprocess
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd

from emu.errors import MissingError
from emu.evaluate import ClassifyResult, EvalResult
from emu.gate.baseline import Baseline, baseline_of
from emu.gate.gate import CaseOutcome, GateResult
from emu.gate.history_file import insert, insert_content, read_content, reading, writing
from emu.gate.result import CaseResult
from emu.gate.shared import package_versions
from emu.gate.store import state_folder
from emu.gate.verdict import Outcome
from emu.jsondata import strict_json

NAME: Final = Path(".emu") / "history.db"

# Columns that hold JSON.
_JSON: Final = ("versions", "verdicts", "settings", "counts", "fp32")
_GIT_SECONDS: Final = 10.0


def history_path(suite: Path) -> Path:
    """Where the history of a suite, or of a folder of suites, lies."""
    return state_folder(suite) / NAME.name


def find_history(folder: Path) -> Path:
    """The history of a folder or of the nearest one around it; MissingError for none."""
    folder = folder.resolve()
    for place in (folder, *folder.parents):
        if (place / NAME).is_file():
            return place / NAME
    raise MissingError("there is no history; `emu gate` makes it", file=folder / NAME)


def append_run(
    path: Path,
    result: GateResult,
    *,
    suite: Path,
    started: datetime,
    duration: float,
) -> int:
    """Append a whole run and return its number, 1 or more.

    `suite` is a suite of the run (or the folder of it), whose commit is stored;
    `started` has a time zone; `duration` is in seconds.

    Raises:
        ConfigError: the file is of a newer emu, or no history at all.
        MissingError: it cannot be written; the history is as it was.
    """
    cases = [_case_row(case) for case in result.cases]
    run = {
        "started": started.astimezone(UTC).isoformat(timespec="milliseconds"),
        "duration": duration,
        "commit": commit_of(suite),
        "versions": _json(run_versions()),
        "machine": machine_name(),
    }
    with writing(path) as connection:
        number = insert(connection, "run", run)
        for row, contents in cases:
            digests = {k: insert_content(connection, v) for k, v in contents.items()}
            insert(connection, "case", {"run": number, **row, **digests})
    return number


def load_history(path: Path) -> pd.DataFrame:
    """All cases of all runs, oldest first; one row a case.

    Columns: run, started (UTC), duration (s), commit, machine, versions, suite, case,
    outcome (the worst of its verdicts), verdicts, settings (model, data, calibration,
    target, recipe), metric, score (0 to 1), change (of the
    score since the case was measured last), drop_points (100 times the loss against
    FP32), counts, fp32, seconds, digest. What was not measured is missing (NaN, None).

    Raises:
        MissingError: there is no such file, or it cannot be read.
        ConfigError: it is of a newer emu, no history at all, or damaged.
    """
    with reading(path) as connection:
        table = pd.read_sql_query(
            'SELECT run, started, duration, "commit", machine, versions, suite, "case",'
            " outcome, verdicts, settings, metric, score, drop_points, counts, fp32, seconds,"
            ' digest FROM "case" JOIN run ON run.id = run ORDER BY run, "case".rowid',
            connection,
        )
    table["started"] = pd.to_datetime(table["started"], utc=True, format="ISO8601")
    for name in ("score", "drop_points", "seconds"):
        table[name] = table[name].astype(np.float64)
    for name in _JSON:
        texts = table[name].astype(object)
        table[name] = [None if pd.isna(text) else json.loads(text) for text in texts]
    before = table.groupby(["suite", "case"])["score"].transform(
        lambda scores: scores.ffill().shift()
    )
    table.insert(int(table.columns.get_indexer(["score"])[0]) + 1, "change", 0.0)
    table["change"] = table["score"] - before
    return table


def run_numbers(path: Path) -> tuple[int, ...]:
    """The numbers of all runs, ascending; errors as of `load_history`."""
    with reading(path) as connection:
        return tuple(n for (n,) in connection.execute("SELECT id FROM run ORDER BY id"))


def read_run(path: Path, number: int) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """One run and its cases in order, by the columns of the file, JSON as plain data.

    A case's `layers`, `samples` and `predictions` are sha256 digests of contents.
    Errors as of `load_history`, and MissingError for a number that is not there.
    """
    with reading(path) as connection:
        connection.row_factory = sqlite3.Row
        run = connection.execute("SELECT * FROM run WHERE id = ?", [number]).fetchone()
        cases = connection.execute(
            'SELECT * FROM "case" WHERE run = ? ORDER BY rowid', [number]
        ).fetchall()
    if run is None:
        raise MissingError(f"there is no run {number}", file=path)
    return _plain(run), [_plain(case) for case in cases]


def read_contents(path: Path, digests: Iterable[str]) -> dict[str, Any]:
    """What is stored under these digests; DataError for what is damaged or gone."""
    with reading(path) as connection:
        return {
            digest: json.loads(read_content(connection, digest))
            for digest in dict.fromkeys(digests)
        }


def _plain(row: sqlite3.Row) -> dict[str, Any]:
    return {
        name: json.loads(row[name]) if name in _JSON and row[name] else row[name]
        for name in row.keys()  # noqa: SIM118 - a Row iterates over its values
    }


def _case_row(case: CaseOutcome) -> tuple[dict[str, object], dict[str, str]]:
    """A row of `case`, and the contents that it refers to."""
    row: dict[str, object] = {
        "suite": case.suite,
        "case": case.case,
        "outcome": _worst(case).value,
        "verdicts": _json(
            [
                {"kind": v.kind.value, "verdict": v.outcome.value, "detail": v.detail}
                for v in case.verdicts
            ]
        ),
    }
    if case.result is None:
        return row, {}
    result = case.result
    stored = case.found or baseline_of(result)
    row |= {
        "settings": _json(result.identity),
        "metric": result.quantized.metric,
        "score": float(result.quantized.score),
        "drop_points": _drop(result),
        "counts": _json(stored.quantized),
        "fp32": _json(stored.fp32) if result.fp32 else None,
        "seconds": result.seconds,
        "digest": result.digest,
    }
    contents = {
        "layers": _json(_columns(stored)),
        "samples": _json(_samples(result.quantized)),
        "predictions": _json(_predictions(stored)),
    }
    return row, contents


def _worst(case: CaseOutcome) -> Outcome:
    """The verdict that decides; of equal exit codes the last in the order of Outcome."""
    order = list(Outcome)
    outcomes = [verdict.outcome for verdict in case.verdicts]
    return max(outcomes, key=lambda found: (found.exit_code, order.index(found)))


def _columns(stored: Baseline) -> dict[str, dict[str, list[object]]]:
    """Mode -> figure -> its values in execution order."""
    return {
        mode: {
            name: [getattr(row, name) for row in rows]
            for name in (type(rows[0]).model_fields if rows else ())
        }
        for mode, rows in stored.layers.items()
    }


def _samples(result: EvalResult) -> dict[str, object]:
    """Names of the samples, and the classes that would be right."""
    labels = result.labels.tolist() if isinstance(result, ClassifyResult) else None
    return {"ids": list(result.ids), "labels": labels}


def _predictions(stored: Baseline) -> list[str]:
    """One text a sample: its class, its score, or its boxes, as of a baseline."""
    if "top1_correct" in stored.quantized:
        return " ".join(stored.predictions).split()
    return list(stored.predictions)


def _drop(result: CaseResult) -> float | None:
    if result.fp32 is None:
        return None
    return float(100 * (result.fp32.exact - result.quantized.exact))


def run_versions() -> dict[str, str]:
    """Versions of emu, of what it stands on, and of Python."""
    return {**package_versions(), "python": platform.python_version()}


def machine_name() -> str:
    """Name, system and architecture of this machine."""
    where = platform.uname()
    return f"{where.node} {where.system} {where.machine}"


def commit_of(suite: Path) -> str | None:
    """The commit that the folder of a suite is at; None without git or a repository."""
    folder = suite if suite.is_dir() else suite.parent
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), "rev-parse", "--verify", "HEAD"],
            capture_output=True,
            text=True,
            timeout=_GIT_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def _json(value: object) -> str:
    """Equal values give equal text."""
    return json.dumps(
        strict_json(value), sort_keys=True, separators=(",", ":"), allow_nan=False
    )
