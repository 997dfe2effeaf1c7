"""Linear interpolation on integers, exactly: InterpolatedTable and Resize2d."""

from dataclasses import dataclass
from typing import Final, NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Int, Int16, Int32, Integer

from emu.ops.resize import Interpolation
from emu.ops.window import Pair

ENTRIES: Final = 513
# Limits of TOSA RESIZE: sizes below, scale numerators up to.
MAX_SIZE: Final = 16384
MAX_NUMERATOR: Final = 1 << 11


@dataclass(frozen=True, slots=True, kw_only=True)
class InterpolatedTable:
    """Lookup of int16 values between 513 stored ones: TOSA TABLE for int16.

    Entry i belongs to -32768 + 128 * i; the seven low bits of a value interpolate,
    and the result has them as fraction bits: 23 bits, int32.
    """


@dataclass(frozen=True, slots=True, kw_only=True)
class Resize2d:
    """Integer image of another size: TOSA RESIZE.

    Result row o lies at row (o * d + offset) / n of the operand, with scale
    (n, d) = `scale_y`; columns likewise. NEAREST reads the nearer pixel (the lower
    right one at a tie). LINEAR weights four with the exact fractions times n, so the
    result is scaled by n_y * n_x: int32 from int8, int64 (48 bits) from int16.
    """

    mode: Interpolation
    scale_y: Pair
    scale_x: Pair
    offset: Pair
    border: Pair


class Taps(NamedTuple):
    """For each result pixel of an axis: two operand pixels, the second's share of n."""

    first: Int[np.ndarray, " o"]
    second: Int[np.ndarray, " o"]
    share: Int[np.ndarray, " o"]


def interpolated_table(
    op: InterpolatedTable, x: Int16[Array, "..."], entries: Int16[Array, "513"]
) -> Int32[Array, "..."]:
    """128 * base + slope * fraction."""
    position = x.astype(jnp.int32) + 32768
    index, fraction = position >> 7, position & 127
    table = entries.astype(jnp.int32)
    base = jnp.take(table, index, mode="clip")
    slope = jnp.take(table, index + 1, mode="clip") - base
    return (base << 7) + slope * fraction


def axis_taps(size: int, scale: Pair, offset: int, border: int) -> Taps:
    """Raises ValueError for what TOSA RESIZE forbids."""
    n, d = scale
    if not (0 < n <= MAX_NUMERATOR and 0 < d < 16 * n and 0 < size < MAX_SIZE):
        raise ValueError(f"no TOSA resize of {size} pixels has the scale {n} / {d}")
    if not (-n <= offset < 16 * n and -16 * n <= border < n):
        raise ValueError(f"offset {offset}, border {border} beyond the scale {n} / {d}")
    last, rest = divmod((size - 1) * n - offset + border, d)
    if rest or not 0 <= last < MAX_SIZE - 1:
        raise ValueError(f"{size} pixels scaled by {n} / {d} give no whole size")
    position = np.arange(last + 1) * d + offset
    pixel = position // n
    return Taps(
        first=np.maximum(pixel, 0),
        second=np.minimum(pixel + 1, size - 1),
        share=position - pixel * n,
    )


def resize2d(op: Resize2d, x: Integer[Array, "n h w c"]) -> Integer[Array, "n oh ow c"]:
    """Rows first, then columns: on integers the order does not matter."""
    rows = axis_taps(x.shape[1], op.scale_y, op.offset[0], op.border[0])
    columns = axis_taps(x.shape[2], op.scale_x, op.offset[1], op.border[1])
    if op.mode is Interpolation.NEAREST:
        nearest = _nearest(rows, op.scale_y[0]), _nearest(columns, op.scale_x[0])
        return _take(_take(x, nearest[0], 1), nearest[1], 2)
    # 16 bits times twice 11 of the scales: beyond 32 bits.
    wide = x.astype(jnp.int32 if x.dtype.itemsize == 1 else jnp.int64)
    return _blend(_blend(wide, rows, op.scale_y[0], 1), columns, op.scale_x[0], 2)


def _nearest(taps: Taps, n: int) -> Int[np.ndarray, " o"]:
    return np.where(2 * taps.share >= n, taps.second, taps.first)


def _take(
    x: Integer[Array, "n h w c"], pixels: Int[np.ndarray, " o"], axis: int
) -> Integer[Array, "n oh ow c"]:
    return jnp.take(x, jnp.asarray(pixels, jnp.int32), axis=axis, mode="clip")


def _blend(x: Integer[Array, "n h w c"], taps: Taps, n: int, axis: int) -> Array:
    shape = [1] * x.ndim
    shape[axis] = -1
    share = jnp.asarray(taps.share.reshape(shape), x.dtype)
    first, second = _take(x, taps.first, axis), _take(x, taps.second, axis)
    return first * (n - share) + second * share
