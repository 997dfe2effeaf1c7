"""Rules that tie an operator's numbers to the formats of its operands.

Each is a function of a node and what is known of its operands; it gives a complaint,
or None. `verify` raises the first.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final

import numpy as np

from emu.fixedpoint import IntFormat, RescaleScheme
from emu.graph.graph import Tensor
from emu.ops import (
    AvgPool2d,
    Clamp,
    Conv2d,
    DepthwiseConv2d,
    MatMul,
    ReduceSum,
    Rescale,
    Table,
)

Operand = Tensor | np.ndarray
Rule = Callable[[Any, list[Operand]], str | None]


def _format(operand: Operand) -> IntFormat:
    """The format of an integer operand; without a stated one, its whole dtype."""
    if isinstance(operand, Tensor) and operand.format:
        return operand.format
    dtype = np.dtype(operand.dtype)
    return IntFormat(min(dtype.itemsize * 8, 32), dtype.kind == "i")


def _outside(name: str, value: int, fmt: IntFormat) -> str | None:
    if fmt.min <= value <= fmt.max:
        return None
    return f"{name} is {value}, expected {fmt.min}..{fmt.max} as {fmt} holds"


def zero_point_in_format(
    op: Conv2d | DepthwiseConv2d | MatMul | ReduceSum, operands: list[Operand]
) -> str | None:
    """The zero point is a value that the operand can take."""
    return _outside("x_zero_point", op.x_zero_point, _format(operands[0]))


def limits_in_format(op: Clamp, operands: list[Operand]) -> str | None:
    """The limits of a clamp are values of its operand."""
    fmt = _format(operands[0])
    return _outside("low", op.low, fmt) or _outside("high", op.high, fmt)


def table_covers_format(op: Table, operands: list[Operand]) -> str | None:
    """A table has an entry for each value of a stated format and no other."""
    if isinstance(operands[0], Tensor) and operands[0].format is None:
        return None
    fmt, size = _format(operands[0]), operands[1].shape[0]
    if (op.x_min, size) == (fmt.min, fmt.max - fmt.min + 1):
        return None
    return f"{size} entries from {op.x_min}, expected {fmt.min}..{fmt.max} as {fmt}"


def rescale_is_sound(op: Rescale, operands: list[Operand]) -> str | None:
    """Zero points fit; wide operands have none (TOSA RESCALE); factors fit the scheme."""
    x, multiplier, _ = operands
    wide = np.dtype(x.dtype).itemsize >= 4
    if wide and op.x_zero_point:
        return f"x_zero_point is {op.x_zero_point}, expected 0 for {x.dtype}"
    is_float = op.scheme is RescaleScheme.FLOAT32_HALF_EVEN
    expected = "float32" if is_float else "int32"
    if str(multiplier.dtype) != expected:
        return f"multipliers are {multiplier.dtype}, {op.scheme.value} has {expected}"
    inside = None if wide else _outside("x_zero_point", op.x_zero_point, _format(x))
    return inside or _outside("zero_point", op.zero_point, op.format)


def pool_format_is_the_operands(op: AvgPool2d, operands: list[Operand]) -> str | None:
    """An average has the format and a zero point of what it averages."""
    if op.format.dtype != np.dtype(operands[0].dtype):
        return f"format {op.format} on an operand of {operands[0].dtype}"
    return _outside("zero_point", op.zero_point, op.format)


RULES: Final[Mapping[type[Any], Rule]] = MappingProxyType(
    {
        Conv2d: zero_point_in_format,
        DepthwiseConv2d: zero_point_in_format,
        MatMul: zero_point_in_format,
        ReduceSum: zero_point_in_format,
        Clamp: limits_in_format,
        Table: table_covers_format,
        Rescale: rescale_is_sound,
        AvgPool2d: pool_format_is_the_operands,
    }
)
