"""The integer functions of TOSA 1.0 once more, element by element where it is plainer.

Written from the pseudocode of the specification, in Python integers.
"""

from collections.abc import Callable, Iterator
from typing import Any, Final

import numpy as np

from emu import ops
from emu.fixedpoint import Overflow
from tests.oracles.arithmetic import fit, integers

Array = np.ndarray[Any, Any]


def _fitted(exact: Array, dtype: np.dtype, mode: Overflow) -> Array:
    held = np.iinfo(dtype)
    return fit(exact, int(held.min), int(held.max), mode).astype(dtype)


def _elements(function: Callable[..., Any], dtype: Any, *operands: Array) -> Array:
    """The function of each broadcast tuple of Python numbers."""
    wide = np.broadcast_arrays(*operands)
    results = [
        function(*(v.item() for v in values))
        for values in zip(*(w.flat for w in wide), strict=True)
    ]
    return np.array(results, dtype).reshape(wide[0].shape)


def _comparison(function: Callable[[Any, Any], bool]) -> Callable[..., Array]:
    return lambda op, x, y: _elements(function, bool, x, y)


def _bits(function: Callable[[int, int], int]) -> Callable[..., Array]:
    return lambda op, x, y: _elements(function, x.dtype, x, y)


def _bounded(amount: int, dtype: np.dtype) -> int:
    return min(max(amount, 0), dtype.itemsize * 8 - 1)


def arithmetic_right_shift(op: ops.ArithmeticRightShift, x: Array, y: Array) -> Array:
    def shift(value: int, amount: int) -> int:
        amount = _bounded(amount, x.dtype)
        half = 1 << amount >> 1 if op.round else 0
        return (value + half) // (1 << amount)

    return _elements(shift, x.dtype, x, y)


def logical_right_shift(op: ops.LogicalRightShift, x: Array, y: Array) -> Array:
    bits = x.dtype.itemsize * 8

    def shift(value: int, amount: int) -> int:
        return value % (1 << bits) // (1 << _bounded(amount, x.dtype))

    return _fitted(_elements(shift, object, x, y), x.dtype, Overflow.WRAP)


def logical_left_shift(op: ops.LogicalLeftShift, x: Array, y: Array) -> Array:
    def shift(value: int, amount: int) -> int:
        return value * (1 << _bounded(amount, x.dtype))

    return _fitted(_elements(shift, object, x, y), x.dtype, Overflow.WRAP)


def select(op: ops.Select, condition: Array, x: Array, y: Array) -> Array:
    return _elements(lambda c, a, b: a if c else b, x.dtype, condition, x, y)


def negate(op: ops.Negate, x: Array) -> Array:
    exact = op.zero_point - (integers(x) - op.x_zero_point)
    return _fitted(exact, x.dtype, Overflow.SATURATE)


def absolute(op: ops.Abs, x: Array) -> Array:
    return _fitted(abs(integers(x)), x.dtype, Overflow.WRAP)


def clz(op: ops.Clz, x: Array) -> Array:
    return _elements(lambda v: 32 - (v % (1 << 32)).bit_length(), np.int32, x)


def intdiv(op: ops.IntDiv, x: Array, y: Array) -> Array:
    def divide(a: int, b: int) -> int:
        if b == 0:
            return 0
        return abs(a) // abs(b) * (1 if (a < 0) == (b < 0) else -1)

    return _fitted(_elements(divide, object, x, y), x.dtype, Overflow.WRAP)


def cast(op: ops.Cast, x: Array) -> Array:
    if op.dtype is ops.IntType.BOOL:
        return _elements(lambda v: v != 0, bool, x)
    exact = _elements(int, object, x)
    return _fitted(exact, np.dtype(op.dtype.value), Overflow.WRAP)


def reinterpret(op: ops.Reinterpret, x: Array) -> Array:
    plain = x.dtype.name.removeprefix("u")
    return x.view(plain if op.signed else f"u{plain}")


def gather(op: ops.Gather, x: Array, indices: Array) -> Array:
    inside = [[min(max(i, 0), x.shape[1] - 1) for i in row] for row in indices.tolist()]
    return np.stack([entry[rows] for entry, rows in zip(x, inside, strict=True)])


def scatter(op: ops.Scatter, x: Array, indices: Array, rows: Array) -> Array:
    result = x.copy()
    for n, places in enumerate(indices.tolist()):
        for w, k in enumerate(places):
            if 0 <= k < x.shape[1]:
                result[n, k] = rows[n, w]
    return result


def _along(x: Array, axis: int) -> Iterator[Array]:
    return iter(np.moveaxis(x, axis, 0))


