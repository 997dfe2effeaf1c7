"""Where a gate run goes beside the terminal: history, JUnit XML, GitHub."""

# ruff: noqa: PLC0415 - JAX is imported only by a command that runs

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
    as_json: bool,
) -> list[EmuError]:
    """Write a gate run to all of its places; returns what could not be written.

    One place that fails does not stop the others. `history` and `junit` are files, or
    None for none; GitHub's files are those that its environment names.
    """
    from emu.gate import append_run
    from emu.report.github import annotations, append_summary, on_github
    from emu.report.junit import write_junit

    places: list[Callable[[], object]] = []
    if history is not None:
        places.append(
            partial(
                append_run,
                history,
                result,
                suite=suite,
                started=started,
                duration=(datetime.now(UTC) - started).total_seconds(),
            )
        )
    if junit is not None:
        places.append(partial(write_junit, junit, result))
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
