"""emu tune: settings of quantization searched until the accuracy goal is met."""

# ruff: noqa: PLC0415 - JAX is imported only by a command that runs

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from emu.cli import options
from emu.cli.exits import HOLDS, REGRESSED
from emu.cli.optimize import Output, TheTarget, require_writable
from emu.cli.terminal import progress, show, show_json
from emu.errors import ConfigError

MaxDrop = Annotated[
    float,
    typer.Option(
        "--max-drop",
        help="Points of Top-1 (of 100 times the mAP or AUC) that may be lost against "
        "FP32.",
        min=-100,
        max=100,
    ),
]


class StrategyName(StrEnum):
    """The strategies by name."""

    SENSITIVITY = "sensitivity"
    LADDER = "ladder"


TheStrategy = Annotated[
    StrategyName,
    typer.Option(
        "--strategy",
        help="sensitivity: what hurts first; ladder: the steps of AMCT's manual.",
    ),
]
Budget = Annotated[
    float | None,
    typer.Option(
        "--budget",
        help="Minutes after which the best so far is taken.",
        show_default=False,
        metavar="MINUTES",
        min=0,
    ),
]
Trials = Annotated[
    Path | None,
    typer.Option(
        "--trials",
        help="The table of trials, where a stopped search goes on; by default beside "
        "the output, F.trials.jsonl.",
        show_default=False,
        metavar="FILE",
    ),
]

WriteRecipe = Annotated[
    Path | None,
    typer.Option(
        "--write-recipe",
        help="Write the chosen settings, for `emu optimize --recipe`.",
        show_default=False,
        metavar="R.toml",
    ),
]


def tune(
    model: options.Model,
    *,
    target: TheTarget,
    output: Output,
    calibration: options.Calibration = None,
    data: options.Data = None,
    max_drop: MaxDrop = 0.5,
    strategy: TheStrategy = StrategyName.SENSITIVITY,
    budget: Budget = None,
    trials: Trials = None,
    write_recipe: WriteRecipe = None,
    batch_size: options.BatchSize = 32,
    as_json: options.Json = False,
) -> int:
    """Search quantization settings until the loss is within the goal.

    Exits with 0 if the goal is met, 1 if not; the best program is written either way.
    A search that was stopped goes on where it was when called again.
    """
    from emu.evaluate import Kind, find_dataset, find_model, kind_of, open_model
    from emu.evaluate.feeds import open_data
    from emu.graph import save_graph, write_atomically
    from emu.quantize import Recipe, recipe_text
    from emu.report.tune import best_label, chosen_text, render_tuning, tuning_json
    from emu.targets import find_target
    from emu.tune import TrialTable, Workbench, tune as search

    require_writable(output)
    accelerator = find_target(target)
    entry, graph = open_model(find_model(model))
    if kind_of(graph) is not Kind.FLOAT:
        raise ConfigError(
            "is quantized already; tuning needs a float model", file=entry.file
        )
    reference = calibration or entry.calibration
    if reference is None:
        raise ConfigError("no calibration data: name it with --calib", where=entry.name)
    bench = Workbench(
        entry,
        graph,
        accelerator,
        find_dataset(reference),
        open_data(entry, data),
        batch_size,
    )
    table = TrialTable(trials or output.with_suffix(".trials.jsonl"), bench.question())
    with progress("tuning", quiet=as_json) as tell:
        found = search(
            bench,
            table,
            max_drop=max_drop,
            strategy=strategy.value,
            budget_minutes=budget,
            progress=lambda done, most, best: tell(done, most, best_label(best)),
        )
    save_graph(found.program, output)
    if write_recipe is not None:
        recipe = Recipe.model_validate(found.best.recipe)
        text = recipe_text(recipe, chosen_text(found, entry.name, accelerator.name))
        write_atomically(write_recipe, text.encode())
    if as_json:
        show_json(tuning_json(found, entry.name, strategy.value, table.path, output))
    else:
        show(render_tuning(found, bench.target.name, table.path, output))
    return HOLDS if found.reached else REGRESSED
