"""`emu inspect` on the terminal: a header, the layers, totals, what needs attention."""

from typing import Final

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from emu.evaluate.inspection import Inspection, LayerInfo, Runs, TensorInfo
from emu.report.numbers import (
    bytes_text,
    compression_text,
    count_text,
    name_text,
    shape_text,
)
from emu.report.shares import share_text

# Columns for a layer's name; the figures beside it must not give way.
_NAME: Final = 24
_LARGEST: Final = 40


def render_inspection(found: Inspection) -> RenderableType:
    """Everything that `emu inspect` says to people."""
    parts: list[RenderableType] = [_header(found), "", _layers(found), ""]
    parts += [_totals(found), *_attention(found)]
    return Group(*parts)


def _header(found: Inspection) -> RenderableType:
    kind = "integer program" if found.integer else "float model"
    against = ""
    if found.target:
        against = (
            f" for {found.target}" if found.integer else f" against {found.target}"
        )
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="dim")
    grid.add_column()
    grid.add_row("model", Text.assemble((found.name, "bold"), f"  {kind}{against}"))
    grid.add_row("input", Text(", ".join(map(_described, found.inputs))))
    grid.add_row("output", Text(", ".join(map(_described, found.outputs))))
    counts = (f"{count} {name}" for name, count in found.operators.items())
    grid.add_row("operators", Text(", ".join(counts)))
    return grid


def _described(tensor: TensorInfo, width: int = 1000) -> str:
    name = name_text(tensor.name, width)
    return f"{name} {tensor.dtype} {shape_text(tensor.shape)}"


def _layers(found: Inspection) -> Table:
    table = Table(box=None, padding=(0, 1, 0, 0), header_style="bold")
    table.add_column("layer", no_wrap=True)
    table.add_column("operator", max_width=15, no_wrap=True, overflow="ellipsis")
    for name in ("output", "MACs", "parameters"):
        table.add_column(name, justify="right", no_wrap=True)
    placed = any(layer.runs for layer in found.layers)
    if placed:
        table.add_column("runs in", no_wrap=True)
    if found.integer:
        table.add_column("sum bits", justify="right", no_wrap=True)
        table.add_column("carrier", no_wrap=True)
    for layer in found.layers:
        cells = [
            Text(name_text(layer.name, _NAME)),
            Text(layer.op),
            shape_text(layer.shape),
        ]
        cells += [count_text(layer.macs), count_text(layer.parameters)]
        cells += [_place(layer)] if placed else []
        cells += _sums(layer) if found.integer else []
        table.add_row(*cells)
    return table


def _place(layer: LayerInfo) -> Text:
    styles = {Runs.INTEGER: "", Runs.EDGE: "dim", Runs.FLOAT: "yellow"}
    if layer.runs is None:
        return Text("")
    if layer.runs is Runs.INTEGER and layer.dtype.startswith(("int", "uint")):
        return Text(layer.dtype)
    if layer.runs is Runs.FLOAT:
        return Text(layer.dtype, styles[layer.runs])
    return Text(layer.runs.value, styles.get(layer.runs, "red"))


def _sums(layer: LayerInfo) -> list[Text]:
    if layer.sums is None:
        return [Text(""), Text("")]
    style = "bold red" if layer.sums.can_overflow else ""
    bits = f"{layer.sums.worst_bits} of {layer.sums.bits}"
    return [Text(bits, style), Text(layer.sums.carrier)]


def _totals(found: Inspection) -> Text:
    largest = found.largest
    smaller = ""
    if found.compression.compressed:
        smaller = f"\nweights {compression_text(found.compression)}"
    return Text(
        f"{len(found.layers)} layers, {found.macs:,} MACs a sample, "
        f"{found.parameters:,} parameters ({bytes_text(found.constant_bytes)})\n"
        f"{found.tensors} tensors, the largest {_described(largest, _LARGEST)}"
        f"{smaller}" + (f"\nMACs {share_text(found.shares)}" if found.shares else "")
    )


def _attention(found: Inspection) -> list[Text]:
    """What the target does not run in integers, and sums that could overflow."""
    lines = [
        Text.assemble("\n", (f"{layer.name}: ", "bold"), (layer.reason, style))
        for runs, style in ((Runs.REFUSED, "red"), (Runs.FLOAT, "yellow"))
        for layer in found.running(runs)
        if layer.reason
    ]
    for layer in found.layers:
        if layer.sums and layer.sums.can_overflow:
            reach = f"sums may need {layer.sums.worst_bits} bits; the accumulator has "
            what = f"{layer.sums.bits} and then does {layer.sums.overflow}"
            lines.append(Text.assemble("\n", (f"{layer.name}: ", "bold"), reach + what))
    if not lines and found.target and not found.integer:
        lines.append(Text(f"\n{found.target} runs every layer in integers", "green"))
    return lines
