"""`emu compile --to vectors` on the terminal: the layers that were written."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text


def render_vectors(manifest: Mapping[str, Any], folder: Path) -> RenderableType:
    """One row a layer: where it is, what it computes, how many words come out."""
    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column("folder")
    table.add_column("operators")
    table.add_column("expected")
    table.add_column("words", justify="right")
    for layer in manifest["layers"]:
        expected = layer["files"]["expected"]
        shape = "x".join(map(str, expected["shape"]))
        table.add_row(
            Text(layer["folder"]),
            ", ".join(operator["op"] for operator in layer["operators"]),
            f"{expected['format']} {shape}",
            str(expected["words"]),
        )
    floats = [f"{part['layer']} ({part['op']})" for part in manifest["not_exported"]]
    written = Text.assemble(
        (str(folder), "bold"), f"  {len(manifest['layers'])} layers"
    )
    if not floats:
        return Group(written, table)
    return Group(written, table, Text(f"not exported, in float: {', '.join(floats)}"))
