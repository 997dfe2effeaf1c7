"""What one run of pytest shares between the processes of xdist."""

import shutil
from collections.abc import Mapping
from pathlib import Path
from tempfile import mkdtemp
from typing import Any, Final

import pytest

_RESULTS: Final = pytest.StashKey[Path]()


def worker_input(config: pytest.Config) -> Mapping[str, Any]:
    """What the controller of xdist gave this worker; empty in any other process."""
    return getattr(config, "workerinput", {})


def results_folder(config: pytest.Config) -> Path:
    """Where all processes of this run leave the results of cases."""
    if _RESULTS not in config.stash:
        given = worker_input(config).get("emu_results")
        config.stash[_RESULTS] = Path(given or mkdtemp(prefix="emu-pytest-"))
    return config.stash[_RESULTS]


def forget_results(config: pytest.Config) -> None:
    """Remove that folder, when the process that made it is done."""
    if _RESULTS in config.stash and not worker_input(config):
        shutil.rmtree(config.stash[_RESULTS], ignore_errors=True)
