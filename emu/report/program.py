"""`emu optimize` on the terminal and as JSON: the program that was written."""

from pathlib import Path
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from emu.evaluate.inspection import Inspection, Runs
from emu.graph import Graph, mac_shares
from emu.report.numbers import bytes_text, compression_text
from emu.report.shares import share_text


def program_json(
    found: Inspection, graph: Graph, model: str, file: Path
) -> dict[str, Any]:
    """The stable names of `emu optimize --json`."""
    calibration = graph.provenance.get("calibration")
    return {
        "model": model,
        "target": found.target,
        "file": str(file),
        "bytes": file.stat().st_size,
        "layers_integer": len(found.running(Runs.INTEGER)),
        "layers_float": len(found.running(Runs.FLOAT)),
        **mac_shares(graph).to_json(),
        "calibration": calibration,
        "weight_compression": found.compression.to_json(),
        "balancing": graph.provenance.get("balancing"),
    }


def render_program(found: Inspection, graph: Graph, file: Path) -> RenderableType:
    """What was made, of what, and which layers stay in float."""
    floats = found.running(Runs.FLOAT)
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="dim")
    grid.add_column()
    grid.add_row("target", Text(found.target or ""))
    calibration = graph.provenance.get("calibration")
    if isinstance(calibration, dict):
        used = f"{calibration['data']}, {calibration['samples']} samples"
        grid.add_row("calibration", Text(used))
    grid.add_row("layers", Text(f"{len(found.running(Runs.INTEGER))} on integers"))
    for dtype in dict.fromkeys(layer.dtype for layer in floats):
        some = [layer for layer in floats if layer.dtype == dtype]
        names = ", ".join(f"{layer.name} ({layer.op})" for layer in some)
        grid.add_row("", Text(f"{len(some)} in {dtype}: {names}"))
    if found.shares:
        grid.add_row("MACs", Text(share_text(found.shares)))
    if found.compression.compressed:
        grid.add_row("weights", Text(compression_text(found.compression)))
    for row in _balancing(graph):
        grid.add_row("balancing", Text(row))
    at_risk = sum(
        bool(layer.sums and layer.sums.can_overflow) for layer in found.layers
    )
    if at_risk:
        grid.add_row("accumulators", Text(f"{at_risk} could overflow", "red"))
    written = Text.assemble((str(file), "bold"), f"  {bytes_text(file.stat().st_size)}")
    return Group(written, grid)


def _balancing(graph: Graph) -> list[str]:
    """Which layers are balanced with the ones before them, and why others are not."""
    record = graph.provenance.get("balancing")
    if not isinstance(record, dict):
        return []
    names = ", ".join(record["layers"]) or "none"
    rows = [f"{len(record['layers'])} layers: {names}"]
    return rows + [f"not {name}: {why}" for name, why in record["left"].items()]
