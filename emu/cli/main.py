"""The `emu` command: joins the commands, turns errors into one line and exit code 2."""

import sys
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Annotated, ClassVar, Final

import typer

from emu import __version__
from emu.cli import environment, interrupt
from emu.cli.bench import bench
from emu.cli.compare import compare
from emu.cli.compile import compile_program
from emu.cli.eval import evaluate
from emu.cli.exits import COULD_NOT_RUN, HOLDS, INTERRUPTED
from emu.cli.gate import gate
from emu.cli.history import diff, history
from emu.cli.inspect import inspect
from emu.cli.optimize import optimize
from emu.cli.targets import targets
from emu.cli.terminal import show_error
from emu.cli.tune import tune
from emu.errors import EmuError

# Every command in the order that --help shows; each returns its exit code.
COMMANDS: Final[Mapping[str, Callable[..., int]]] = MappingProxyType(
    {
        "inspect": inspect,
        "targets": targets,
        "optimize": optimize,
        "eval": evaluate,
        "compare": compare,
        "tune": tune,
        "compile": compile_program,
        "gate": gate,
        "history": history,
        "diff": diff,
        "bench": bench,
    }
)

app: Final = typer.Typer(
    name="emu",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    epilog=f"Exit codes: 0 holds, 1 regressed, 2 could not run. {environment.CACHE_HELP}",
)
for _name, _command in COMMANDS.items():
    # The runs that `diff` compares may be numbers such as -1.
    _settings = {"ignore_unknown_options": _name == "diff"}
    app.command(_name, context_settings=_settings)(_command)


class UsageError(EmuError):
    """A command line that names no command, or gives it wrong options."""

    kind: ClassVar[str] = "usage"


def _version(wanted: bool) -> bool:
    if wanted:
        sys.stdout.write(f"emu {__version__}\n")
        raise typer.Exit
    return wanted


@app.callback()
def about(
    *,
    version: Annotated[
        bool,
        typer.Option(
            "--version", help="Print the version.", callback=_version, is_eager=True
        ),
    ] = False,
) -> None:
    """Emulate a fixed-point accelerator bit for bit, and guard its accuracy."""
    del version


def run(arguments: Sequence[str]) -> int:
    """Run one command line and return its exit code; errors are printed, not raised."""
    as_json = "--json" in arguments
    try:
        code = app(list(arguments) or ["--help"], "emu", standalone_mode=False)
    except EmuError as error:
        show_error(error, as_json=as_json)
        return COULD_NOT_RUN
    except typer.TyperException as error:
        # The usage errors of the option parser, which are no EmuError.
        message = error.format_message().rstrip(".")
        wrong = UsageError(f"{message} (see {_help_of(arguments)})")
        show_error(wrong, as_json=as_json)
        return COULD_NOT_RUN
    except (KeyboardInterrupt, typer.Abort):
        code = INTERRUPTED
    if code == INTERRUPTED:
        sys.stderr.write("interrupted\n")
    return int(code or HOLDS)


def _help_of(arguments: Sequence[str]) -> str:
    """The command line that explains the options of this one."""
    named = [argument for argument in arguments[:1] if argument in COMMANDS]
    return " ".join(("`emu", *named, "--help`"))


def main() -> None:
    """Run the command line of this process; the console script `emu`."""
    environment.prepare()
    interrupt.prepare()
    sys.exit(run(sys.argv[1:]))


if __name__ == "__main__":
    main()
