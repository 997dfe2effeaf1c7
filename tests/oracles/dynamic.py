"""Operators with parameters of run time, one correctly rounded float32 step at a time.

NumPy's float32 quotients and differences are rounded by themselves, as ONNX's formula
of DynamicQuantizeLinear reads.
"""

from collections.abc import Callable
from typing import Any, Final

import numpy as np

from emu import ops

Array = np.ndarray[Any, Any]


def dynamic_scale(op: ops.DynamicScale, x: Array) -> Array:
    span = max(x.max(), np.float32(0)) - min(x.min(), np.float32(0))
    steps = np.float32(op.format.max - op.format.min)
    return np.array(1 if span == 0 else span / steps, np.float32)


def dynamic_zero_point(op: ops.DynamicZeroPoint, x: Array, scale: Array) -> Array:
    exact = np.float32(op.format.min) - min(x.min(), np.float32(0)) / scale
    nearest = round(float(exact))  # Python rounds half to even
    inside = min(max(nearest, op.format.min), op.format.max)
    return np.array(inside, op.format.dtype)


def quantize_by(op: ops.QuantizeBy, x: Array, scale: Array, zero_point: Array) -> Array:
    codes = [
        min(max(round(float(quotient)) + int(zero_point), op.format.min), op.format.max)
        for quotient in (x / scale).flat
    ]
    return np.array(codes, op.format.dtype).reshape(x.shape)


def subtract_zero_point(
    op: ops.SubtractZeroPoint, x: Array, zero_point: Array
) -> Array:
    return (x.astype(np.int64) - int(zero_point)).astype(np.int16)


OPS: Final[dict[type[ops.Op], Callable[..., Array]]] = {
    ops.DynamicScale: dynamic_scale,
    ops.DynamicZeroPoint: dynamic_zero_point,
    ops.QuantizeBy: quantize_by,
    ops.SubtractZeroPoint: subtract_zero_point,
    ops.Div: lambda op, x, y: x / y,
    ops.Round: lambda op, x: np.rint(x),
}
