"""Rounding of shifts and floats against exact arithmetic."""

from fractions import Fraction

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import example, given, strategies as st

from emu.fixedpoint import ROUNDERS, Rounding, round_float, round_shift, shift_half_up
from tests.fixedpoint.examples import FEWER
from tests.oracles.exact import near_powers_of_two, round_exactly, wide_integers

STOCHASTIC = (Rounding.STOCHASTIC, Rounding.STOCHASTIC_EQUAL)
EXACT = [mode for mode in Rounding if mode not in STOCHASTIC]
MODES = pytest.mark.parametrize("mode", EXACT, ids=lambda mode: mode.value)
JIT_ROUND_SHIFT = jax.jit(round_shift, static_argnames=("mode", "seed"))
JIT_ROUND_FLOAT = jax.jit(round_float, static_argnames=("mode", "seed"))


def grid(values, shifts, dtype):
    """Every value beside every shift, as two arrays that broadcast."""
    x = np.broadcast_to(np.array(values, dtype), (len(shifts), len(values)))
    return jnp.asarray(x), jnp.asarray(np.array(shifts, dtype)[:, None])


def exact_shifts(x, shift, mode):
    shifts = np.broadcast_to(np.asarray(shift), x.shape)
    pairs = zip(np.asarray(x).flat, shifts.flat, strict=True)
    rounded = [round_exactly(Fraction(int(v), 1 << int(s)), mode) for v, s in pairs]
    return np.array(rounded, x.dtype).reshape(x.shape)


def exact_float(value, mode, dtype=np.float32):
    """The rounded value; beyond all odd floats an integer has no neighbour to go to."""
    if abs(value) >= 2.0 ** (np.finfo(dtype).nmant + 1):
        return int(value)
    return round_exactly(Fraction(float(value)), mode.value)


def test_every_mode_has_a_rounder():
    assert set(ROUNDERS) == set(Rounding)


def test_the_table_is_read_only():
    with pytest.raises(TypeError):
        ROUNDERS[Rounding.FLOOR] = ROUNDERS[Rounding.CEIL]  # pyright: ignore[reportIndexIssue]


@MODES
def test_every_8_bit_value_and_shift_rounds_exactly(mode):
    x, shift = grid(range(-128, 256), range(11), np.int32)
    want = exact_shifts(x, shift, mode.value)
    np.testing.assert_array_equal(round_shift(x, shift, mode), want)
    np.testing.assert_array_equal(JIT_ROUND_SHIFT(x, shift, mode), want)


@MODES
@pytest.mark.parametrize("bits", [32, 64])
def test_values_near_powers_of_two_round_exactly(mode, bits, x64):
    shifts = range(0, bits - 1, 1 if bits == 32 else 3)
    dtype = np.dtype(f"int{bits}")
    x, shift = grid(near_powers_of_two(bits), shifts, dtype)
    got = JIT_ROUND_SHIFT(x, shift, mode)
    assert got.dtype == dtype
    np.testing.assert_array_equal(got, exact_shifts(x, shift, mode.value))


@MODES
@FEWER
@given(x=wide_integers(64), shift=st.integers(0, 62))
@example(x=-1, shift=1)
@example(x=2**63 - 1, shift=62)
@example(x=-(2**63), shift=62)
def test_any_int64_and_shift_round_exactly(mode, x, shift):
    with jax.enable_x64(True):
        got = JIT_ROUND_SHIFT(jnp.asarray([x]), shift, mode)
    assert int(got[0]) == round_exactly(Fraction(x, 1 << shift), mode.value)


@pytest.mark.parametrize("bits", [32, 64])
def test_shift_half_up_is_exact_in_all_of_its_range(bits, x64):
    limit = 2 ** (bits - 2)
    values = near_powers_of_two(bits)
    values = values[abs(values.astype(object)) <= limit]
    assert {limit, -limit} <= set(values.tolist())
    x, shift = grid(values, range(bits - 1), np.dtype(f"int{bits}"))
    want = exact_shifts(x, shift, "half-up")
    np.testing.assert_array_equal(shift_half_up(x, shift), want)
    np.testing.assert_array_equal(jax.jit(shift_half_up)(x, shift), want)


def halves_and_their_neighbours(dtype):
    """k + {0, 1/2}, each with the next float below and above, at all magnitudes."""
    digits = np.finfo(dtype).nmant
    wholes = {float(2**k + d) for k in range(digits + 4) for d in (-2, -1, 0, 1, 2)}
    wholes |= set(map(float, range(20)))
    points = np.array([w + f for w in sorted(wholes) for f in (0.0, 0.5)], dtype)
    points = np.concatenate([points, -points, dtype([3e38, 1e-30, 0.49999997])])
    beside = [np.nextafter(points, dtype(to)) for to in (-np.inf, np.inf)]
    every = np.concatenate([points, *beside])
    # Subnormal numbers may be read as zero.
    return every[(every == 0) | (abs(every) >= np.finfo(dtype).tiny)]


@MODES
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_floats_beside_ties_round_exactly(mode, dtype, x64):
    x = halves_and_their_neighbours(dtype)
    want = np.array([exact_float(v, mode, dtype) for v in x], dtype)
    for rounder in (round_float, JIT_ROUND_FLOAT):
        got = rounder(jnp.asarray(x), mode)
        assert got.dtype == dtype
        np.testing.assert_array_equal(got, want)


