"""Rounding to an integer: fifteen modes, one table, for shifts and for floats."""

from collections.abc import Callable, Mapping
from enum import Enum
from types import MappingProxyType
from typing import Final, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, UInt32

from emu.fixedpoint.chance import draws


class Rounding(Enum):
    """Where a value between two neighbouring integers goes.

    The HALF_* modes go to the nearer one and differ only at exact ties.
    TRUNCATE_MAGNITUDE is the lower one, plus 1 for every negative value, integers
    too (a sign bit added after truncation). JAM makes the result odd: the last bit is
    set, whatever was cut off (von Neumann). JAM_UNBIASED does so for values that are
    no integers. STOCHASTIC takes the upper one as often as its nearness says,
    STOCHASTIC_EQUAL every other time; both leave integers alone.
    """

    HALF_EVEN = "half-even"
    HALF_ODD = "half-odd"
    HALF_AWAY = "half-away"
    HALF_UP = "half-up"
    HALF_DOWN = "half-down"
    HALF_TOWARD_ZERO = "half-toward-zero"
    FLOOR = "floor"
    CEIL = "ceil"
    TOWARD_ZERO = "toward-zero"
    AWAY_FROM_ZERO = "away-from-zero"
    TRUNCATE_MAGNITUDE = "truncate-magnitude"
    JAM = "jam"
    JAM_UNBIASED = "jam-unbiased"
    STOCHASTIC = "stochastic"
    STOCHASTIC_EQUAL = "stochastic-equal"


class Cut(NamedTuple):
    """What a rule may know about a value v cut down to floor(v).

    `above` and `tie` compare v - floor(v) with a half, `inexact` says that it is
    not zero, `odd` speaks of floor(v), `negative` of v. `above` and `tie` are
    False where `inexact` is. `draw` gives 32 random bits each, `share` as many bits
    of v - floor(v); both are made only for modes that ask.
    """

    above: Bool[Array, "*s"]
    tie: Bool[Array, "*s"]
    inexact: Bool[Array, "*s"]
    odd: Bool[Array, "*s"]
    negative: Bool[Array, "*s"]
    draw: Callable[[], UInt32[Array, "*s"]]
    share: Callable[[], UInt32[Array, "*s"]]


ROUNDERS: Final[Mapping[Rounding, Callable[[Cut], Bool[Array, "*s"]]]] = (
    MappingProxyType(
        {
            # Each rule: is the result floor(v) + 1 rather than floor(v)?
            Rounding.HALF_EVEN: lambda cut: cut.above | (cut.tie & cut.odd),
            Rounding.HALF_ODD: lambda cut: cut.above | (cut.tie & ~cut.odd),
            Rounding.HALF_AWAY: lambda cut: cut.above | (cut.tie & ~cut.negative),
            Rounding.HALF_UP: lambda cut: cut.above | cut.tie,
            Rounding.HALF_DOWN: lambda cut: cut.above,
            Rounding.HALF_TOWARD_ZERO: lambda cut: cut.above | (cut.tie & cut.negative),
            Rounding.FLOOR: lambda cut: jnp.zeros_like(cut.inexact),
            Rounding.CEIL: lambda cut: cut.inexact,
            Rounding.TOWARD_ZERO: lambda cut: cut.inexact & cut.negative,
            Rounding.AWAY_FROM_ZERO: lambda cut: cut.inexact & ~cut.negative,
            Rounding.TRUNCATE_MAGNITUDE: lambda cut: cut.negative,
            Rounding.JAM: lambda cut: ~cut.odd,
            Rounding.JAM_UNBIASED: lambda cut: cut.inexact & ~cut.odd,
            Rounding.STOCHASTIC: lambda cut: cut.draw() < cut.share(),
            Rounding.STOCHASTIC_EQUAL: lambda cut: (
                cut.inexact & (cut.draw() >> 31 == 0)
            ),
        }
    )
)


_MOVES_INTEGERS: Final = (Rounding.JAM, Rounding.TRUNCATE_MAGNITUDE)


