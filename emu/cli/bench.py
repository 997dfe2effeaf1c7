"""emu bench: the emulator's throughput beside other engines."""

# ruff: noqa: PLC0415 - JAX is imported only by a command that runs

from typing import Annotated

import typer

from emu.cli import options
from emu.cli.exits import HOLDS
from emu.cli.terminal import progress, show, show_json

Batches = Annotated[
    list[int] | None,
    typer.Option(
        "--batch",
        help="Samples per batch; repeatable.  [default: 32 and 1]",
        show_default=False,
        min=1,
        max=65536,
    ),
]
Seconds = Annotated[
    float,
    typer.Option(
        "--seconds", help="Time for each engine and batch size.", min=0.01, max=3600
    ),
]
DEFAULT_TARGET = "generic-int8"


def bench(
    model: options.Model,
    *,
    batch_sizes: Batches = None,
    seconds: Seconds = 3.0,
    target: options.Target = None,
    as_json: options.Json = False,
) -> int:
    """Measure samples per second beside ONNX Runtime or LiteRT.

    A float model is quantized on random samples, for generic-int8 unless --target
    says otherwise: the time is that of the real program, its outputs mean nothing.
    A quantized file runs as --target, by default as its usual engine does. All inputs
    are random.
    """
    from emu.cli.models import Quantization, open_as_it_is
    from emu.evaluate import Kind, kind_of
    from emu.evaluate.bench import bench_program, random_program
    from emu.evaluate.golden import golden_source
    from emu.report.bench import render_bench
    from emu.targets import find_target

    wanted = find_target(target or DEFAULT_TARGET)
    entry, program = open_as_it_is(model, Quantization(target=target))
    with progress("quantizing", quiet=as_json) as tell:
        if kind_of(program) is Kind.FLOAT:
            program = random_program(program, wanted)
        source = golden_source(program, entry.file)
        found = bench_program(program, source, batch_sizes or (32, 1), seconds, tell)
    if as_json:
        show_json(found.to_json())
    else:
        show(render_bench(found))
    return HOLDS
