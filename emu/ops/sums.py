"""What the operators that sum products have in common.

Each lays its operands out as matrices whose products are summed over k: `... m k`
and `... k n`, k in the order of the operator's reduction axes.
"""

import math
from collections.abc import Callable
from typing import Final, Protocol, runtime_checkable

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Integer

from emu.fixedpoint import (
    Accumulator,
    Carrier,
    Number,
    Overflow,
    Register,
    Tiles,
    dot,
    exact_carrier,
    is_zero,
    overflow_accumulator,
    products_per_addition,
    sequential_sums,
    watched_sums,
)

WRAPPING_32: Final = Accumulator(32, Overflow.WRAP)

# The reduction axes of an operator and their sizes, outermost first.
Axes = tuple[tuple[str, int], ...]


@runtime_checkable
class SumOp(Protocol):
    """What those operators state of their sums."""

    @property
    def x_zero_point(self) -> int: ...

    @property
    def w_zero_point(self) -> int: ...

    @property
    def accumulator(self) -> Accumulator: ...


def sum_products(
    op: SumOp,
    x: Integer[Array, "*b m k"],
    w: Integer[Array, "*b k n"],
    bias: Integer[Array, "..."],
    axes: Axes,
    carrier: Carrier | None,
) -> Integer[Array, "*b m n"]:
    """Accumulators of sum over k of (x - x_zero_point) * (w - w_zero_point) + bias.

    int32, or int64 for accumulators wider than 32 bits. The bias is broadcast. No
    carrier: the one that needs no proof. What the carrier leaves of zero points in
    its operands is folded into the bias: sum((x-a)(w-b)) = sum(xw) - a sum(w) -
    b sum(x-a), in exact arithmetic and modulo 2**32 alike.
    """
    carrier = carrier or exact_carrier(op.accumulator)
    if carrier is Carrier.SEQUENTIAL:
        tiles, reach = _tiles(op, x, w, axes)
        return sequential_sums(tiles, _sum_within(reach), bias, op.accumulator, reach)
    x, x_zero_point = centred(x, op.x_zero_point, carrier)
    w, w_zero_point = centred(w, op.w_zero_point, carrier)
    acc = dot(x, w, carrier)
    acc = acc + fold_zero_point(bias, w, -2, x_zero_point, acc.dtype)
    if not is_zero(w_zero_point):
        moved = x.astype(acc.dtype) - jnp.asarray(x_zero_point, acc.dtype)
        sums = jnp.sum(moved, axis=-1, keepdims=True, dtype=acc.dtype)
        acc = acc - sums * jnp.asarray(w_zero_point, acc.dtype)
    return overflow_accumulator(acc, op.accumulator)


def watch_products(
    op: SumOp,
    x: Integer[Array, "*b m k"],
    w: Integer[Array, "*b k n"],
    bias: Integer[Array, "..."],
    axes: Axes,
) -> Register:
    """The registers of `sum_products`, every addition watched."""
    tiles, reach = _tiles(op, x, w, axes)
    return watched_sums(tiles, _sum_within(reach), bias, op.accumulator)


def centred(
    x: Integer[Array, "*s"], zero_point: Number, carrier: Carrier
) -> tuple[Integer[Array, "*s"], Number]:
    """The same values about another zero point, as operands of an exact dot.

    The carrier INT8 needs no bound on its partial sums: int8 stays, and uint8 moves
    to int8 by 128. For others the zero point is subtracted, so that no product is
    larger than the bound allows.
    """
    if carrier is Carrier.INT8:
        if x.dtype == jnp.uint8:
            return (x.astype(jnp.int16) - 128).astype(jnp.int8), zero_point - 128
        return x, zero_point
    return _subtracted(x, zero_point), 0


def fold_zero_point(
    bias: Integer[Array, "..."],
    w: Integer[Array, "*s"],
    axis: int,
    x_zero_point: Number,
    dtype: np.dtype,
) -> Integer[Array, "..."]:
    """Bias minus zero point times the sum of the weights of each output."""
    sums = jnp.sum(w, axis=axis, dtype=dtype, keepdims=True)
    return bias.astype(dtype) - sums * jnp.asarray(x_zero_point, dtype)


def order_of_products(axes: Axes, order: tuple[str, ...]) -> np.ndarray | None:
    """Where each product stands in the layout of k, in the order of addition.

    None if that is the layout. Axes without a place in `order` are outermost.
    """
    names = [name for name, _ in axes]
    unnamed = [name for name in names if name not in order]
    wanted = [names.index(name) for name in (*unnamed, *order) if name in names]
    if wanted == sorted(wanted):
        return None
    sizes = [size for _, size in axes]
    return np.arange(math.prod(sizes)).reshape(sizes).transpose(wanted).ravel()


def _subtracted(x: Integer[Array, "*s"], zero_point: Number) -> Integer[Array, "*s"]:
    wide = x if x.dtype == jnp.int64 else x.astype(jnp.int32)
    if is_zero(zero_point):
        return wide
    return wide - jnp.asarray(zero_point, wide.dtype)


def reach_of_products(x: np.dtype, w: np.dtype, products: int) -> int:
    """No sum of so many products of these dtypes is larger, zero points subtracted."""
    return products << (8 * (x.itemsize + w.itemsize))


def _tiles(
    op: SumOp,
    x: Integer[Array, "*b m k"],
    w: Integer[Array, "*b k n"],
    axes: Axes,
) -> tuple[Tiles, int]:
    """Operands by addition along the first axis, and the reach of each addition.

    The last one is filled up with products that are 0.
    """
    order = order_of_products(axes, op.accumulator.order)
    if order is not None:
        x, w = jnp.take(x, order, axis=-1), jnp.take(w, order, axis=-2)
    k = x.shape[-1]
    tile = products_per_addition(op.accumulator, k)
    reach = reach_of_products(x.dtype, w.dtype, tile)
    missing = -k % tile
    x, w = _subtracted(x, op.x_zero_point), _subtracted(w, op.w_zero_point)
    x = jnp.pad(x, [(0, 0)] * (x.ndim - 1) + [(0, missing)])
    w = jnp.pad(w, [(0, 0)] * (w.ndim - 2) + [(0, missing), (0, 0)])
    x = jnp.moveaxis(x.reshape(*x.shape[:-1], -1, tile), -2, 0)
    w = jnp.moveaxis(w.reshape(*w.shape[:-2], -1, tile, w.shape[-1]), -3, 0)
    return (x, w), reach


def _sum_within(reach: int) -> Callable[[Tiles], Integer[Array, "*b m n"]]:
    """The exact product of two tiles whose sums stay within `reach`."""
    if reach <= 2**24:
        carrier = Carrier.FLOAT32
    else:
        carrier = Carrier.FLOAT64 if reach <= 2**53 else Carrier.INT64
    dtype = jnp.dtype(jnp.int32 if reach < 2**31 else jnp.int64)

    def sum_of(tile: Tiles) -> Integer[Array, "*b m n"]:
        x, w = tile
        if x.shape[-1] == 1:
            return x.astype(dtype) * w.astype(dtype)
        return dot(x, w, carrier)

    return sum_of
