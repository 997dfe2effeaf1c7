"""One importer for each TOSA operator: the node it becomes and what that reads.

Source: TOSA 1.0.2 specification; the order of operands is that of its argument tables.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

import numpy as np

from emu import ops
from emu.errors import ModelError, UnsupportedError
from emu.fixedpoint import INT8, INT16, INT32, IntFormat, RescaleScheme
from emu.frontends.tosa_scope import Call
from emu.frontends.tosa_sums import SUMS, Node

Importer = Callable[[Call], Node]

_FORMATS: Final[Mapping[str, IntFormat]] = MappingProxyType(
    {"INT8": INT8, "INT16": INT16, "INT32": INT32}
)
_CASTS: Final[Mapping[str, ops.IntType]] = MappingProxyType(
    {
        "BOOL": ops.IntType.BOOL,
        "INT8": ops.IntType.INT8,
        "INT16": ops.IntType.INT16,
        "INT32": ops.IntType.INT32,
    }
)
# Of RESCALE.
MIN_SHIFT: Final = 2
MAX_SHIFT: Final = 62

_MODES: Final[Mapping[str, ops.Interpolation]] = MappingProxyType(
    {"NEAREST": ops.Interpolation.NEAREST, "BILINEAR": ops.Interpolation.LINEAR}
)
# scale32, rounding mode -> scheme.
_SCHEMES: Final[Mapping[tuple[bool, str], RescaleScheme]] = MappingProxyType(
    {
        (True, "SINGLE_ROUND"): RescaleScheme.SINGLE_ROUND,
        (True, "DOUBLE_ROUND"): RescaleScheme.TOSA_DOUBLE,
        (True, "INEXACT_ROUND"): RescaleScheme.TOSA_INEXACT,
        (False, "SINGLE_ROUND"): RescaleScheme.TOSA_SCALE16,
        (False, "INEXACT_ROUND"): RescaleScheme.TOSA_SCALE16,
    }
)


def _plain(op: ops.Op, operands: int) -> Importer:
    """An operator without attribute, on tensors alone."""
    return lambda call: (op, call.operands(operands))


def _along(op: Callable[..., ops.Op]) -> Importer:
    """An operator of one tensor along the axis that its attribute names."""
    return lambda call: (op(axis=_axis(call)), call.operands(1))


def _axis(call: Call) -> int:
    axis, rank = call.integer("axis"), len(call.shape(0))
    if not 0 <= axis < rank:
        raise ModelError(f"axis {axis} of {rank}")
    return axis


def _avg_pool2d(call: Call) -> Node:
    if call.type(0) not in ("INT8", "INT16") or call.choice("acc_type") != "INT32":
        raise UnsupportedError(f"{call.type(0)}, sums in {call.choice('acc_type')}")
    op = ops.AvgPool2d(
        kernel=call.pair("kernel"),
        stride=call.pair("stride"),
        padding=call.padding("pad"),
        x_zero_point=call.number(1),
        zero_point=call.number(2),
        format=_FORMATS[call.type(0)],
    )
    return op, (call.tensor(0),)


def _max_pool2d(call: Call) -> Node:
    op = ops.MaxPool(
        kernel=call.pair("kernel"),
        stride=call.pair("stride"),
        padding=call.padding("pad"),
    )
    return op, call.operands(1)


def _clamp(call: Call) -> Node:
    size = np.dtype(call.scope.element(call.name(0)).dtype).itemsize
    low, high = (call.little_endian(name, size) for name in ("min_val", "max_val"))
    return ops.Clamp(low=low, high=high), call.operands(1)


def _mul(call: Call) -> Node:
    """Narrow operands are widened first, as the product is int32."""
    x, y = call.tensor(0), call.tensor(1)
    if call.type(0) in ("INT8", "INT16"):
        widen = ops.Cast(dtype=ops.IntType.INT32)
        x, y = (call.add(widen, (v,), f"{v}:wide") for v in (x, y))
    return ops.Mul(shift=call.number(2)), (x, y)


def _table(call: Call) -> Node:
    op = ops.Table(x_min=-128) if call.type(0) == "INT8" else ops.InterpolatedTable()
    return op, call.operands(2)


def _negate(call: Call) -> Node:
    op = ops.Negate(x_zero_point=call.number(1), zero_point=call.number(2))
    return op, (call.tensor(0),)


def _reduce_sum(call: Call) -> Node:
    return ops.ReduceSum(axes=(_axis(call),)), call.operands(1)


def _concat(call: Call) -> Node:
    return ops.Concat(axis=_axis(call)), call.operands(1, len(call.operator.inputs))


def _pad(call: Call) -> Node:
    amounts = call.sizes(1, 2 * len(call.shape(0)))
    if min(amounts, default=0) < 0:
        raise ModelError(f"padding of {amounts}")
    padding = tuple(zip(amounts[::2], amounts[1::2], strict=True))
    return ops.Pad(padding=padding, value=call.number(2)), (call.tensor(0),)


def _reshape(call: Call) -> Node:
    return ops.Reshape(shape=call.sizes(1), keep_batch=False), (call.tensor(0),)


def _slice(call: Call) -> Node:
    rank = len(call.shape(0))
    starts, sizes = call.sizes(1, rank), call.sizes(2, rank)
    if min(sizes, default=1) < 1:
        raise ModelError(f"a slice of sizes {sizes}")
    return ops.Slice(starts=starts, sizes=sizes, steps=(1,) * rank), (call.tensor(0),)


def _tile(call: Call) -> Node:
    return ops.Tile(counts=call.sizes(1, len(call.shape(0)))), (call.tensor(0),)


def _transpose(call: Call) -> Node:
    return ops.Transpose(perm=call.integers("perms")), call.operands(1)


def _resize(call: Call) -> Node:
    mode = call.choice("mode")
    if mode not in _MODES:
        raise UnsupportedError(f"mode {mode}")
    y_n, y_d, x_n, x_d = call.sizes(1, 4)
    offset_y, offset_x = call.sizes(2, 2)
    border_y, border_x = call.sizes(3, 2)
    op = ops.Resize2d(
        mode=_MODES[mode],
        scale_y=(y_n, y_d),
        scale_x=(x_n, x_d),
        offset=(offset_y, offset_x),
        border=(border_y, border_x),
    )
    return op, (call.tensor(0),)


def _cast(call: Call) -> Node:
    kinds = call.type(0), call.result_type
    if kinds[0] not in _CASTS or kinds[1] not in _CASTS:
        raise UnsupportedError(f"from {kinds[0]} to {kinds[1]}")
    return ops.Cast(dtype=_CASTS[kinds[1]]), call.operands(1)


def _rescale(call: Call) -> Node:
    """Numbers without sign lie in the same bits: they are read and written so."""
    key = call.flag("scale32"), call.choice("rounding_mode")
    if key not in _SCHEMES or call.result_type not in _FORMATS:
        width = "scale32" if key[0] else "scale16"
        raise UnsupportedError(f"{width} with {key[1]} to {call.result_type}")
    x = call.tensor(0)
    read, write = call.flag("input_unsigned"), call.flag("output_unsigned")
    if read:
        x = call.add(ops.Reinterpret(signed=False), (x,), f"{x}:unsigned")
    shape = call.shape(0)
    channels = shape[-1] if call.flag("per_channel") and shape else 1
    factors = [call.constant(i).astype(np.int32) for i in (1, 2)]
    if any(values.shape != (channels,) for values in factors):
        raise ModelError(f"{factors[0].size} multipliers, expected {channels}")
    multiplier, shift = factors
    if multiplier.min() < 0 or shift.min() < MIN_SHIFT or shift.max() > MAX_SHIFT:
        raise ModelError(
            f"found multipliers from {multiplier.min()} and shifts {shift.min()}.."
            f"{shift.max()}, expected 0 and {MIN_SHIFT}..{MAX_SHIFT}"
        )
    names = [
        call.keep(f"{call.name(i)}:int32", values)
        for i, values in enumerate(factors, start=1)
    ]
    op = ops.Rescale(
        scheme=_SCHEMES[key],
        format=IntFormat(_FORMATS[call.result_type].bits, not write),
        x_zero_point=call.number(3, unsigned=read),
        zero_point=call.number(4, unsigned=write),
    )
    if not write:
        return op, (x, *names)
    return ops.Reinterpret(signed=True), (call.add(op, (x, *names), "unsigned"),)


IMPORTERS: Final[Mapping[str, Importer]] = MappingProxyType(
    {
        **SUMS,
        "ARGMAX": _along(ops.ArgMax),
        "AVG_POOL2D": _avg_pool2d,
        "MAX_POOL2D": _max_pool2d,
        "CLAMP": _clamp,
        "ADD": _plain(ops.Add(), 2),
        "ARITHMETIC_RIGHT_SHIFT": lambda call: (
            ops.ArithmeticRightShift(round=call.flag("round")),
            call.operands(2),
        ),
        "BITWISE_AND": _plain(ops.BitwiseAnd(), 2),
        "BITWISE_OR": _plain(ops.BitwiseOr(), 2),
        "BITWISE_XOR": _plain(ops.BitwiseXor(), 2),
        "INTDIV": _plain(ops.IntDiv(), 2),
        "LOGICAL_AND": _plain(ops.LogicalAnd(), 2),
        "LOGICAL_LEFT_SHIFT": _plain(ops.LogicalLeftShift(), 2),
        "LOGICAL_RIGHT_SHIFT": _plain(ops.LogicalRightShift(), 2),
        "LOGICAL_OR": _plain(ops.LogicalOr(), 2),
        "LOGICAL_XOR": _plain(ops.LogicalXor(), 2),
        "MAXIMUM": _plain(ops.Maximum(), 2),
        "MINIMUM": _plain(ops.Minimum(), 2),
        "MUL": _mul,
        "SUB": _plain(ops.Sub(), 2),
        "TABLE": _table,
        "ABS": _plain(ops.Abs(), 1),
        "BITWISE_NOT": _plain(ops.BitwiseNot(), 1),
        "CLZ": _plain(ops.Clz(), 1),
        "LOGICAL_NOT": _plain(ops.LogicalNot(), 1),
        "NEGATE": _negate,
        "SELECT": _plain(ops.Select(), 3),
        "EQUAL": _plain(ops.Equal(), 2),
        "GREATER": _plain(ops.Greater(), 2),
        "GREATER_EQUAL": _plain(ops.GreaterEqual(), 2),
        "REDUCE_ALL": _along(ops.ReduceAll),
        "REDUCE_ANY": _along(ops.ReduceAny),
        "REDUCE_MAX": _along(ops.ReduceMax),
        "REDUCE_MIN": _along(ops.ReduceMin),
        "REDUCE_PRODUCT": _along(ops.ReduceProduct),
        "REDUCE_SUM": _reduce_sum,
        "CONCAT": _concat,
        "PAD": _pad,
        "RESHAPE": _reshape,
        "REVERSE": _along(ops.Reverse),
        "SLICE": _slice,
        "TILE": _tile,
        "TRANSPOSE": _transpose,
        "GATHER": _plain(ops.Gather(), 2),
        "SCATTER": _plain(ops.Scatter(), 3),
        "RESIZE": _resize,
        "CAST": _cast,
        "RESCALE": _rescale,
        "IDENTITY": _plain(ops.Identity(), 1),
    }
)
