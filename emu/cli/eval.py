"""emu eval: what a model gets right on a dataset."""

# ruff: noqa: PLC0415 - JAX is imported only by a command that runs

from typing import Annotated

import typer
from rich.text import Text

from emu.cli import options
from emu.cli.exits import HOLDS
from emu.cli.terminal import progress, show, show_json

Engine = Annotated[
    str | None,
    typer.Option(
        "--engine",
        help="Run the model file in another engine instead: onnxruntime, litert-ref...",
        show_default=False,
        metavar="NAME",
    ),
]

ByClass = Annotated[
    bool, typer.Option("--by-class", help="Of a detector: each category's figures too.")
]
SkipBad = Annotated[
    bool,
    typer.Option(
        "--skip-bad",
        help="Leave out samples that cannot be read, and name them; without it the "
        "first one ends the run.",
    ),
]


def evaluate(
    model: options.Model,
    *,
    data: options.Data = None,
    target: options.Target = None,
    calibration: options.Calibration = None,
    recipe: options.RecipeFile = None,
    engine: Engine = None,
    by_class: ByClass = False,
    skip_bad: SkipBad = False,
    batch_size: options.BatchSize = 32,
    as_json: options.Json = False,
) -> int:
    """Measure Top-1, mAP or the model's own metric on a dataset.

    A float model runs as FP32, or quantized in memory with --target; a quantized file
    runs as --target, by default as its usual engine does. With --engine the file runs
    there, in the same pipeline.
    """
    from emu.cli.models import (
        Quantization,
        default_note,
        find_engine_model,
        open_quantized,
        target_name,
    )
    from emu.evaluate import DetectResult, evaluate_graph, sound_samples
    from emu.evaluate.engine import evaluate_engine
    from emu.evaluate.feeds import open_data
    from emu.report import eval_json, eval_table, skipped_lines
    from emu.report.detection import category_table

    wish = Quantization(
        target=target, calibration=calibration, recipe=recipe, batch_size=batch_size
    )
    if engine is not None:
        entry, note, ran_on = find_engine_model(model, wish, engine), None, engine
        graph = None
    else:
        entry, graph = open_quantized(model, wish, quiet=as_json)
        note, ran_on = default_note(entry, graph, target), target_name(graph) or "fp32"
    dataset, skipped = open_data(entry, data), None
    if skip_bad:
        dataset, skipped = sound_samples(dataset)
    with progress("evaluating", quiet=as_json) as tell:
        result = (
            evaluate_engine(ran_on, entry, dataset, batch_size, tell)
            if graph is None
            else evaluate_graph(graph, entry, dataset, batch_size, tell)
        )
    if as_json:
        show_json(eval_json(result, entry.name, dataset.name, ran_on, skipped))
    else:
        show(eval_table(result, model=entry.name, data=dataset.name, target=ran_on))
        if by_class and isinstance(result, DetectResult):
            show(Text(), category_table(result))
        show(*(skipped_lines(skipped) if skipped is not None else []))
        show(*([Text("\n" + note, "dim")] if note else []))
    return HOLDS
