"""The source model of an integer program: found, and proved to be the same file."""

import hashlib
from pathlib import Path

from emu.errors import MissingError, ModelError
from emu.graph import Graph


def golden_source(graph: Graph, program: Path, moved_to: Path | None = None) -> Path:
    """The model file that gives golden outputs for an integer Graph.

    Arguments:
        graph: of the program.
        program: its file (or the model's, if quantized in memory), for messages.
        moved_to: where the source model lies now; None for where it lay.

    Raises:
        MissingError: the file is not there.
        ModelError: it is not the file that the program was made from.
    """
    if moved_to is not None and not moved_to.is_file():
        raise MissingError("there is no such file", file=moved_to)
    path = moved_to or Path(str(graph.provenance.get("source", "")))
    if not path.is_file():
        raise MissingError(
            f"its source model {str(path)!r} is not there; golden outputs need it",
            file=program,
        )
    wanted = graph.provenance.get("sha256")
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if wanted is not None and found != wanted:
        raise ModelError(
            f"is not the model that {program.name} was made from: found sha256 "
            f"{found[:12]}, expected {str(wanted)[:12]}",
            file=path,
        )
    return path
