"""What engines compute in fixed point or float32, once more: row by row, in NumPy.

Python integers for fixed point, NumPy float32 scalars for float32: neither can be
fused or reordered. Formulas from LiteRT, gemmlowp, XNNPACK and ONNX Runtime.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from emu import ops

Array = np.ndarray[Any, Any]
F = np.float32


def _rows(function: Callable[[list[int]], list[int]], x: Array, dtype: Any) -> Array:
    """Apply a function of a list to each row along the last axis."""
    flat = x.reshape(-1, x.shape[-1])
    made = [function([int(v) for v in row]) for row in flat]
    return np.array(made, dtype).reshape(x.shape)


# -- fixed point ----------------------------------------------------------------------


def srdhm(a: int, b: int) -> int:
    """gemmlowp SaturatingRoundingDoublingHighMul<int32>."""
    if a == b == -(2**31):
        return 2**31 - 1
    product = a * b
    nudged = product + (2**30 if product >= 0 else 1 - 2**30)
    return nudged // 2**31 if nudged >= 0 else -(-nudged // 2**31)


def divide_by_power(x: int, exponent: int) -> int:
    """gemmlowp RoundingDivideByPOT, as remainder and threshold."""
    mask = (1 << exponent) - 1
    threshold = (mask >> 1) + (1 if x < 0 else 0)
    return (x >> exponent) + (1 if (x & mask) > threshold else 0)


def _times_power(x: int, exponent: int) -> int:
    return max(-(2**31), min(2**31 - 1, x * 2**exponent))


def _one_over_one_plus(a: int) -> int:
    """gemmlowp one_over_one_plus_x_for_x_in_0_1, both with 31 fraction bits."""
    total = a + 2**31 - 1
    half_denominator = (total + 1) // 2
    x = 1515870810 + srdhm(half_denominator, -1010580540)
    for _ in range(3):
        rest = 2**29 - srdhm(half_denominator, x)
        x += _times_power(srdhm(x, rest), 2)
    return _times_power(x, 1)


def _zeros(x: int) -> int:
    return 32 - x.bit_length()


def _softmax_fixed(op: ops.IntegerSoftmax, row: list[int], exps: Array) -> list[int]:
    powers = [int(exps[255 + v - max(row)]) for v in row]
    total = sum(divide_by_power(p, 12) for p in powers)
    headroom = _zeros(total)
    inverse = _one_over_one_plus((total << headroom) - 2**31)
    exponent = 12 - headroom + 31 - op.format.bits
    codes = [divide_by_power(srdhm(inverse, p), exponent) for p in powers]
    return [min(c + op.format.min, op.format.max) for c in codes]


def _look_up(x: int, table: Array) -> int:
    """LiteRT LUTLookup of int16."""
    index, offset = 256 + (x >> 7), x & 0x7F
    slope = int(table[index + 1]) - int(table[index])
    return int(table[index]) + ((slope * offset + 64) >> 7)


def _softmax_int16(
    op: ops.IntegerSoftmax, row: list[int], exps: Array, inverses: Array
) -> list[int]:
    powers = []
    for v in row:
        left, right = max(31 - op.shift, 0), max(op.shift - 31, 0)
        scaled = divide_by_power(srdhm((v - max(row)) << left, op.multiplier), right)
        powers.append(_look_up(max(min(scaled + 32767, 32767), -32768), exps))
    headroom = _zeros(sum(powers))
    shifted = ((sum(powers) << (headroom - 1)) + (1 << 13)) >> 14
    place = max(min(shifted - (1 << 15) - (1 << 16), 32767), -32768)
    inverse = _look_up(place, inverses)
    right = 31 - headroom
    codes = [(p * inverse + (1 << (right - 1))) >> right for p in powers]
    return [max(0, min(c, 32767)) for c in codes]


# -- float32 --------------------------------------------------------------------------


def _softmax_float(op: ops.IntegerSoftmax, row: list[int], exps: Array) -> list[int]:
    powers = [F(exps[255 + v - max(row)]) for v in row]
    total = F(0)
    for power in powers:
        total = total + power
    if op.style is ops.SoftmaxStyle.ONNXRUNTIME:
        steps = [int(np.rint((p * F(op.scale)) / total)) for p in powers]
        codes = [step + op.zero_point for step in steps]
    else:
        inverse = F(1) / (total * F(op.scale))
        reals = [p * inverse for p in powers]
        if op.format.signed:
            codes = [int(np.floor(float(r) + 0.5)) + op.zero_point for r in reals]
        else:
            codes = [int(r + F(0.5)) for r in reals]
    return [max(op.format.min, min(c, op.format.max)) for c in codes]


def integer_softmax(
    op: ops.IntegerSoftmax, x: Array, exps: Array, inverses: Array | None = None
) -> Array:
    def row(values: list[int]) -> list[int]:
        if inverses is not None:
            return _softmax_int16(op, values, exps, inverses)
        if op.style is ops.SoftmaxStyle.LITERT_FIXED:
            return _softmax_fixed(op, values, exps)
        return _softmax_float(op, values, exps)

    return _rows(row, x, op.format.dtype)


def _round(x: Array, mode: str) -> Array:
    """A float32 array to integers; sums with a half are taken in float64."""
    v = x.astype(np.float64)
    if mode == "half-away":
        return np.sign(v) * np.floor(np.abs(v) + 0.5)
    assert mode == "half-even"
    return np.rint(v)


def float_rescale(op: ops.FloatRescale, x: Array) -> Array:
    moved = x.astype(F) * F(op.scale) + F(op.offset)
    codes = _round(moved, op.rounding.value) + op.zero_point
    return np.clip(codes, op.format.min, op.format.max).astype(op.format.dtype)


def dequantized_avg_pool2d(op: ops.DequantizedAvgPool2d, x: Array) -> Array:
    reals = (x.astype(F) - F(op.x.zero_point[0])) * F(op.x.scale[0])
    (kh, kw), (sh, sw) = op.kernel, op.stride
    (top, bottom), (left, right) = op.padding
    n, h, w, c = x.shape
    oh, ow = (h + top + bottom - kh) // sh + 1, (w + left + right - kw) // sw + 1
    made = np.zeros((n, oh, ow, c), op.format.dtype)
    for i in range(oh):
        for j in range(ow):
            total, count = np.zeros((n, c), F), 0
            for a in range(i * sh - top, i * sh - top + kh):
                for b in range(j * sw - left, j * sw - left + kw):
                    if 0 <= a < h and 0 <= b < w:
                        total, count = total + reals[:, a, b], count + 1
            mean = total / F(kh * kw if op.count_include_pad else count)
            moved = np.rint(mean / F(op.y.scale[0]) + F(op.y.zero_point[0]))
            made[:, i, j] = np.clip(moved, op.format.min, op.format.max)
    return made


# -- tables and pixels ----------------------------------------------------------------


def binary_table(op: ops.BinaryTable, x: Array, y: Array, entries: Array) -> Array:
    a, b = np.broadcast_arrays(x.astype(int) - op.x_min, y.astype(int) - op.y_min)
    return entries.reshape(256, 256)[a, b]


def channel_table(op: ops.ChannelTable, x: Array, entries: Array) -> Array:
    parts = [entries[c][x[..., c].astype(int) - op.x_min] for c in range(x.shape[-1])]
    return np.stack(parts, axis=-1)


def resize_integer(
    op: ops.ResizeInteger, x: Array, rows: Array, columns: Array
) -> Array:
    one, pixels = 1 << op.bits, x.astype(object)
    made = np.zeros((len(x), rows.shape[1], columns.shape[1], x.shape[-1]), x.dtype)
    for i, (top, bottom, dy) in enumerate(rows.T.tolist()):
        for j, (left, right, dx) in enumerate(columns.T.tolist()):
            exact = (
                pixels[:, top, left] * (one - dy) * (one - dx)
                + pixels[:, top, right] * (one - dy) * dx
                + pixels[:, bottom, left] * dy * (one - dx)
                + pixels[:, bottom, right] * dy * dx
            )
            half = one * one // 2
            if op.rounding.value == "half-up":
                made[:, i, j] = (exact + half) // (one * one)
            else:
                assert op.rounding.value == "half-away"
                sign = np.where(exact < 0, -1, 1)
                made[:, i, j] = sign * ((abs(exact) + half) // (one * one))
    return made


def resize_single(
    op: ops.ResizeSingle,
    x: Array,
    rows: Array,
    columns: Array,
    down: Array,
    across: Array,
) -> Array:
    """NumPy's float32 arithmetic rounds every step."""
    half = np.float32(0.5)
    made = np.zeros((len(x), rows.shape[1], columns.shape[1], x.shape[-1]), x.dtype)
    for i in range(rows.shape[1]):
        for j in range(columns.shape[1]):
            (top, bottom), (left, right) = rows[:, i], columns[:, j]
            (a, b), (c, d) = down[:, i], across[:, j]
            p, q, r, s = (
                x[:, y, z].astype(np.float32)
                for y, z in ((top, left), (top, right), (bottom, left), (bottom, right))
            )
            if op.joint:
                total = p * (a * c) + q * (a * d) + r * (b * c) + s * (b * d)
            else:
                total = p * a * c + r * b * c + q * a * d + s * b * d
            made[:, i, j] = np.floor(total + half)
    return made


ENGINES = {
    ops.IntegerSoftmax: integer_softmax,
    ops.FloatRescale: float_rescale,
    ops.DequantizedAvgPool2d: dequantized_avg_pool2d,
    ops.BinaryTable: binary_table,
    ops.ChannelTable: channel_table,
    ops.ResizeInteger: resize_integer,
    ops.ResizeSingle: resize_single,
}
