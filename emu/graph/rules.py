"""Rules that tie an operator's numbers to the formats of its operands.

Each is a function of a node and what is known of its operands; it gives a complaint,
or None. `verify` raises the first.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final, get_args

import numpy as np

from emu.fixedpoint import (
    IntFormat,
    RescaleScheme,
    Rounding,
    factor_limits,
    multiplier_dtype,
)
from emu.graph.graph import Tensor
from emu.graph.rules_engine import ENGINE_RULES
from emu.graph.rules_integer import INTEGER_RULES
from emu.ops import (
    Accumulating,
    AvgPool2d,
    BatchMatMul,
    Clamp,
    ReduceSum,
    Rescale,
    Table,
)

# As far as an operand of 16 bits stays within 48.
MAX_LEFT_SHIFT: Final = 31

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


def zero_point_in_format(op: ReduceSum, operands: list[Operand]) -> str | None:
    """The zero point is a value that the operand can take."""
    return _outside("x_zero_point", op.x_zero_point, _format(operands[0]))


def zero_points_in_formats(op: Accumulating, operands: list[Operand]) -> str | None:
    """Both zero points are values that their operands can take."""
    name = "y_zero_point" if isinstance(op, BatchMatMul) else "w_zero_point"
    inside = _outside("x_zero_point", op.x_zero_point, _format(operands[0]))
    return inside or _outside(name, op.w_zero_point, _format(operands[1]))


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
    x, multiplier, shift = operands
    wide = np.dtype(x.dtype).itemsize >= 4
    if wide and op.x_zero_point:
        return f"x_zero_point is {op.x_zero_point}, expected 0 for {x.dtype}"
    if not 0 <= op.x_left_shift <= MAX_LEFT_SHIFT:
        return f"x_left_shift is {op.x_left_shift}, expected 0..{MAX_LEFT_SHIFT}"
    power = op.scheme is RescaleScheme.POWER_OF_TWO
    if op.rounding is not Rounding.HALF_UP and not power:
        return f"rounding is {op.rounding.value}, {op.scheme.value} has its own"
    inside = None if wide else _outside("x_zero_point", op.x_zero_point, _format(x))
    return (
        _wrong_factors(op.scheme, multiplier, shift)
        or inside
        or _outside("zero_point", op.zero_point, op.format)
    )


def _wrong_factors(
    scheme: RescaleScheme, multiplier: Operand, shift: Operand
) -> str | None:
    """A dtype or a number that the hardware of the scheme does not have."""
    expected = multiplier_dtype(scheme)
    if str(multiplier.dtype) != str(expected):
        return f"multipliers are {multiplier.dtype}, {scheme.value} has {expected}"
    limits = factor_limits(scheme)
    for name, factor, (low, high) in zip(
        ("multipliers", "shifts"), (multiplier, shift), limits, strict=True
    ):
        if isinstance(factor, np.ndarray) and factor.size:
            least, most = factor.min(), factor.max()
            # A NaN is in no range.
            if not low <= least <= most <= high:
                return f"{name} are {least}..{most}, {scheme.value} has {low}..{high}"
    return None


def pool_format_is_the_operands(op: AvgPool2d, operands: list[Operand]) -> str | None:
    """An average has the format and a zero point of what it averages."""
    if op.format.dtype != np.dtype(operands[0].dtype):
        return f"format {op.format} on an operand of {operands[0].dtype}"
    z = op.zero_point if op.x_zero_point is None else op.x_zero_point
    inside = _outside("x_zero_point", z, op.format)
    return inside or _outside("zero_point", op.zero_point, op.format)


RULES: Final[Mapping[type[Any], Rule]] = MappingProxyType(
    {
        **dict.fromkeys(get_args(Accumulating), zero_points_in_formats),
        ReduceSum: zero_point_in_format,
        Clamp: limits_in_format,
        Table: table_covers_format,
        Rescale: rescale_is_sound,
        AvgPool2d: pool_format_is_the_operands,
        **INTEGER_RULES,
        **ENGINE_RULES,
    }
)
