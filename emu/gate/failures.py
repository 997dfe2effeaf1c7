"""What goes wrong with one case, as an error that may cross to another process."""

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Final

from emu.errors import (
    ConfigError,
    DataError,
    EmuError,
    GraphError,
    MissingError,
    ModelError,
    UnsupportedError,
)


class DataMissingError(MissingError):
    """The data that a case evaluates is not there."""


_KINDS: Final[Mapping[str, type[EmuError]]] = MappingProxyType(
    {
        kind.__name__: kind
        for kind in (
            ConfigError,
            DataError,
            DataMissingError,
            EmuError,
            GraphError,
            MissingError,
            ModelError,
            UnsupportedError,
        )
    }
)


def crash(error: Exception, suite: Path, case: str) -> EmuError:
    """A bug of emu, or of what it stands on, as the failure of a case."""
    return EmuError(f"crashed: {type(error).__name__}: {error}", file=suite, where=case)


def plain_error(error: EmuError) -> dict[str, str | None]:
    """An error as JSON data. Of a class that is not in the table, as an EmuError."""
    return {**error.to_json(), "kind": type(error).__name__}


def error_of(data: Mapping[str, str | None]) -> EmuError:
    """The error again."""
    kind = _KINDS.get(data["kind"] or "", EmuError)
    return kind(data["message"] or "", file=data["file"], where=data["where"])
