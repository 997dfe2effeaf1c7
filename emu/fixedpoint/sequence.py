"""Sums as a register makes them: addition after addition, each with its overflow.

Also what the designer of that register asks for: the largest number it had to hold,
how often it could not, and the width that no input can overflow.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Int32, Int64, Integer

from emu.fixedpoint.accumulate import accumulator_bound
from emu.fixedpoint.formats import IntFormat
from emu.fixedpoint.overflow import OVERFLOWS
from emu.fixedpoint.register import (
    Accumulator,
    BiasStage,
    Stage,
    overflow_accumulator,
    overflowed,
)
from emu.fixedpoint.wide import to_int64

Tiles = tuple[Integer[Array, "..."], Integer[Array, "..."]]
SumOf = Callable[[Tiles], Integer[Array, "*s"]]


class Register(NamedTuple):
    """What happened in the register of each sum.

    `held` is the final content; `low` and `high` are the least and the greatest
    exact result of an addition, before its overflow; `overflows` counts additions
    that did not fit. Preloading a bias is an addition to 0.
    """

    held: Int32[Array, "*s"] | Int64[Array, "*s"]
    low: Int64[Array, "*s"]
    high: Int64[Array, "*s"]
    overflows: Int64[Array, "*s"]


def products_per_addition(accumulator: Accumulator, products: int) -> int:
    """How many of the products each addition adds: all of them, one, or a tile."""
    counts = {Stage.END: products, Stage.PRODUCT: 1, Stage.TILE: accumulator.tile}
    return max(1, min(counts[accumulator.saturate], products))


def sequential_sums(
    tiles: Tiles,
    sum_of: SumOf,
    bias: Integer[Array, "*#s"],
    accumulator: Accumulator,
    reach: int,
) -> Int32[Array, "*s"] | Int64[Array, "*s"]:
    """The final content of the register; `Register.held` of `watched_sums`, faster.

    `tiles` holds operands by addition along the first axis, `sum_of` the exact sum
    of the products of one; no such sum is larger than `reach` in magnitude.
    """
    at_end = accumulator.saturate is Stage.END
    narrow = not at_end and reach - accumulator.min < 2**31
    dtype = jnp.dtype(jnp.int32 if narrow else jnp.int64)
    bring_inside = OVERFLOWS[accumulator.overflow]
    shape = jax.eval_shape(sum_of, jax.tree.map(lambda a: a[0], tiles)).shape
    first, last = _biases(bias, shape, accumulator)
    start = first if at_end else overflow_accumulator(first, accumulator)

    def add(held: Array, tile: Tiles) -> tuple[Array, None]:
        exact = held + sum_of(tile).astype(dtype)
        return bring_inside(exact, accumulator.min, accumulator.max), None

    held, _ = jax.lax.scan(add, start.astype(dtype), tiles)
    if at_end or accumulator.bias is BiasStage.PRELOADED:
        return held.astype(accumulator.dtype)
    return overflow_accumulator(to_int64(held) + last, accumulator)


def watched_sums(
    tiles: Tiles,
    sum_of: SumOf,
    bias: Integer[Array, "*#s"],
    accumulator: Accumulator,
) -> Register:
    """Every addition of the register, watched; at END the one addition of all.

    Exact if no partial sum leaves 64 bits.
    """
    shape = jax.eval_shape(sum_of, jax.tree.map(lambda a: a[0], tiles)).shape
    first, last = _biases(bias, shape, accumulator)
    if accumulator.saturate is Stage.END:
        exact = to_int64(sum_of(jax.tree.map(lambda a: a[0], tiles))) + first + last
        held = overflow_accumulator(exact, accumulator)
        missed = to_int64(overflowed(exact, accumulator))
        return Register(held, exact, exact, missed)

    def add(seen: Register, more: Array) -> Register:
        exact = to_int64(seen.held) + more
        return Register(
            held=overflow_accumulator(exact, accumulator),
            low=jnp.minimum(seen.low, exact),
            high=jnp.maximum(seen.high, exact),
            overflows=seen.overflows + to_int64(overflowed(exact, accumulator)),
        )

    zeros = jnp.zeros(shape, jnp.int64)
    register = Register(zeros.astype(accumulator.dtype), zeros, zeros, zeros)
    preloaded = accumulator.bias is BiasStage.PRELOADED
    register, _ = jax.lax.scan(
        lambda seen, tile: (add(seen, to_int64(sum_of(tile))), None),
        add(register, first) if preloaded else register,
        tiles,
    )
    return register if preloaded else add(register, last)


def _biases(
    bias: Integer[Array, "*#s"], shape: tuple[int, ...], accumulator: Accumulator
) -> tuple[Int64[Array, "*s"], Int64[Array, "*s"]]:
    """What is added before the first product and what after the last one."""
    whole = jnp.broadcast_to(to_int64(bias), shape)
    none = jnp.zeros_like(whole)
    at_end = accumulator.saturate is Stage.END
    first = at_end or accumulator.bias is BiasStage.PRELOADED
    return (whole, none) if first else (none, whole)


def worst_case(
    weights: Integer[np.ndarray, "k co"],
    bias: Integer[np.ndarray, " #co"],
    x_fmt: IntFormat,
    x_zero_point: int,
    accumulator: Accumulator,
) -> tuple[int, int]:
    """The least and the greatest exact number that any input can bring into play.

    Over all inputs in `x_fmt` and every content of the register between additions:
    after each product (END and PRODUCT; a sum that overflows once at the end passes
    through all of them in hardware) or each tile, with the bias where it stands.
    `weights` are those of each output (their zero point subtracted) in the order of
    addition. Each extreme is reached by some input, if nothing overflows on the way.
    """
    step = max(accumulator.tile, 1)
    ends = np.arange(step - 1, len(weights) + step - 1, step).clip(0, len(weights) - 1)
    bound = accumulator_bound(
        np.abs(weights).sum(axis=0), x_fmt, x_zero_point, np.abs(bias)
    )
    # Python integers hold any sum, slowly.
    exact = weights.astype(np.int64 if bound < 2**62 else object)
    at_limits = [exact * (x - x_zero_point) for x in (x_fmt.min, x_fmt.max)]
    preloaded = accumulator.bias is BiasStage.PRELOADED
    biases = np.broadcast_to(bias.astype(exact.dtype), weights.shape[1:])
    first = biases if preloaded else biases * 0
    extremes = []
    for choose in (np.minimum, np.maximum):
        partial = np.cumsum(choose(*at_limits), axis=0)[ends] + first
        contents = [first[None], partial, partial[-1:] + biases - first]
        extremes.append(np.concatenate(contents))
    return int(extremes[0].min(initial=0)), int(extremes[1].max(initial=0))
