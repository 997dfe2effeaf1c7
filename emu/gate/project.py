"""The project of a suite, which its paths may not leave.

The project is the folder that holds the folder `suites` around the suite, and for a
suite elsewhere the suite's own folder. Data may also lie below ${EMU_DATA}.
"""

import os
from pathlib import Path

from emu.errors import ConfigError
from emu.evaluate.entries import DATA_VARIABLE


def project_folder(suite: Path) -> Path:
    """The folder that the paths of the suite at this path stay in."""
    folder = _normal(suite).parent
    for place in (folder, *folder.parents):
        if place.name == "suites":
            return place.parent
    return folder


def require_inside(suite: Path, ref: str | None, where: str) -> None:
    """Refuse a path or reference of a suite that leads out of its project.

    A symbolic link counts as what it is called: who makes one in the project wants it.

    Raises ConfigError, naming the place `where` in the suite.
    """
    if ref is None:
        return
    path = _normal(suite.parent / ref.split("[", 1)[0])
    project = project_folder(suite)
    data = os.environ.get(DATA_VARIABLE)
    allowed = [project, *([_normal(Path(data))] if data else [])]
    if not any(path.is_relative_to(folder) for folder in allowed):
        raise ConfigError(
            f"found {ref!r}, which leaves the project {project}; expected a path in it "
            f"or below ${{{DATA_VARIABLE}}}",
            file=suite,
            where=where,
        )


def _normal(path: Path) -> Path:
    """Absolute and without "..", links left as they are."""
    return Path(os.path.abspath(path))  # noqa: PTH100 - Path.resolve follows links
