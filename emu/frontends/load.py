"""load_model: read a model file with the frontend its suffix names."""

from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Final

from emu.errors import UnsupportedError
from emu.frontends.onnx_import import load_onnx
from emu.frontends.tflite_import import load_tflite
from emu.frontends.tosa_import import load_tosa
from emu.graph import Graph

# File suffix -> the function that reads such a file.
LOADERS: Final[Mapping[str, Callable[[str | Path], Graph]]] = MappingProxyType(
    {
        ".onnx": load_onnx,
        ".tflite": load_tflite,
        ".tosa": load_tosa,
        ".json": load_tosa,
    }
)


def load_model(path: str | Path) -> Graph:
    """Read a model file into a Graph: float, stated or integer, as the file has it.

    Raises UnsupportedError for a suffix no frontend reads, and what the frontend
    raises: MissingError, ModelError, UnsupportedError.
    """
    suffix = Path(path).suffix.lower()
    if suffix not in LOADERS:
        known = ", ".join(LOADERS)
        raise UnsupportedError(
            f"no frontend reads {suffix or 'files without a suffix'}; known: {known}",
            file=path,
        )
    return LOADERS[suffix](path)
