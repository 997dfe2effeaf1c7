"""emu optimize: a float model becomes the integer program of an accelerator."""

# ruff: noqa: PLC0415 - JAX is imported only by a command that runs

from pathlib import Path
from typing import Annotated

import typer

from emu.cli import options
from emu.cli.exits import HOLDS
from emu.cli.terminal import show, show_json
from emu.errors import ConfigError, MissingError

Output = Annotated[
    Path,
    typer.Option(
        "-o",
        "--output",
        help="The program to write.",
        show_default=False,
        metavar="F.emu",
    ),
]
TheTarget = Annotated[
    str,
    typer.Option(
        "--target",
        help="A name that `emu targets` lists, or a .toml file.",
        show_default=False,
        metavar="T",
    ),
]
RecordFile = Annotated[
    Path | None,
    typer.Option(
        "--record",
        help="Factors as AMCT records them; what they say is not calibrated.",
        show_default=False,
        metavar="FILE",
    ),
]


def optimize(
    model: options.Model,
    *,
    target: TheTarget,
    output: Output,
    calibration: options.Calibration = None,
    recipe: options.RecipeFile = None,
    record: RecordFile = None,
    batch_size: options.BatchSize = 32,
    as_json: options.Json = False,
) -> int:
    """Quantize a float model for a target and write the integer program."""
    from emu.cli.models import Quantization, open_quantized
    from emu.evaluate.inspection import inspect_graph
    from emu.graph import save_graph
    from emu.report.program import program_json, render_program

    require_writable(output)
    wish = Quantization(
        target=target,
        calibration=calibration,
        recipe=recipe,
        record=record,
        batch_size=batch_size,
    )
    entry, graph = open_quantized(model, wish, quiet=as_json)
    found = inspect_graph(graph)
    save_graph(graph, output)
    if as_json:
        show_json(program_json(found, graph, entry.name, output))
    else:
        show(render_program(found, graph, output))
    return HOLDS


def require_writable(output: Path) -> None:
    """Refuse, before the long work, a file that could not be written or read back."""
    if output.suffix.lower() != ".emu":
        raise ConfigError(
            f"found {output.name!r}; a program's name ends in .emu", where="-o"
        )
    if output.is_dir():
        raise ConfigError("is a folder", file=output, where="-o")
    if not output.parent.is_dir():
        raise MissingError(f"there is no folder {output.parent}", where="-o")
