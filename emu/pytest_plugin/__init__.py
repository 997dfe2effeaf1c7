"""The plugin that pytest finds where emu is installed: suites as tests, and fixtures.

`pytest suites/` runs every suite below: an item per case and verdict. A bare `pytest`
collects suites only where `testpaths` names them.

Every run of pytest imports this module, so it imports nothing heavy: JAX and
pandas come when a suite is collected or a fixture is asked for.
"""

# ruff: noqa: PLC0415 - see above

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from emu.is_suite import is_suite
from emu.pytest_plugin.session import forget_results, results_folder, worker_input

if TYPE_CHECKING:
    from emu.gate import Emulated
    from emu.pytest_plugin.golden_files import GoldenArray
    from emu.pytest_plugin.items import SuiteFile


def pytest_addoption(parser: pytest.Parser) -> None:
    """Offer --update-golden."""
    parser.getgroup("emu").addoption(
        "--update-golden",
        action="store_true",
        help="rewrite the files of the fixture `golden`, show what changed, and fail",
    )


def pytest_collect_file(
    file_path: Path, parent: pytest.Collector
) -> "SuiteFile | None":
    """A TOML file with cases, or any that is named itself."""
    if file_path.suffix != ".toml":
        return None
    named = parent.session.isinitpath(file_path)
    if not named and not (_looks_for_suites(parent.config) and is_suite(file_path)):
        return None
    from emu.pytest_plugin.items import SuiteFile

    return SuiteFile.from_parent(parent, path=file_path)


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:  # noqa: ANN401 - xdist's
    """Tell a worker of xdist what only its controller knows."""
    node.workerinput["emu_suites"] = _looks_for_suites(node.config)
    node.workerinput["emu_results"] = str(results_folder(node.config))


def pytest_unconfigure(config: pytest.Config) -> None:
    """Remove the results of this run."""
    forget_results(config)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """A run that rewrites what it compares with has shown nothing: it fails."""
    updates = session.config.getoption("update_golden")
    if updates and session.exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """Say why such a run fails."""
    if config.getoption("update_golden"):
        terminalreporter.write_line(
            "--update-golden: this run fails; review the files, run again without it"
        )


@pytest.fixture(scope="session")
def emulator() -> "Callable[..., Emulated]":
    """A function from a model to its integer program: see `emu.gate.emulate`.

    Equal arguments give the same program, quantized and compiled once per session.
    """
    from emu.pytest_plugin.programs import cached_emulate

    return cached_emulate()


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> "GoldenArray":
    """A function giving arrays stored in `golden/NAME.npz` beside the test file.

    `golden(NAME, got)` gives the stored array; with --update-golden it first stores
    `got`, and the test ends with an error that tells what changed.
    """
    from emu.pytest_plugin.golden_files import golden_array

    changes: list[str] | None = [] if request.config.option.update_golden else None

    def show() -> None:
        if changes:
            pytest.fail("\n".join(changes), pytrace=False)

    # A generator that a checker of types has wrapped is none to pytest.
    request.addfinalizer(show)  # noqa: PT021
    return partial(golden_array, request.path.parent / "golden", changes)


def _looks_for_suites(config: pytest.Config) -> bool:
    """Whether somebody named the folders that are searched."""
    unnamed = pytest.Config.ArgsSource.INVOCATION_DIR
    told = worker_input(config).get("emu_suites")
    return config.args_source is not unnamed if told is None else bool(told)
