"""emu compile: the integer program in the form that another tool reads."""

# ruff: noqa: PLC0415 - JAX is imported only by a command that runs

from enum import Enum
from pathlib import Path
from typing import Annotated, Any

import typer

from emu.cli import options
from emu.cli.exits import HOLDS
from emu.cli.terminal import progress, show, show_json, show_note
from emu.errors import ConfigError


class Forms(Enum):
    """What a program can become."""

    VECTORS = "vectors"
    AMCT_RECORD = "amct-record"


To = Annotated[
    Forms,
    typer.Option(
        "--to",
        help="vectors: inputs, constants and expected outputs of every layer as hex "
        "files for $readmemh, with a manifest and a Verilog bench. amct-record: scales "
        "and offsets in a record file of AMCT's.",
        show_default=False,
    ),
]
Output = Annotated[
    Path,
    typer.Option(
        "-o",
        "--output",
        help="The folder (vectors) or file (amct-record) to write; an older export "
        "there is replaced.",
        show_default=False,
        metavar="OUT",
    ),
]
Data = Annotated[
    str,
    typer.Option(
        "--data",
        help="What goes into the program: a dataset as for `emu eval`, or "
        "random[:N[:SEED]] over the range of its inputs.",
        metavar="DATA",
    ),
]
Samples = Annotated[
    int, typer.Option("--samples", help="Run the first so many samples.", min=1)
]
Layers = Annotated[
    str,
    typer.Option(
        "--layers",
        help="Only layers whose name fits, with * and ? for anything.",
        metavar="PATTERN",
    ),
]
Force = Annotated[
    bool, typer.Option("--force", help="Replace a folder that holds other files.")
]


def compile_program(
    program: options.Model,
    *,
    to: To,
    output: Output,
    data: Data = "random",
    samples: Samples = 1,
    layers: Layers = "*",
    force: Force = False,
    target: options.Target = None,
    calibration: options.Calibration = None,
    recipe: options.RecipeFile = None,
    batch_size: options.BatchSize = 32,
    as_json: options.Json = False,
) -> int:
    """Write an integer program for hardware test benches or for other tools.

    MODEL is an .emu file, a quantized file, or a float model with --target, quantized
    in memory.
    """
    from emu.cli.models import Quantization, open_quantized, require_program
    from emu.export import (
        check_file,
        check_folder,
        export_record,
        export_vectors,
        open_stimuli,
        program_origin,
    )
    from emu.report.vectors import render_vectors

    if to is Forms.AMCT_RECORD:
        _refuse_options(data=data, samples=samples, layers=layers, force=force)
        check_file(output)
    else:
        check_folder(output, force=force)
    wish = Quantization(
        target=target, calibration=calibration, recipe=recipe, batch_size=batch_size
    )
    entry, graph = open_quantized(program, wish, quiet=as_json)
    require_program(graph, entry)
    origin = program_origin(graph, entry)
    if to is Forms.AMCT_RECORD:
        return _tell_record(export_record(graph, output, origin), as_json=as_json)
    graph, inputs, about = open_stimuli(graph, entry, data, samples)
    origin = {"program": origin, "inputs": about}
    with progress("writing", quiet=as_json):
        manifest = export_vectors(
            graph, inputs, output, origin, layers=layers, force=force
        )
    if as_json:
        show_json(manifest)
    else:
        show(render_vectors(manifest, output))
    return HOLDS


def _refuse_options(*, data: str, samples: int, layers: str, force: bool) -> None:
    """A record has all layers and needs no inputs; it replaces a file."""
    given = {
        "--data": data != "random",
        "--samples": samples != 1,
        "--layers": layers != "*",
        "--force": force,
    }
    for option in (option for option, is_given in given.items() if is_given):
        raise ConfigError("means nothing with --to amct-record", where=option)


def _tell_record(made: dict[str, Any], *, as_json: bool) -> int:
    from emu.report.record import render_record

    if as_json:
        show_json(made)
    else:
        show(render_record(made))
    for note in made["notes"]:
        show_note(note)
    return HOLDS
