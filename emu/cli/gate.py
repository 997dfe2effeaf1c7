"""emu gate: suites measured and held against their baselines."""

# ruff: noqa: PLC0415 - JAX is imported only by a command that runs

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from emu.cli import options
from emu.cli.exits import COULD_NOT_RUN
from emu.cli.publish import publish
from emu.cli.terminal import progress, show, show_error, show_json, show_note
from emu.errors import ConfigError

if TYPE_CHECKING:
    from emu.gate import Selection, Store

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
        "--update-baseline",
        help="Accept what is found, and show the difference; needs --reason.",
    ),
]
Reason = Annotated[
    str | None,
    typer.Option(
        help="Why it is accepted; stored with each baseline that is written.",
        show_default=False,
        metavar="TEXT",
    ),
]
Record = Annotated[
    bool,
    typer.Option(
        "--record-golden",
        help="Run no case; record golden FP32 outputs of a few samples of each float "
        "model under golden/fp32, where every later run verifies them.",
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
Jobs = Annotated[
    int,
    typer.Option(
        min=1,
        help="Measure so many cases at once, each in a process of its own.",
        metavar="N",
    ),
]
Resume = Annotated[
    bool,
    typer.Option(
        help="Go on where an interrupted run of the same cases ended.",
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
    reason: Reason = None,
    jobs: Jobs = 1,
    resume: Resume = True,
    record_golden: Record = False,
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
        Store,
        check_history,
        history_path,
        parse_shard,
        resume_path,
        run_gate,
    )
    from emu.report import gate_json, gate_report

    _check_reason(reason, update=update_baseline)
    selection = Selection(
        expression=expression,
        tags=tuple(tags or ()),
        shard=parse_shard(shard) if shard else None,
    )
    if record_golden:
        if update_baseline or junit or history or html:
            raise ConfigError(
                "--record-golden runs no case: --update-baseline, --junit, --html and "
                "--history mean nothing with it"
            )
        return _record(suites, selection, as_json=as_json)
    started = datetime.now(UTC)
    file = None if no_history else history or history_path(suites[0])
    if file is not None:
        check_history(file)
    store = Store(resume_path(suites[0]) if resume else None)
    with _resumable(store), progress("starting", quiet=as_json) as tell:
        result = run_gate(
            suites,
            selection=selection,
            reason=reason,
            jobs=jobs,
            store=store,
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


def _check_reason(reason: str | None, *, update: bool) -> None:
    if update and not (reason and reason.strip()):
        raise ConfigError(
            "needs --reason TEXT: why are the new figures right?",
            where="--update-baseline",
        )
    if reason is not None and not update:
        raise ConfigError("means nothing without --update-baseline", where="--reason")


@contextmanager
def _resumable(store: "Store") -> Iterator[None]:
    """Tell whether a run that is interrupted can go on."""
    try:
        yield
    except KeyboardInterrupt:
        if store.holds:
            show_note("what is finished is kept; the same command goes on from there")
        raise
    if store.failure:
        show_note(f"a run that is interrupted cannot go on: {store.failure}")


def _record(suites: list[Path], selection: "Selection", *, as_json: bool) -> int:
    from emu.gate import record_golden
    from emu.report import golden_json, golden_table

    with progress("starting", quiet=as_json) as tell:
        recorded = record_golden(
            suites,
            selection=selection,
            progress=lambda model, stage, done, total: tell(
                done, total, f"{model}: {stage}"
            ),
        )
    errors = [one.error for one in recorded if one.error]
    code = COULD_NOT_RUN if errors else 0
    if as_json:
        show_json({**golden_json(recorded), "exit_code": code})
    else:
        show(golden_table(recorded))
    for error in errors:
        show_error(error, as_json=False)
    return code
