"""emu gate: suites measured and held against their baselines."""

# ruff: noqa: PLC0415 - JAX is imported only by a command that runs

from pathlib import Path
from typing import Annotated

import typer

from emu.cli import options
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


def gate(
    suites: Suites,
    *,
    expression: Expression = "",
    tags: Tags = None,
    shard: Shard = None,
    update_baseline: Update = False,
    as_json: options.Json = False,
) -> int:
    """Run suites and compare with their baselines.

    Exits with 0 if all is as it was, 1 if anything regressed or improved, 2 if
    anything could not be judged.
    """
    from emu.gate import Selection, parse_shard, run_gate
    from emu.report import gate_json, gate_report

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
        )
    if as_json:
        show_json(gate_json(result))
    else:
        show(gate_report(result))
    for error in result.errors:
        show_error(error, as_json=False)
    return result.exit_code
