"""Where a gate run goes beside the terminal: history, JUnit XML, HTML, GitHub."""

# ruff: noqa: PLC0415 - JAX is imported only by a command that runs

import shlex
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from emu.errors import EmuError

if TYPE_CHECKING:
    from emu.gate import GateResult


def publish(
    result: "GateResult",
    *,
    suite: Path,
    started: datetime,
    history: Path | None,
    junit: Path | None,
    html: Path | None,
    as_json: bool,
) -> list[EmuError]:
    """Write a gate run to all of its places; returns what could not be written.

    One place that fails does not stop the others. `history`, `junit` and `html` are files,
    or None for none; GitHub's files are those that its environment names.
    """
    from emu.gate.history import append_run, commit_of, machine_name, run_versions
    from emu.report.github import annotations, append_summary, on_github
    from emu.report.html import RunInfo, write_html
    from emu.report.junit import write_junit

    places: list[Callable[[], object]] = []
    seconds = (datetime.now(UTC) - started).total_seconds()
    if history is not None:
        places.append(
            partial(
                append_run,
                history,
                result,
                suite=suite,
                started=started,
                duration=seconds,
            )
        )
    if junit is not None:
        places.append(partial(write_junit, junit, result))
    if html is not None:
        run = RunInfo(
            started=started,
            seconds=seconds,
            command=shlex.join(["emu", *sys.argv[1:]]),
            commit=commit_of(suite) or "",
            machine=machine_name(),
            versions=run_versions(),
        )
        # After the history: its trends end with this run.
        places.append(partial(write_html, html, result, run, history))
    if on_github():
        # The runner reads both streams; stdout is for the one object of --json.
        stream = sys.stderr if as_json else sys.stdout
        stream.writelines(f"{line}\n" for line in annotations(result))
        places.append(partial(append_summary, result))
    return [error for place in places if (error := _attempt(place)) is not None]


def _attempt(place: Callable[[], object]) -> EmuError | None:
    try:
        place()
    except EmuError as error:
        return error
    return None
