"""What commands write: results to stdout, progress and errors to stderr."""

import json
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final, Protocol

from rich.console import Console, RenderableType
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
)

from emu.cli.interrupt import raise_if_told
from emu.errors import EmuError
from emu.jsondata import strict_json

# Columns of a table that goes to a file or a pipe; COLUMNS in the environment wins.
_FILE_WIDTH: Final = 100


class Bar(Protocol):
    """Moves a progress bar; a label replaces the one it began with."""

    def __call__(self, done: int, total: int, label: str | None = None) -> None:
        """Show `done` of `total`."""
        ...


def show(*renderables: RenderableType) -> None:
    """Print tables and lines for people on stdout."""
    free = sys.stdout.isatty() or "COLUMNS" in os.environ
    console = Console(highlight=False, width=None if free else _FILE_WIDTH)
    for renderable in renderables:
        console.print(renderable)


def show_json(value: Mapping[str, Any]) -> None:
    """Print one JSON object on one line of stdout (numbers as `strict_json` says)."""
    sys.stdout.write(json.dumps(strict_json(value), allow_nan=False) + "\n")


def show_error(error: EmuError, *, as_json: bool) -> None:
    """Print one line on stderr, and the parts as JSON on stdout if asked for."""
    if as_json:
        show_json({"error": error.to_json()})
    sys.stderr.write(f"error: {' '.join(str(error).split())}\n")


def show_note(text: str) -> None:
    """Print one line on stderr that people should see, whatever stdout is for."""
    sys.stderr.write(f"note: {' '.join(text.split())}\n")


@contextmanager
def progress(label: str, *, quiet: bool) -> Iterator[Bar]:
    """Give a function (finished, all) that moves a bar on stderr.

    There is no bar if `quiet`, or if stderr is no terminal.
    """
    console = Console(stderr=True)
    if quiet or not console.is_terminal:
        yield _hidden
        return
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task(label, total=None)

        def move(done: int, total: int, label: str | None = None) -> None:
            raise_if_told()
            bar.update(task, completed=done, total=total, description=label)

        yield move


def _hidden(done: int, total: int, label: str | None = None) -> None:
    """A bar that is not drawn."""
    del done, total, label
    raise_if_told()
