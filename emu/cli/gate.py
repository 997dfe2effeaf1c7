"""emu gate: suites measured and held against their baselines."""

# ruff: noqa: PLC0415 - JAX is imported only by a command that runs

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from emu.cli import options
from emu.cli.exits import COULD_NOT_RUN
from emu.cli.publish import publish
from emu.cli.terminal import progress, show, show_error, show_json

Suites = Annotated[
    list[Path],
    typer.Argument(
        help="Suites to run, such as suites/digits.toml, or folders of suites.",
        show_default=False,
        metavar="SUITE...",
    ),
]
Update = Annotated[
    bool,
    typer.Option(
        "--update-baseline", help="Accept what is found, and show the difference."
    ),
]
Expression = Annotated[
    str,
    typer.Option(
        "-k",
        help="Run cases whose name SUITE/CASE has these words; 'kws and not "
        "(kl or mse)' joins them.",
        show_default=False,
        metavar="EXPR",
    ),
]
Tags = Annotated[
    list[str] | None,
    typer.Option(
        "--tag",
        help="Run cases with this tag; repeated, with any of them.",
        show_default=False,
        metavar="TAG",
    ),
]
Shard = Annotated[
    str | None,
    typer.Option(
        help="Run every N-th of the chosen cases, from the K-th on.",
        show_default=False,
        metavar="K/N",
    ),
]

History = Annotated[
    Path | None,
    typer.Option(
        "--history",
        help="Append the run to this file; by default .emu/history.db beside the "
        "folder of the suites.",
        show_default=False,
        metavar="FILE",
    ),
]
NoHistory = Annotated[
    bool, typer.Option("--no-history", help="Append the run to no history.")
]
Junit = Annotated[
    Path | None,
    typer.Option(
        "--junit",
        help="Write the verdicts as JUnit XML.",
        show_default=False,
        metavar="FILE",
    ),
]
Html = Annotated[
    Path | None,
    typer.Option(
        "--html",
        help="Write the run as one HTML page that needs no network: networks, layers, "
        "histograms, pictures, trends.",
        show_default=False,
        metavar="FILE",
    ),
]


def gate(
    suites: Suites,
    *,
    expression: Expression = "",
    tags: Tags = None,
    shard: Shard = None,
    update_baseline: Update = False,
    history: History = None,
    no_history: NoHistory = False,
    junit: Junit = None,
    html: Html = None,
    as_json: options.Json = False,
) -> int:
    """Run suites and compare with their baselines.

    Exits with 0 if all is as it was, 1 if anything regressed or improved, 2 if
    anything could not be judged.
    """
    from emu.gate import (
        Selection,
        check_history,
        history_path,
        parse_shard,
        run_gate,
    )
    from emu.report import gate_json, gate_report

    started = datetime.now(UTC)
    file = None if no_history else history or history_path(suites[0])
    if file is not None:
        check_history(file)
    selection = Selection(
        expression=expression,
        tags=tuple(tags or ()),
        shard=parse_shard(shard) if shard else None,
    )
    with progress("starting", quiet=as_json) as tell:
        result = run_gate(
            suites,
            selection=selection,
            update_baseline=update_baseline,
            progress=lambda case, stage, done, total: tell(
                done, total, f"{case}: {stage}"
            ),
            visuals=html is not None,
        )
    unwritten = publish(
        result,
        suite=suites[0],
        started=started,
        history=file,
        junit=junit,
        html=html,
        as_json=as_json,
    )
    code = max(result.exit_code, COULD_NOT_RUN if unwritten else 0)
    if as_json:
        show_json({**gate_json(result), "exit_code": code})
    else:
        show(gate_report(result))
    for error in (*result.errors, *unwritten):
        show_error(error, as_json=False)
    return code
