"""Importers of operators on integers: ConvInteger, MatMulInteger, Cast."""

from typing import Final

import numpy as np
import onnx

from emu.errors import UnsupportedError
from emu.fixedpoint import QParams, Rounding
from emu.frontends.onnx_layout import HWIO, Coding, file_order
from emu.frontends.onnx_node import OnnxNode
from emu.frontends.onnx_scope import Scope
from emu.frontends.onnx_stated import element_format
from emu.frontends.onnx_window import image_shape, read_groups, read_window
from emu.ops import (
    BatchMatMul,
    Cast,
    Conv2d,
    Dequantize,
    IntType,
    MatMul,
    Quantize,
    SubtractZeroPoint,
)

# A cast reads and writes integers as they are.
_AS_THEY_ARE: Final = QParams((1.0,), (0,))


def import_conv_integer(scope: Scope, node: OnnxNode) -> None:
    """ConvInteger: int32 accumulators; constant weights, any zero points."""
    x, w = node.inputs[:2]
    shape = image_shape(scope, x)
    weights = scope.constants.value(w, "weight")
    groups = read_groups(node, shape, weights.shape)
    window = read_window(node, shape, weights.shape[2:])
    held, x_zero_point = _operand(scope, node, scope.inner(x), node.operand(2))
    hwio, w_zero_point = _weights(scope, node, weights, 0)
    op = Conv2d(
        stride=window.stride,
        padding=window.padding,
        dilation=window.dilation,
        groups=groups,
        x_zero_point=x_zero_point,
        w_zero_point=w_zero_point,
    )
    inputs = (
        held,
        scope.constants.integers(f"{w}:hwio", hwio.transpose(HWIO)),
        scope.constants.integers(f"{node.outputs[0]}:bias", _zeros(len(weights))),
    )
    scope.emit(node, op, inputs)


def import_matmul_integer(scope: Scope, node: OnnxNode) -> None:
    """MatMulInteger: int32 accumulators, of two computed operands too."""
    x, y = node.inputs[:2]
    perm = file_order(len(scope.shape(x)))
    held, x_zero_point = _operand(scope, node, scope.view(x, perm), node.operand(2))
    if y not in scope.constants:
        other = scope.view(y, file_order(len(scope.shape(y))))
        if len(scope.shape(y)) != len(perm) or len(perm) < 2:
            raise UnsupportedError("operands of different ranks, or vectors")
        other, y_zero_point = _operand(scope, node, other, node.operand(3), "y")
        op = BatchMatMul(x_zero_point=x_zero_point, y_zero_point=y_zero_point)
        scope.emit(node, op, (held, other), perm)
        return
    matrix = scope.constants.value(y, "right operand")
    if matrix.ndim != 2 or len(perm) < 2:
        raise UnsupportedError(f"operands of shapes {scope.shape(x)}, {matrix.shape}")
    weights, w_zero_point = _weights(scope, node, matrix, 1)
    inputs = (
        held,
        scope.constants.integers(y, weights),
        scope.constants.integers(f"{node.outputs[0]}:bias", _zeros(matrix.shape[1])),
    )
    op = MatMul(x_zero_point=x_zero_point, w_zero_point=w_zero_point)
    scope.emit(node, op, inputs, perm)


def _zeros(size: int) -> np.ndarray:
    return np.zeros(size, np.int32)


def _operand(
    scope: Scope, node: OnnxNode, held: str, zero_point: str, letter: str = "x"
) -> tuple[str, int]:
    """An activation and its zero point; where that is computed, their difference."""
    if scope.builder.tensors[held].format is None:
        raise UnsupportedError("an operand that is no integer")
    if not zero_point:
        return held, 0
    if zero_point in scope.constants:
        points = scope.constants.value(zero_point, "zero point")
        if points.size != 1:
            raise UnsupportedError("several zero points of an activation")
        return held, int(points.reshape(()))
    if scope.shape(zero_point):
        raise UnsupportedError("several computed zero points")
    inputs = (held, scope.view(zero_point, ()))
    return scope.step(node, SubtractZeroPoint(), inputs, f"{letter}-centred"), 0


def _weights(
    scope: Scope, node: OnnxNode, weights: np.ndarray, axis: int
) -> tuple[np.ndarray, int]:
    """Constant weights and their one zero point; of several, the differences."""
    if weights.dtype not in (np.int8, np.uint8):
        raise UnsupportedError(f"weights of {weights.dtype}")
    if not node.operand(3):
        return weights, 0
    points = scope.constants.value(node.operand(3), "zero point")
    if points.size == 1:
        return weights, int(points.reshape(()))
    if points.shape != (weights.shape[axis],):
        raise UnsupportedError(f"zero points of shape {points.shape}")
    along = [-1 if i == axis else 1 for i in range(weights.ndim)]
    # The difference of two 8-bit integers fits int16.
    return weights.astype(np.int16) - points.astype(np.int16).reshape(along), 0


def import_cast(scope: Scope, node: OnnxNode) -> None:
    """Cast between float32 and integers of at most 32 bits."""
    x = node.inputs[0]
    perm, held = scope.held(x)
    found = np.dtype(scope.builder.tensors[held].dtype)
    number = node.integer("to", 0)
    to_float = number == onnx.TensorProto.FLOAT
    if found == np.float32:
        if to_float:
            scope.alias(node)
            return
        fmt = element_format(number)
        op = Quantize(format=fmt, qparams=_AS_THEY_ARE, rounding=Rounding.TOWARD_ZERO)
        scope.emit(node, op, (held,), perm, coding=Coding(format=fmt))
        return
    if to_float:
        scope.emit(node, Dequantize(qparams=_AS_THEY_ARE), (held,), perm)
        return
    fmt = element_format(number)
    if fmt.bits not in (8, 16, 32):
        raise UnsupportedError(f"a cast to {fmt}")
    op = Cast(dtype=IntType(str(fmt.dtype)))
    scope.emit(node, op, (held,), perm, coding=Coding(format=fmt))
