"""emu targets: the accelerators, or one in full."""

# ruff: noqa: PLC0415 - JAX is imported only by a command that runs

from typing import Annotated

import typer

from emu.cli import options
from emu.cli.exits import HOLDS
from emu.cli.terminal import show, show_json


def targets(
    name: Annotated[
        str | None,
        typer.Argument(
            help="One to show in full, or the path of a .toml file.",
            show_default=False,
            metavar="NAME",
        ),
    ] = None,
    *,
    as_json: options.Json = False,
) -> int:
    """List the accelerators, or show one in full."""
    from emu.report.targets import render_target, render_targets
    from emu.targets import find_target, target_names

    if name is not None:
        target = find_target(name)
        if as_json:
            show_json(target.model_dump(mode="json"))
        else:
            show(render_target(target))
        return HOLDS
    found = [find_target(known) for known in target_names()]
    if as_json:
        show_json({"targets": [target.model_dump(mode="json") for target in found]})
    else:
        show(render_targets(found))
    return HOLDS
