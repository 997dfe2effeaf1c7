"""Rules of the integer functions that TOSA has: see `rules` for what a rule is."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final

import numpy as np

from emu import ops
from emu.graph.graph import Tensor
from emu.ops.codebook import MAX_LEVELS
from emu.ops.elementwise import MAX_SHIFT
from emu.ops.interpolate import ENTRIES

Operand = Tensor | np.ndarray


def operands_of_one_dtype(op: ops.Op, operands: list[Operand]) -> str | None:
    """Nothing is promoted: all values have one dtype (a condition is none of them)."""
    values = operands[isinstance(op, ops.Select) :]
    dtypes = [str(value.dtype) for value in values]
    if len(set(dtypes)) == 1:
        return None
    return f"operands are {' and '.join(dtypes)}, expected one dtype"


def rows_of_one_dtype(op: ops.Scatter, operands: list[Operand]) -> str | None:
    """Rows are written as they are."""
    x, _, rows = operands
    return operands_of_one_dtype(op, [x, rows])


def product_is_sound(op: ops.Mul, operands: list[Operand]) -> str | None:
    """Operands of one dtype; a shift belongs to int32 and leaves one of 64 bits."""
    mixed = operands_of_one_dtype(op, operands)
    dtype = str(operands[0].dtype)
    if mixed or op.shift == 0 or (dtype == "int32" and 0 < op.shift <= MAX_SHIFT):
        return mixed
    return f"shift is {op.shift} on {dtype}, expected 0, or up to {MAX_SHIFT} on int32"


def zero_points_in_dtype(op: ops.Negate, operands: list[Operand]) -> str | None:
    """Zero points are values that the operand's dtype has."""
    held = np.iinfo(operands[0].dtype)
    for name in ("x_zero_point", "zero_point"):
        value = getattr(op, name)
        if not held.min <= value <= held.max:
            return f"{name} is {value}, expected {held.min}..{held.max}"
    return None


def table_has_all_entries(
    op: ops.InterpolatedTable,  # noqa: ARG001 - one signature for all rules
    operands: list[Operand],
) -> str | None:
    """An interpolated table has 513 entries."""
    size = operands[1].shape[0]
    return None if size == ENTRIES else f"{size} entries, expected {ENTRIES}"


def indices_have_levels(
    op: ops.Codebook,  # noqa: ARG001 - one signature for all rules
    operands: list[Operand],
) -> str | None:
    """A codebook has at most 256 levels, and one for each index that is known."""
    index, levels = operands
    count = levels.shape[0] or 0
    if not 1 <= count <= MAX_LEVELS:
        return f"{count} levels, expected 1..{MAX_LEVELS}"
    most = int(index.max(initial=0)) if isinstance(index, np.ndarray) else 0
    return None if most < count else f"index {most} in a codebook of {count} levels"


INTEGER_RULES: Final[Mapping[type[Any], Callable[[Any, list[Operand]], str | None]]] = (
    MappingProxyType(
        {
            ops.Add: operands_of_one_dtype,
            ops.Sub: operands_of_one_dtype,
            ops.Mul: product_is_sound,
            ops.Minimum: operands_of_one_dtype,
            ops.Maximum: operands_of_one_dtype,
            ops.Equal: operands_of_one_dtype,
            ops.Greater: operands_of_one_dtype,
            ops.GreaterEqual: operands_of_one_dtype,
            ops.BitwiseAnd: operands_of_one_dtype,
            ops.BitwiseOr: operands_of_one_dtype,
            ops.BitwiseXor: operands_of_one_dtype,
            ops.ArithmeticRightShift: operands_of_one_dtype,
            ops.LogicalRightShift: operands_of_one_dtype,
            ops.LogicalLeftShift: operands_of_one_dtype,
            ops.IntDiv: operands_of_one_dtype,
            ops.Select: operands_of_one_dtype,
            ops.Concat: operands_of_one_dtype,
            ops.Scatter: rows_of_one_dtype,
            ops.Negate: zero_points_in_dtype,
            ops.InterpolatedTable: table_has_all_entries,
            ops.Codebook: indices_have_levels,
        }
    )
)