@MODES
@FEWER
@given(
    x=st.lists(
        st.floats(width=32, allow_nan=False, allow_infinity=False).filter(
            lambda v: v == 0 or abs(v) >= np.finfo(np.float32).tiny
        ),
        min_size=16,
        max_size=16,
    )
)
def test_any_float32_rounds_exactly(mode, x):
    got = np.asarray(JIT_ROUND_FLOAT(jnp.asarray(x, jnp.float32), mode))
    assert [int(v) for v in got] == [exact_float(v, mode) for v in x]


def test_just_under_a_half_does_not_round_up():
    x = jnp.asarray([0.49999997], jnp.float32)
    assert float(round_float(x, Rounding.HALF_UP)[0]) == 0


@MODES
def test_infinities_stay_and_zeros_have_no_sign(mode):
    x = jnp.asarray([np.inf, -np.inf, -0.0], jnp.float32)
    got = np.asarray(round_float(x, mode))
    assert got.tolist() == [np.inf, -np.inf, float(mode is Rounding.JAM)]
    assert not np.signbit(got[2])


@MODES
def test_rounding_a_product_is_the_same_jitted_and_eager(mode):
    # A fused multiply-add would round the unrounded product.
    a = jnp.asarray(np.random.default_rng(0).normal(size=4096) * 100, jnp.float32)
    b = jnp.asarray(np.random.default_rng(1).normal(size=4096), jnp.float32)
    ties = jnp.round(a) + 0.5
    a = jnp.concatenate([a, ties * 3])
    b = jnp.concatenate([b, jnp.full_like(ties, np.float32(1 / 3))])
    jitted = jax.jit(lambda a, b: round_float(a * b, mode))(a, b)
    np.testing.assert_array_equal(jitted, round_float(a * b, mode))


DRAWN = pytest.mark.parametrize("mode", STOCHASTIC, ids=lambda mode: mode.value)
FORMS = pytest.mark.parametrize("form", [np.int32, np.int64, np.float32])


def drawn(values, mode, seed, form):
    """Sixteenths rounded at random, from integers or from floats."""
    x = np.asarray(values)
    if form is np.float32:
        return JIT_ROUND_FLOAT(jnp.asarray(x / 16, jnp.float32), mode, seed)
    return JIT_ROUND_SHIFT(jnp.asarray(x.astype(form)), 4, mode, seed)


@DRAWN
@FORMS
def test_a_draw_gives_a_neighbour_as_often_as_it_is_near(mode, form, x64):
    sixteenths = np.arange(-40, 41)
    count = 4000
    got = np.asarray(drawn(np.tile(sixteenths, (1, count, 1)), mode, 3, form))[0]
    below = np.floor(sixteenths / 16)
    assert np.isin(got - below, (0, 1)).all()
    inexact = sixteenths % 16 != 0
    np.testing.assert_array_equal((got - below)[:, ~inexact], 0)
    equal = mode is Rounding.STOCHASTIC_EQUAL
    chance = np.where(inexact, 0.5, 0) if equal else sixteenths / 16 - below
    # Five standard deviations of a share of 4000 draws.
    assert abs((got - below).mean(axis=0) - chance).max() < 5 * 0.5 / count**0.5


@DRAWN
@FORMS
def test_a_draw_depends_on_seed_and_place_but_not_on_the_batch(mode, form, x64):
    x = np.random.default_rng(5).integers(-(2**10), 2**10, (3, 4, 50))
    whole = np.asarray(drawn(x, mode, 7, form))
    for i in range(3):
        np.testing.assert_array_equal(
            drawn(x[i : i + 1], mode, 7, form), whole[i : i + 1]
        )
    same = np.asarray(drawn(np.stack([x[0]] * 2), mode, 7, form))
    np.testing.assert_array_equal(same[0], same[1])
    assert (np.asarray(drawn(x, mode, 8, form)) != whole).any()
    assert (np.asarray(drawn(x[:, ::-1], mode, 7, form))[:, ::-1] != whole).any()


@DRAWN
def test_integers_and_floats_of_the_same_value_draw_alike(mode, x64):
    x = np.random.default_rng(6).integers(-(2**20), 2**20, (2, 500))
    ways = [np.asarray(drawn(x, mode, 1, form)) for form in (np.int32, np.int64)]
    np.testing.assert_array_equal(ways[0], ways[1])
    np.testing.assert_array_equal(ways[0], drawn(x, mode, 1, np.float32))


@pytest.mark.parametrize("shift", [0, 1, 31, 32, 33, 62])
def test_a_draw_knows_the_nearness_at_every_shift(shift, x64):
    """Just below the next integer nearly all go up, just above an integer nearly none."""
    low, high = (np.full((1, 1000), rest) for rest in (1, (1 << shift) - 1))
    up, down = (
        np.asarray(JIT_ROUND_SHIFT(jnp.asarray(x), shift, Rounding.STOCHASTIC)).mean()
        for x in (high, low)
    )
    if shift == 0:
        assert (up, down) == (0, 1)
    elif shift == 1:
        assert 0.4 < up == down < 0.6
    else:
        assert (up, down) == (1, 0)
