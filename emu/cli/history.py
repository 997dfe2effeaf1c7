"""emu history and emu diff: the runs of the gate, and what changed between two."""

# ruff: noqa: PLC0415 - JAX is imported only by a command that runs

from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from emu.cli import options
from emu.cli.exits import HOLDS
from emu.cli.terminal import show, show_json
from emu.config import nearest
from emu.errors import MissingError

if TYPE_CHECKING:
    import pandas as pd

File = Annotated[
    Path | None,
    typer.Option(
        "--history",
        help="The history file; by default .emu/history.db here or in the nearest "
        "folder around.",
        show_default=False,
        metavar="FILE",
    ),
]
Limit = Annotated[int, typer.Option("--limit", help="Rows to show.", min=1)]


def history(
    case: Annotated[
        str | None,
        typer.Argument(
            help="A case, as CASE or SUITE/CASE; * stands for anything.",
            show_default=False,
            metavar="CASE",
        ),
    ] = None,
    *,
    file: File = None,
    limit: Limit = 30,
    as_json: options.Json = False,
) -> int:
    """Show the runs of the gate over time, and the trend of every case."""
    from emu.gate import find_history, load_history
    from emu.report.history import history_json, history_table

    path = file or find_history(Path())
    rows = load_history(path)
    if case is not None:
        rows = _of_case(rows, case, path)
    if as_json:
        show_json(history_json(rows))
    else:
        show(history_table(rows, limit=limit))
    return HOLDS


def diff(
    run_a: Annotated[
        str,
        typer.Argument(
            help="Number of the older run; -1 is the last one, -2 the one before.",
            metavar="RUN_A",
        ),
    ] = "-2",
    run_b: Annotated[
        str, typer.Argument(help="Number of the newer run.", metavar="RUN_B")
    ] = "-1",
    *,
    file: File = None,
    limit: Limit = 10,
    as_json: options.Json = False,
) -> int:
    """Show what changed between two runs of the gate, per layer and per sample."""
    from emu.gate import diff_runs, find_history, find_run
    from emu.report.history import diff_json, diff_report

    path = file or find_history(Path())
    found = diff_runs(path, find_run(path, run_a), find_run(path, run_b))
    if as_json:
        show_json(diff_json(found))
    else:
        show(diff_report(found, limit=limit))
    return HOLDS


def _of_case(rows: "pd.DataFrame", wanted: str, path: Path) -> "pd.DataFrame":
    """The rows of the cases that are meant; MissingError if there is none."""
    full = rows["suite"] + "/" + rows["case"]
    meant = [
        fnmatchcase(case, wanted) or fnmatchcase(name, wanted)
        for case, name in zip(rows["case"], full, strict=True)
    ]
    if not any(meant):
        known = nearest(wanted, sorted(set(rows["case"])))
        raise MissingError(f"no run has a case {wanted!r}{known}", file=path)
    return rows.loc[meant]
