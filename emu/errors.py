"""The errors a user can cause: each one line, saying what, where, found, expected.

Anything else that is raised is a bug of `emu`.
"""

from pathlib import Path
from typing import ClassVar


class EmuError(Exception):
    """A problem in the user's files, options or data.

    `str(error)` is one line: `file: where: message`. `file` names the file at
    fault, `where` the place in it (a node, a key, a sample).
    """

    kind: ClassVar[str] = "error"

    def __init__(
        self,
        message: str,
        *,
        file: str | Path | None = None,
        where: str | None = None,
    ) -> None:
        """Keep the parts for `--json`; join them for people."""
        self.message = " ".join(message.split())
        self.file = None if file is None else str(file)
        self.where = where
        parts = (self.file, self.where, self.message)
        super().__init__(": ".join(part for part in parts if part))

    def to_json(self) -> dict[str, str | None]:
        """The parts by their stable names."""
        return {
            "kind": self.kind,
            "message": self.message,
            "file": self.file,
            "where": self.where,
        }


class ModelError(EmuError):
    """A model or program file that cannot be read or means nothing."""

    kind = "model"


class UnsupportedError(EmuError):
    """A sound model that uses something `emu` or the target cannot run."""

    kind = "unsupported"


class GraphError(EmuError):
    """A Graph that breaks a rule of the representation."""

    kind = "graph"


class DataError(EmuError):
    """A dataset, sample or array that cannot be used."""

    kind = "data"


class ConfigError(EmuError):
    """A TOML file or an option with a wrong key or value."""

    kind = "config"


class MissingError(EmuError):
    """A file, entry or baseline that should exist and does not."""

    kind = "missing"
