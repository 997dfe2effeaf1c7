"""What was recorded of golden FP32 outputs, as a table and as JSON."""

from collections.abc import Sequence
from typing import Any

from rich.console import RenderableType
from rich.table import Table

from emu.gate import Recorded


def golden_table(recorded: Sequence[Recorded]) -> RenderableType:
    """A row for each model: samples, tensors kept of those there are, sizes, status."""
    table = Table(
        title="golden FP32 outputs", title_justify="left", box=None, pad_edge=False
    )
    table.add_column("model")
    for name in ("samples", "tensors", "raw KiB", "stored KiB"):
        table.add_column(name, justify="right")
    table.add_column("recording")
    for one in recorded:
        found = one.recording
        figures = ("-",) * 4
        if found:
            figures = (
                str(len(found.samples)),
                f"{len(found.tensors)} of {found.available}",
                f"{found.nbytes / 1024:.1f}",
                f"{one.stored_bytes / 1024:.1f}",
            )
        table.add_row(one.model, *figures, one.status.value)
    return table


def golden_json(recorded: Sequence[Recorded]) -> dict[str, Any]:
    """The stable names of `emu gate --record-golden --json`."""
    return {"golden": [_row(one) for one in recorded]}


def _row(one: Recorded) -> dict[str, Any]:
    row: dict[str, Any] = {
        "model": one.model,
        "status": one.status.value,
        "folder": None if one.folder is None else str(one.folder),
    }
    if one.recording:
        row |= {
            "samples": len(one.recording.samples),
            "tensors": len(one.recording.tensors),
            "available": one.recording.available,
            "raw_bytes": one.recording.nbytes,
            "stored_bytes": one.stored_bytes,
        }
    return row | ({"error": one.error.to_json()} if one.error else {})
