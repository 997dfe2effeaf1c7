"""emu compare: an integer program beside golden FP32, an engine or a hardware dump."""

# ruff: noqa: PLC0415 - JAX is imported only by a command that runs

from enum import Enum
from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from emu.cli import options
from emu.cli.exits import HOLDS, REGRESSED
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
    Modes | None,
    typer.Option(
        "--mode",
        help="Feed layers with the integer network before them (cumulative), with "
        "golden values (isolated), or show both.  [default: both]",
        show_default=False,
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
        help="The file that the program was made from, if it has moved.",
        show_default=False,
        metavar="M",
    ),
]
Against = Annotated[
    str | None,
    typer.Option(
        "--against",
        help="Compare bit for bit with litert-ref, litert, litert-xnnpack, "
        "onnxruntime or onnxruntime-optimized running the same quantized file, or "
        "with a device's tensors: a folder of .npy files or an .npz file.",
        show_default=False,
        metavar="ENGINE|DUMP",
    ),
]


def compare(
    program: options.Model,
    *,
    against: Against = None,
    data: options.DataOrRandom = None,
    samples: Samples = 64,
    mode: Mode = None,
    worst: Worst = None,
    model: Source = None,
    target: options.Target = None,
    calibration: options.Calibration = None,
    recipe: options.RecipeFile = None,
    batch_size: options.BatchSize = 32,
    as_json: options.Json = False,
) -> int:
    """Compare every quantized layer with golden FP32, or bit for bit with --against.

    MODEL is an .emu file, a quantized file, or a float model with --target, quantized
    in memory. With --against, exits with 0 if all integer tensors are equal, 1 if any
    differs; floats are told beside them and decide only where there are no integers.
    """
    from emu.cli.models import (
        Quantization,
        default_note,
        open_quantized,
        require_program,
        target_name,
    )
    from emu.compare import Mode as LayerMode
    from emu.errors import ConfigError
    from emu.evaluate.against import compare_against
    from emu.evaluate.golden import compare_golden
    from emu.report import against_json, compare_json, layer_table, render_against

    if against is not None and mode is not None:
        raise ConfigError("means nothing with --against", where="--mode")
    wish = Quantization(
        target=target, calibration=calibration, recipe=recipe, batch_size=batch_size
    )
    entry, graph = open_quantized(program, wish, quiet=as_json)
    require_program(graph, entry)
    common = {
        "data": data,
        "samples": samples,
        "model": model,
        "batch_size": batch_size,
    }
    if against is None:
        one = mode not in (None, Modes.BOTH)
        modes = (LayerMode(mode.value),) if mode and one else tuple(LayerMode)
        with progress("comparing", quiet=as_json) as tell:
            report, fed = compare_golden(graph, entry, modes, **common, progress=tell)
        if as_json:
            show_json({**compare_json(report, graph), "data": fed})
        else:
            show(layer_table(report, limit=worst, title=f"{entry.name} on {fed}"))
        return HOLDS
    with progress("comparing", quiet=as_json) as tell:
        found, fed = compare_against(graph, entry, against, **common, progress=tell)
    name = target_name(graph)
    if as_json:
        told = {"model": entry.name, "target": name, "data": fed}
        show_json({**told, **against_json(found)})
    else:
        title = f"{entry.name} for {name}" if name else entry.name
        show(render_against(found, title=f"{title} on {fed}", limit=worst))
        note = default_note(entry, graph, target)
        show(*([Text(note, "dim")] if note else []))
    return REGRESSED if found.first_divergence else HOLDS
