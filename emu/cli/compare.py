"""emu compare: every layer of an integer program against golden FP32."""

# ruff: noqa: PLC0415 - JAX is imported only by a command that runs

from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from emu.cli import options
from emu.cli.exits import HOLDS
from emu.cli.terminal import progress, show, show_json


class Modes(Enum):
    """What each layer is fed with: the integer network before it, or golden values."""

    CUMULATIVE = "cumulative"
    ISOLATED = "isolated"
    BOTH = "both"


Samples = Annotated[
    int, typer.Option("--samples", help="Compare the first so many samples.", min=1)
]
Mode = Annotated[
    Modes,
    typer.Option(
        "--mode",
        help="Feed layers with the integer network before them (cumulative), with "
        "golden values (isolated), or show both.",
    ),
]
Worst = Annotated[
    int | None,
    typer.Option(
        "--worst", help="Show only the N worst layers.", show_default=False, min=1
    ),
]
Source = Annotated[
    Path | None,
    typer.Option(
        "--model",
        help="The ONNX file that the program was made from, if it has moved.",
        show_default=False,
        metavar="M.onnx",
    ),
]


def compare(
    program: options.Model,
    *,
    data: options.Data = None,
    samples: Samples = 64,
    mode: Mode = Modes.BOTH,
    worst: Worst = None,
    model: Source = None,
    target: options.Target = None,
    calibration: options.Calibration = None,
    recipe: options.RecipeFile = None,
    batch_size: options.BatchSize = 32,
    as_json: options.Json = False,
) -> int:
    """Compare every quantized layer with golden FP32 of ONNX Runtime.

    MODEL is an .emu file, or a float model with --target, quantized in memory.
    """
    from emu.cli.models import (
        Quantization,
        first_samples,
        open_data,
        open_quantized,
        require_program,
    )
    from emu.compare import Mode as LayerMode, compare_layers
    from emu.evaluate import model_inputs
    from emu.evaluate.golden import golden_source
    from emu.report import compare_json, layer_table

    wish = Quantization(
        target=target, calibration=calibration, recipe=recipe, batch_size=batch_size
    )
    entry, graph = open_quantized(program, wish, quiet=as_json)
    require_program(graph, entry)
    source = golden_source(graph, entry.file, model)
    dataset = first_samples(open_data(entry, data), samples)
    modes = tuple(LayerMode) if mode is Modes.BOTH else (LayerMode(mode.value),)
    done = 0
    with progress("comparing", quiet=as_json) as tell:

        def count(rows: int) -> None:
            nonlocal done
            done += rows
            tell(done, max(done, len(dataset)))

        inputs = model_inputs(dataset, entry, batch_size)
        report = compare_layers(graph, str(source), inputs, batch_size, modes, count)
    if as_json:
        show_json({**compare_json(report, graph), "data": dataset.name})
    else:
        title = f"{entry.name} on {dataset.name}"
        show(layer_table(report, limit=worst, title=title))
    return HOLDS
