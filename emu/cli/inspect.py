"""emu inspect: what a model or program is made of."""

# ruff: noqa: PLC0415 - JAX is imported only by a command that runs

from typing import Annotated

import typer
from rich.text import Text

from emu.cli import options
from emu.cli.exits import HOLDS
from emu.cli.terminal import show, show_json

Against = Annotated[
    str | None,
    typer.Option(
        "--target",
        help="Tell what this accelerator cannot run of a float model, or show a "
        "quantized file as it runs it: a name that `emu targets` lists, or a .toml "
        "file.",
        show_default=False,
        metavar="T",
    ),
]


def inspect(
    model: options.Model,
    *,
    target: Against = None,
    as_json: options.Json = False,
) -> int:
    """Show operators, tensors, MACs, parameters, and what a target cannot run.

    The layers of a float model are shown as quantization sees them, with the names
    that a recipe uses. An .emu file, or a quantized one as --target runs it (by
    default as its usual engine does), shows the worst case of each accumulator.
    """
    from emu.cli.models import Quantization, default_note, open_as_it_is
    from emu.evaluate.inspection import inspect_graph
    from emu.report.inspection import render_inspection
    from emu.targets import find_target

    against = find_target(target) if target else None
    entry, graph = open_as_it_is(model, Quantization(target=target))
    found = inspect_graph(graph, against)
    if as_json:
        show_json({**found.to_json(), "file": str(entry.file)})
    else:
        show(render_inspection(found))
        note = default_note(entry, graph, target)
        show(*([Text("\n" + note, "dim")] if note else []))
    return HOLDS
