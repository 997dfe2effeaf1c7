"""emu bench: the emulator's throughput beside other engines."""

# ruff: noqa: PLC0415 - JAX is imported only by a command that runs

from typing import Annotated, Any

import typer

from emu.cli import options
from emu.cli.exits import HOLDS
from emu.cli.terminal import progress, show, show_json
from emu.errors import ConfigError

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
PipelineData = Annotated[
    str | None,
    typer.Option(
        "--data",
        help="Measure all of `emu eval` on this data instead: decoding, preprocessing, "
        "the engine, boxes and metric.",
        show_default=False,
        metavar="DATA",
    ),
]
DEFAULT_TARGET = "generic-int8"


def bench(
    model: options.Model,
    *,
    batch_sizes: Batches = None,
    seconds: Seconds = 3.0,
    target: options.Target = None,
    data: PipelineData = None,
    calibration: options.Calibration = None,
    recipe: options.RecipeFile = None,
    as_json: options.Json = False,
) -> int:
    """Measure samples per second beside ONNX Runtime or LiteRT.

    A float model is quantized on random samples, for generic-int8 unless --target
    says otherwise: the time is that of the real program, its outputs mean nothing.
    A quantized file runs as --target, by default as its usual engine does. All inputs
    are random.

    With --data whole evaluations are measured, in turns with the same file in ONNX
    Runtime or LiteRT, and the model runs as by `emu eval`: a float one as FP32, or
    quantized with --target, --calib and --recipe.
    """
    if data is not None:
        wish = {"target": target, "calibration": calibration, "recipe": recipe}
        return _bench_evaluation(
            model, data, wish, batch_sizes or [32], seconds, as_json=as_json
        )
    for option, value in {"--calib": calibration, "--recipe": recipe}.items():
        if value is not None:
            raise ConfigError("means nothing without --data", where=option)
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


def _bench_evaluation(
    model: str,
    data: str,
    wish: dict[str, Any],
    batch_sizes: list[int],
    seconds: float,
    *,
    as_json: bool,
) -> int:
    """`emu bench --data`; `wish` holds what `Quantization` is made of."""
    from emu.cli.models import Quantization, open_quantized, target_name
    from emu.evaluate.feeds import open_data
    from emu.evaluate.golden import golden_source
    from emu.evaluate.pipeline_bench import bench_pipeline
    from emu.report.bench import render_pipeline

    if len(batch_sizes) > 1:
        raise ConfigError("found several; expected one with --data", where="--batch")
    (batch_size,) = batch_sizes
    quantization = Quantization(batch_size=batch_size, **wish)
    entry, graph = open_quantized(model, quantization, quiet=as_json)
    dataset = open_data(entry, data)
    with progress("measuring", quiet=as_json) as tell:
        found = bench_pipeline(
            graph,
            entry,
            golden_source(graph, entry.file),
            dataset,
            target=target_name(graph) or "fp32",
            batch_size=batch_size,
            seconds=seconds,
            progress=tell,
        )
    if as_json:
        show_json(found.to_json())
    else:
        show(render_pipeline(found))
    return HOLDS
