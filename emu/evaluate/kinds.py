"""What a Graph is before a command runs it: reals, a quantized file's, or integers."""

from collections.abc import Mapping
from enum import Enum
from pathlib import Path
from types import MappingProxyType
from typing import Final

from emu.graph import Graph
from emu.ops import Accumulating, Rescale
from emu.quantize import is_stated

# Suffix of a quantized file -> the target that computes what its usual engine does.
DEFAULT_TARGETS: Final[Mapping[str, str]] = MappingProxyType(
    {".tflite": "tflite-reference", ".onnx": "onnxruntime"}
)


class Kind(Enum):
    """What a Graph is.

    FLOAT: a float model; a target and calibration data make integers of it.
    STATED: of a quantized file, which says which tensors are integers; a target says
    how they are computed.
    INTEGER: a program, complete as it is (.emu, .tosa).
    """

    FLOAT = "float"
    STATED = "stated"
    INTEGER = "integer"


def kind_of(graph: Graph) -> Kind:
    """What a Graph is, by its nodes and by what it was made from."""
    if isinstance(graph.provenance.get("target"), dict):
        return Kind.INTEGER
    if is_stated(graph):
        return Kind.STATED
    native = any(isinstance(node.op, Accumulating | Rescale) for node in graph.nodes)
    whole = graph.provenance.get("format") == "tosa"
    return Kind.INTEGER if native or whole else Kind.FLOAT


def default_target(file: Path) -> str:
    """The target of a quantized file when none is named."""
    return DEFAULT_TARGETS[file.suffix.lower()]
