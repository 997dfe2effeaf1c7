"""`emu bench` on the terminal: engines side by side, a row for each batch size."""

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from emu.evaluate.bench import EMU, BenchResult


def render_bench(found: BenchResult) -> RenderableType:
    """Samples per second, and the emulator's throughput over each other engine's."""
    table = Table(box=None, pad_edge=False, title_justify="left", header_style="bold")
    names = list(found.runs[0].rates)
    table.add_column("batch", justify="right")
    for name in names:
        table.add_column(f"{name}\nsamples/s", justify="right")
    for name in names:
        if name != EMU:
            table.add_column(f"{EMU} /\n{name}", justify="right")
    for run in found.runs:
        rates = [_rate(rate) for rate in run.engines.values()]
        ratios = [Text(f"{ratio:.2f}x", "bold") for ratio in run.ratios.values()]
        table.add_row(str(run.batch), *rates, *ratios)
    target = f"  for {found.target}" if found.target else ""
    title = Text.assemble((found.model, "bold"), target)
    notes = [
        Text(f"\nbatch {batch} left out: {reason}", "yellow")
        for batch, reason in found.left_out.items()
    ]
    return Group(title, "", table, *notes, "", Text(_legend(found), "dim"))


def _legend(found: BenchResult) -> str:
    rounds = len(next(iter(found.runs[0].rates.values())))
    engines = ", ".join(f"{name} {text}" for name, text in found.versions.items())
    return (
        f"median of {rounds} turns, the engines in turn, {found.threads} threads each, "
        f"NumPy in to NumPy out; {engines}"
    )


def _rate(rate: float) -> str:
    return f"{rate:,.0f}" if rate >= 100 else f"{rate:.1f}"