def _reduction(function: Callable[[Array, Array], Array]) -> Callable[..., Array]:
    def reduce(op: ops.ReduceMax, x: Array) -> Array:
        values = _along(x, op.axis)
        result = next(values)
        for value in values:
            result = function(result, value)
        return np.expand_dims(result, op.axis)

    return reduce


def _product(a: Array, b: Array) -> Array:
    return _fitted(integers(a) * integers(b), a.dtype, Overflow.WRAP)


def argmax(op: ops.ArgMax, x: Array) -> Array:
    values = _along(x, op.axis)
    best = next(values)
    index = np.zeros(best.shape, np.int32)
    for i, value in enumerate(values, start=1):
        index = np.where(value > best, np.int32(i), index)
        best = np.where(value > best, value, best)
    return index


def interpolated_table(op: ops.InterpolatedTable, x: Array, entries: Array) -> Array:
    stored = entries.tolist()

    def look_up(value: int) -> int:
        index, fraction = divmod(value + 32768, 128)
        return stored[index] * 128 + (stored[index + 1] - stored[index]) * fraction

    return _elements(look_up, np.int32, x)


def _taps(size: int, n: int, d: int, offset: int, border: int) -> Iterator[Any]:
    """Two pixels and the second's share of n, for each result pixel."""
    count = ((size - 1) * n - offset + border) // d + 1
    for o in range(count):
        pixel, share = divmod(o * d + offset, n)
        yield max(pixel, 0), min(pixel + 1, size - 1), share


def resize2d(op: ops.Resize2d, x: Array) -> Array:
    (yn, yd), (xn, xd) = op.scale_y, op.scale_x
    rows = list(_taps(x.shape[1], yn, yd, op.offset[0], op.border[0]))
    columns = list(_taps(x.shape[2], xn, xd, op.offset[1], op.border[1]))
    if op.mode is ops.Interpolation.NEAREST:
        ys = [b if 2 * share >= yn else a for a, b, share in rows]
        xs = [b if 2 * share >= xn else a for a, b, share in columns]
        return x[:, ys][:, :, xs]
    wide = integers(x)
    result = [
        [
            wide[:, y0, x0] * (yn - dy) * (xn - dx)
            + wide[:, y0, x1] * (yn - dy) * dx
            + wide[:, y1, x0] * dy * (xn - dx)
            + wide[:, y1, x1] * dy * dx
            for x0, x1, dx in columns
        ]
        for y0, y1, dy in rows
    ]
    dtype = np.int32 if x.dtype.itemsize == 1 else np.int64
    return np.array(result).astype(dtype).transpose(2, 0, 1, 3)


def codebook(op: ops.Codebook, index: Array, levels: Array) -> Array:
    found = [levels[int(i)] for i in index.flat]
    return np.array(found, levels.dtype).reshape(index.shape)


OPS: Final[dict[type[ops.Op], Callable[..., Array]]] = {
    ops.Codebook: codebook,
    ops.Equal: _comparison(lambda a, b: a == b),
    ops.Greater: _comparison(lambda a, b: a > b),
    ops.GreaterEqual: _comparison(lambda a, b: a >= b),
    ops.LogicalAnd: _comparison(lambda a, b: a and b),
    ops.LogicalOr: _comparison(lambda a, b: a or b),
    ops.LogicalXor: _comparison(lambda a, b: a is not b),
    ops.LogicalNot: lambda op, x: _elements(lambda v: not v, bool, x),
    ops.BitwiseAnd: _bits(lambda a, b: a & b),
    ops.BitwiseOr: _bits(lambda a, b: a | b),
    ops.BitwiseXor: _bits(lambda a, b: a ^ b),
    ops.BitwiseNot: lambda op, x: (-1 - integers(x)).astype(x.dtype),
    ops.ArithmeticRightShift: arithmetic_right_shift,
    ops.LogicalRightShift: logical_right_shift,
    ops.LogicalLeftShift: logical_left_shift,
    ops.Select: select,
    ops.Negate: negate,
    ops.Abs: absolute,
    ops.Clz: clz,
    ops.IntDiv: intdiv,
    ops.Cast: cast,
    ops.Reinterpret: reinterpret,
    ops.Gather: gather,
    ops.Scatter: scatter,
    ops.ReduceMax: _reduction(np.maximum),
    ops.ReduceMin: _reduction(np.minimum),
    ops.ReduceProduct: _reduction(_product),
    ops.ReduceAll: _reduction(np.logical_and),
    ops.ReduceAny: _reduction(np.logical_or),
    ops.ArgMax: argmax,
    ops.InterpolatedTable: interpolated_table,
    ops.Resize2d: resize2d,
}
