"""Functions of two values: float operands, or integers as TOSA ADD, SUB, MUL, ....

On integers the operands come from `rescale` nodes that removed the zero points and
brought them to one scale; sums and products are int32 and wrap as int32 does.
"""

from dataclasses import dataclass
from typing import Final

import jax.numpy as jnp
from jaxtyping import Array, Integer, Shaped

from emu.fixedpoint import Rounding, round_shift
from emu.fixedpoint.wide import to_int64
from emu.ops.single import single

MAX_SHIFT: Final = 63


@dataclass(frozen=True, slots=True, kw_only=True)
class Add:
    """x + y with broadcasting."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sub:
    """x - y with broadcasting."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mul:
    """x * y with broadcasting; TOSA MUL.

    Of int32 operands the exact product times 2**-shift, half up (0..63),
    keeps its low 32 bits. `alone`: the float32 product is rounded by itself, though
    the compiler may fuse it with a sum that follows, which rounds once less.
    """

    shift: int = 0
    alone: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Minimum:
    """The smaller of x and y, with broadcasting (TOSA MINIMUM)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Maximum:
    """The larger of x and y, with broadcasting (TOSA MAXIMUM)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SquaredDifference:
    """(x - y) * (x - y) with broadcasting."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BinaryTable:
    """Lookup of each pair of two 8-bit values, with broadcasting.

    Entry (x - x_min) * 256 + (y - y_min) of 65536 belongs to the pair x, y.
    """

    x_min: int
    y_min: int


def aligned(x: Array, y: Array) -> tuple[Array, Array]:
    """Give both operands the same rank by leading axes of 1 (numpy's rule)."""
    rank = max(x.ndim, y.ndim)
    a, b = (v.reshape((1,) * (rank - v.ndim) + v.shape) for v in (x, y))
    return a, b


def add(
    op: Add, x: Shaped[Array, "..."], y: Shaped[Array, "..."]
) -> Shaped[Array, "..."]:
    """Sum of the broadcast operands; both of one dtype."""
    a, b = aligned(x, y)
    return a + b


def sub(
    op: Sub, x: Shaped[Array, "..."], y: Shaped[Array, "..."]
) -> Shaped[Array, "..."]:
    """Difference of the broadcast operands; both of one dtype."""
    a, b = aligned(x, y)
    return a - b


def mul(
    op: Mul, x: Shaped[Array, "..."], y: Shaped[Array, "..."]
) -> Shaped[Array, "..."]:
    """Product of the broadcast operands; both of one dtype."""
    a, b = aligned(x, y)
    if op.alone and x.dtype == jnp.float32:
        return single(a.astype(jnp.float64) * b.astype(jnp.float64)).astype(x.dtype)
    if op.shift == 0:
        return a * b
    product = to_int64(a) * to_int64(b)
    # One of 63 bits is dropped first: half up, that moves no other.
    few = min(op.shift, MAX_SHIFT - 1)
    kept = product >> (op.shift - few)
    return round_shift(kept, few, Rounding.HALF_UP).astype(x.dtype)


def minimum(
    op: Minimum, x: Shaped[Array, "..."], y: Shaped[Array, "..."]
) -> Shaped[Array, "..."]:
    """Smaller of the broadcast operands; both of one dtype."""
    return jnp.minimum(*aligned(x, y))


def maximum(
    op: Maximum, x: Shaped[Array, "..."], y: Shaped[Array, "..."]
) -> Shaped[Array, "..."]:
    """Larger of the broadcast operands; both of one dtype."""
    return jnp.maximum(*aligned(x, y))


def squared_difference(
    op: SquaredDifference, x: Shaped[Array, "..."], y: Shaped[Array, "..."]
) -> Shaped[Array, "..."]:
    """Square of the difference of the broadcast operands; both of one dtype."""
    a, b = aligned(x, y)
    difference = a - b
    return difference * difference


def binary_table(
    op: BinaryTable,
    x: Integer[Array, "..."],
    y: Integer[Array, "..."],
    entries: Integer[Array, " size"],
) -> Integer[Array, "..."]:
    """The entry of each pair; every x and y is inside the table by its format."""
    a, b = aligned(x.astype(jnp.int32) - op.x_min, y.astype(jnp.int32) - op.y_min)
    return jnp.take(entries, a * 256 + b, mode="clip")
