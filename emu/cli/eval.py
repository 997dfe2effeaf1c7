"""emu eval: what a model gets right on a dataset."""

# ruff: noqa: PLC0415 - JAX is imported only by a command that runs

from rich.text import Text

from emu.cli import options
from emu.cli.exits import HOLDS
from emu.cli.terminal import progress, show, show_json


def evaluate(
    model: options.Model,
    *,
    data: options.Data = None,
    target: options.Target = None,
    calibration: options.Calibration = None,
    recipe: options.RecipeFile = None,
    batch_size: options.BatchSize = 32,
    as_json: options.Json = False,
) -> int:
    """Measure Top-1 and Top-5 (or the model's own metric) on a dataset.

    A float model runs as FP32, or quantized in memory with --target; a quantized file
    runs as --target, by default as its usual engine does.
    """
    from emu.cli.models import (
        Quantization,
        default_note,
        open_quantized,
        target_name,
    )
    from emu.evaluate import evaluate_graph
    from emu.evaluate.feeds import open_data
    from emu.report import eval_json, eval_table

    wish = Quantization(
        target=target, calibration=calibration, recipe=recipe, batch_size=batch_size
    )
    entry, graph = open_quantized(model, wish, quiet=as_json)
    dataset = open_data(entry, data)
    with progress("evaluating", quiet=as_json) as tell:
        result = evaluate_graph(graph, entry, dataset, batch_size, tell)
    ran_on = target_name(graph) or "fp32"
    if as_json:
        show_json(eval_json(result, entry.name, dataset.name, ran_on))
    else:
        show(eval_table(result, model=entry.name, data=dataset.name, target=ran_on))
        note = default_note(entry, graph, target)
        show(*([Text("\n" + note, "dim")] if note else []))
    return HOLDS
