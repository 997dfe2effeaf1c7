"""What a TFLite file computes from constants and sizes alone, computed on import.

DEQUANTIZE of constants (weights held as float16 or integers) and the arithmetic of
shapes that converters leave for a free batch: SHAPE, STRIDED_SLICE, PACK,
CONCATENATION. The batch is 1 there, as everywhere in the file.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

import numpy as np

from emu.errors import ModelError, UnsupportedError
from emu.frontends.tflite_file import TfliteNode
from emu.frontends.tflite_scope import Scope

# Sizes of shapes, not of tensors.
LARGEST_FOLD: Final = 64


def fold(scope: Scope, node: TfliteNode) -> bool:
    """Compute the operator if that can be done now; whether it was."""
    if not node.outputs:
        raise ModelError(f"{node.kind} has no result")
    if node.kind == "SHAPE" and scope.known(node.operand(0)):
        _keep(scope, node, np.array(_file_shape(scope, node.operand(0)), np.int32))
        return True
    if not node.inputs or not all(scope.is_constant(index) for index in node.inputs):
        return False
    if node.kind == "DEQUANTIZE":
        source = node.operand(0)
        scope.aliases[node.result] = scope.aliases.get(source, source)
        return True
    if node.kind in FOLDERS:
        arrays = [scope.value(index, "operand") for index in node.inputs]
        if any(scope.meaning(index) is not None for index in node.inputs):
            raise UnsupportedError("arithmetic of quantized constants")
        _keep(scope, node, FOLDERS[node.kind](node, arrays))
        return True
    return False


def _file_shape(scope: Scope, index: int) -> tuple[int, ...]:
    return tuple(1 if size is None else size for size in scope.shape(index))


def _keep(scope: Scope, node: TfliteNode, array: np.ndarray) -> None:
    if array.size > LARGEST_FOLD:
        raise UnsupportedError(f"a constant result of shape {array.shape}")
    scope.folded[node.result] = array


def _strided_slice(node: TfliteNode, arrays: list[np.ndarray]) -> np.ndarray:
    """A part of a list, or with a shrink mask one entry of it."""
    values, *bounds = arrays
    options = node.options
    if values.ndim != 1 or any(bound.shape != (1,) for bound in bounds):
        raise UnsupportedError(f"a part of a constant of shape {values.shape}")
    if options["EllipsisMask"] or options["NewAxisMask"] or options["Offset"]:
        raise UnsupportedError("a mask of ellipses or new axes, or ends as offsets")
    begin, end, stride = (int(bound[0]) for bound in bounds)
    if options["ShrinkAxisMask"]:
        return np.asarray(values[begin])
    first = None if options["BeginMask"] else begin
    last = None if options["EndMask"] else end
    return values[first:last:stride]


def _pack(node: TfliteNode, arrays: list[np.ndarray]) -> np.ndarray:
    return np.stack(arrays, axis=node.options["Axis"])


def _concatenation(node: TfliteNode, arrays: list[np.ndarray]) -> np.ndarray:
    return np.concatenate(arrays, axis=node.options["Axis"])


FOLDERS: Final[Mapping[str, Callable[[TfliteNode, list[np.ndarray]], np.ndarray]]] = (
    MappingProxyType(
        {
            "STRIDED_SLICE": _strided_slice,
            "PACK": _pack,
            "CONCATENATION": _concatenation,
        }
    )
)