def round_shift(
    x: Int[Array, "*s"], shift: int | Int[Array, "*#s"], mode: Rounding, seed: int = 0
) -> Int[Array, "*s"]:
    """Round x / 2**shift, exactly, in the dtype of x.

    Range: every int32 or int64 x; 0 <= shift <= 30 for int32, 62 for int64. `seed`
    is for the modes that draw (see `draws`: the first axis is the batch).
    """
    shift = jnp.asarray(shift, x.dtype)
    below = x >> shift
    rest = x - (below << shift)
    twice_rest = rest << 1

    def share() -> UInt32[Array, "*s"]:
        left = jnp.maximum(32 - shift, 0).astype(jnp.uint32)
        if x.dtype == jnp.int32:
            return jnp.where(shift == 0, 0, rest.astype(jnp.uint32) << left)
        high = rest >> jnp.maximum(shift - 32, 0)
        return jnp.where(shift == 0, 0, high.astype(jnp.uint32) << left)

    whole = jnp.ones_like(shift) << shift
    cut = Cut(
        above=twice_rest > whole,
        tie=twice_rest == whole,
        inexact=twice_rest != 0,
        odd=(below & 1) != 0,
        negative=x < 0,
        draw=lambda: draws(x.shape, seed),
        share=share,
    )
    return below + ROUNDERS[mode](cut).astype(x.dtype)


def shift_half_up(x: Int[Array, "*s"], shift: Int[Array, "*#s"]) -> Int[Array, "*s"]:
    """Round x / 2**shift half up: `round_shift` for the hot path.

    Range: for int64 |x| <= 2**62 and 0 <= shift <= 62, for int32 |x| <= 2**30 and
    0 <= shift <= 30. Then x + bias + 2**62 is not negative and fits 64 bits without
    sign, so a logical shift divides it; CPUs have that one in their vector units,
    and not the arithmetic one (measured with AVX2: 2 to 3 times as fast). The mask
    only tells the compiler that shift is in range.
    """
    width = np.iinfo(x.dtype).bits
    shift = shift & (width - 1)
    one = jnp.ones_like(shift)
    bias = jax.lax.shift_right_logical(one << shift, one)
    lifted = x + (bias + (one << (width - 2)))
    shifted = jax.lax.shift_right_logical(lifted, jnp.broadcast_to(shift, x.shape))
    return shifted - (one << ((width - 2 - shift) & (width - 1)))


def round_float(
    x: Float[Array, "*s"], mode: Rounding, seed: int = 0
) -> Float[Array, "*s"]:
    """Round to an integer held in the same float dtype, exactly for every float.

    x is compared with floor(x) + 0.5, never subtracted from it: that sum is exact
    wherever x can have a fraction (0.49999997 stays below it), and no fused
    multiply-add can swallow the rounding of an x that is itself a product.
    Infinities and NaN stay; zeros come out as +0.0. XLA may read a subnormal x as
    zero, which only CEIL, FLOOR, TOWARD_ZERO and AWAY_FROM_ZERO could tell apart.
    Integers too large to have odd neighbours stay, in every mode.
    STOCHASTIC needs 64-bit types; `seed` is as in `round_shift`.
    """
    below = jnp.floor(x)
    middle = below + 0.5
    inexact = x != below

    def share() -> UInt32[Array, "*s"]:
        # Exact in float64, but for x just below an integer, whose share may be 1.
        wide = x.astype(jnp.float64)
        found = jnp.floor((wide - jnp.floor(wide)) * 2.0**32)
        return jnp.clip(found, 0, 2.0**32 - 1).astype(jnp.uint32)

    cut = Cut(
        above=inexact & (x > middle),
        tie=inexact & (x == middle),
        inexact=inexact,
        odd=jnp.floor(below * 0.5) * 2 != below,
        negative=x < 0,
        draw=lambda: draws(x.shape, seed),
        share=share,
    )
    upper = ROUNDERS[mode](cut)
    if mode in _MOVES_INTEGERS:
        # From 2 ** (bits of the mantissa) on there are only even numbers.
        upper = upper & (jnp.abs(x) < 2.0 ** (jnp.finfo(x.dtype).nmant + 1))
    return below + upper.astype(x.dtype)
