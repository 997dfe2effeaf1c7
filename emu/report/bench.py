"""`emu bench` on the terminal: engines side by side, a row for each batch size."""

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from emu.evaluate.bench import EMU, BenchResult
from emu.evaluate.pipeline_bench import STAGES, PipelineBench


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


def render_pipeline(found: PipelineBench) -> RenderableType:
    """Samples per second of whole evaluations, and where the time of a pass goes."""
    table = Table(box=None, pad_edge=False, title_justify="left", header_style="bold")
    table.add_column("engine")
    for head in ("samples/s", f"{EMU} /", found.metric, *(f"{s} s" for s in STAGES)):
        table.add_column(head, justify="right")
    for name, rate in found.engines.items():
        ratio = found.ratios.get(f"{EMU}/{name}")
        table.add_row(
            name,
            _rate(rate),
            "" if ratio is None else Text(f"{ratio:.2f}x", "bold"),
            f"{found.scores[name]:.4f}",
            *(f"{spent:.2f}" for spent in found.profile[name].values()),
        )
    title = Text.assemble((found.model, "bold"), f" on {found.data}, {found.target}")
    legend = (
        f"median of {found.rounds} passes over {found.samples} samples in batches of "
        f"{found.batch}, the engines in turn,\n{found.threads} threads each; samples: "
        "waiting for decoding and preprocessing; outputs: boxes or counts of them"
    )
    return Group(title, "", table, "", Text(legend, "dim"))


def _legend(found: BenchResult) -> str:
    rounds = len(next(iter(found.runs[0].rates.values())))
    engines = ", ".join(f"{name} {text}" for name, text in found.versions.items())
    return (
        f"median of {rounds} turns, the engines in turn, {found.threads} threads each, "
        f"NumPy in to NumPy out; {engines}"
    )


def _rate(rate: float) -> str:
    return f"{rate:,.0f}" if rate >= 100 else f"{rate:.1f}"
