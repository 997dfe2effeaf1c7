"""Carriers are exact within their bounds, wrong beyond; accumulators overflow once."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import example, given, strategies as st

from emu.errors import ConfigError
from emu.fixedpoint import (
    INT8,
    UINT8,
    Accumulator,
    Carrier,
    IntFormat,
    Overflow,
    accumulator_bound,
    bits_needed,
    choose_carrier,
    dot,
    overflow_accumulator,
    overflowed,
    sum_dtype,
)
from tests.oracles.exact import bring_inside, near_powers_of_two

DOTS = [carrier for carrier in Carrier if carrier is not Carrier.SEQUENTIAL]
CARRIERS = pytest.mark.parametrize("carrier", DOTS, ids=lambda c: c.value)
JIT_DOT = jax.jit(dot, static_argnames="carrier")
JIT_OVERFLOW = jax.jit(overflow_accumulator, static_argnames="accumulator")
BYTE = np.dtype(np.int8)
SHORT = np.dtype(np.int16)
SATURATING = Accumulator(32, Overflow.SATURATE)


def python_dot(x, w):
    return x.astype(object) @ w.astype(object)


def reaches(x, w):
    """The worst partial sum in any order, which a bound must cover."""
    return int((abs(x.astype(object)) @ abs(w.astype(object))).max())


def check(x, w, carrier):
    want = python_dot(x, w)
    for function in (dot, JIT_DOT):
        got = function(jnp.asarray(x), jnp.asarray(w), carrier)
        assert got.dtype == sum_dtype(carrier)
        assert got.tolist() == want.tolist()


@CARRIERS
@pytest.mark.parametrize("a", [-128, 127])
@pytest.mark.parametrize("b", [-128, -127, 127])
def test_extreme_int8_sums_are_exact(carrier, a, b, x64):
    x = np.full((3, 1000), a, np.int8)
    w = np.full((1000, 5), b, np.int8)
    assert reaches(x, w) <= 2**24
    check(x, w, carrier)


@CARRIERS
def test_random_int8_sums_are_exact(carrier, x64):
    rng = np.random.default_rng(0)
    x = rng.integers(-128, 128, (7, 1023)).astype(np.int8)
    w = rng.integers(-128, 128, (1023, 5)).astype(np.int8)
    check(x, w, carrier)


@pytest.mark.parametrize(
    ("bound", "dtype", "accumulator", "carrier"),
    [
        (2**31 - 1, BYTE, SATURATING, Carrier.INT8),
        (2**31, BYTE, SATURATING, Carrier.FLOAT64),
        (2**60, BYTE, Accumulator(32), Carrier.INT8),
        (2**60, BYTE, Accumulator(20), Carrier.INT8),
        (2**31, BYTE, Accumulator(33), Carrier.FLOAT64),
        (2**31 - 1, BYTE, Accumulator(48), Carrier.INT8),
        (2**24, SHORT, Accumulator(32), Carrier.FLOAT32),
        (2**24 + 1, SHORT, Accumulator(32), Carrier.FLOAT64),
        (2**53, SHORT, SATURATING, Carrier.FLOAT64),
        (2**53 + 1, SHORT, SATURATING, Carrier.INT64),
        (2**63 - 1, SHORT, SATURATING, Carrier.INT64),
    ],
)
def test_the_fastest_proved_carrier_is_chosen(bound, dtype, accumulator, carrier):
    assert choose_carrier(bound, dtype, dtype, accumulator) is carrier


def test_mixed_operands_are_not_carried_in_int8():
    assert choose_carrier(1, BYTE, SHORT, Accumulator()) is Carrier.FLOAT32


def test_a_bound_beyond_64_bits_is_refused():
    with pytest.raises(ConfigError, match="do not fit 64 bits"):
        choose_carrier(2**63, SHORT, SHORT, SATURATING)


def int16_sums(total, k):
    """Operands whose partial sums climb to `total` in k terms of both signs."""
    x = np.full((1, k), 2**12 - 1, np.int16)
    w = np.full((k, 1), total // (k * (2**12 - 1)), np.int16)
    rest = total - reaches(x, w)
    x = np.concatenate([x, np.ones((1, 4), np.int16)], axis=1)
    parts = np.array([min(max(rest - i * 32767, 0), 32767) for i in range(4)])
    w = np.concatenate([w, parts[:, None].astype(np.int16)])
    assert reaches(x, w) == total
    return x, w


@pytest.mark.parametrize("sign", [1, -1])
def test_float32_is_exact_up_to_its_bound(sign, x64):
    for total in (2**24 - 2, 2**24 - 1, 2**24):
        x, w = int16_sums(total, 64)
        assert choose_carrier(total, SHORT, SHORT, SATURATING) is Carrier.FLOAT32
        check(x, (sign * w).astype(np.int16), Carrier.FLOAT32)


def test_float32_is_wrong_one_beyond_its_bound(x64):
    x, w = int16_sums(2**24 + 1, 64)
    got = dot(jnp.asarray(x), jnp.asarray(w), Carrier.FLOAT32)
    assert got.tolist() != python_dot(x, w).tolist()
    carrier = choose_carrier(reaches(x, w), SHORT, SHORT, SATURATING)
    check(x, w, carrier)


def test_float64_is_exact_up_to_its_bound_and_wrong_one_beyond(x64):
    x = np.array([[2**30, 1, 1]], np.int32)
    exact = np.array([[2**23 - 1], [2**30], [0]], np.int32)
    assert reaches(x, exact) == 2**53
    check(x, exact, Carrier.FLOAT64)
    beyond = exact + np.array([[0], [0], [1]], np.int32)
    assert choose_carrier(reaches(x, beyond), SHORT, SHORT, SATURATING) is Carrier.INT64
    check(x, beyond, Carrier.INT64)
    got = dot(jnp.asarray(x), jnp.asarray(beyond), Carrier.FLOAT64)
    assert got.tolist() != python_dot(x, beyond).tolist()


@pytest.mark.parametrize("bits", [8, 17, 31, 32])
def test_int8_sums_that_pass_32_bits_still_wrap_exactly(bits, x64):
    k = 2**17 + 64
    x = np.full((1, k), -128, np.int8)
    w = np.full((k, 2), -128, np.int8)
    w[:, 1] = 127
    w[::3, 1] = 5
    accumulator = Accumulator(bits, Overflow.WRAP)
    assert reaches(x, w) > 2**31
    assert choose_carrier(reaches(x, w), BYTE, BYTE, accumulator) is Carrier.INT8
    sums = JIT_DOT(jnp.asarray(x), jnp.asarray(w), Carrier.INT8)
    got = overflow_accumulator(sums, accumulator)
    want = [bring_inside(int(s), bits, True, "wrap") for s in python_dot(x, w)[0]]
    assert got[0].tolist() == want


@given(data=st.data())
def test_the_chosen_carrier_is_exact_for_any_weights(data):
    k = 16
    dtype = data.draw(st.sampled_from([BYTE, SHORT]))
    held = np.iinfo(dtype)
    numbers = st.integers(held.min, held.max) | st.sampled_from([held.min, held.max])
    rows = st.lists(numbers, min_size=k, max_size=k)
    x = np.array([data.draw(rows)], dtype)
    w = np.array([data.draw(rows)], dtype).T.copy()
    bound = accumulator_bound(
        abs(w.astype(np.int64)).sum(axis=0),
        IntFormat(held.bits),
        0,
        np.zeros(1, np.int64),
    )
    assert reaches(x, w) <= bound
    with jax.enable_x64(True):
        carrier = choose_carrier(bound, dtype, dtype, SATURATING)
        got = JIT_DOT(jnp.asarray(x), jnp.asarray(w), carrier)
    assert got.tolist() == python_dot(x, w).tolist()


@pytest.mark.parametrize("fmt", [INT8, UINT8, IntFormat(2)], ids=str)
@pytest.mark.parametrize("zero_point", [-128, -3, 0, 200])
def test_the_bound_is_reached_by_the_worst_input(fmt, zero_point):
    w = np.array([[3, -7], [-5, 1], [0, 2]])
    bias = np.array([100, -40])
    bound = accumulator_bound(abs(w).sum(axis=0), fmt, zero_point, abs(bias))
    worst = max(
        sum(max(abs(v * (x - zero_point)) for x in (fmt.min, fmt.max)) for v in row)
        + abs(int(b))
        for row, b in zip(w.T.tolist(), bias, strict=True)
    )
    assert bound == worst


def test_the_bound_does_not_overflow_64_bits():
    huge = np.array([2**62], np.int64)
    fmt = IntFormat(32)
    assert accumulator_bound(huge, fmt, 0, huge) == 2**62 * 2**31 + 2**62


@pytest.mark.parametrize("overflow", Overflow, ids=lambda mode: mode.value)
@pytest.mark.parametrize("bits", [8, 16, 24, 31, 32, 33, 40, 48])
@pytest.mark.parametrize("dtype", [np.int32, np.int64])
def test_a_sum_overflows_once_at_the_end(overflow, bits, dtype, x64):
    accumulator = Accumulator(bits, overflow)
    sums = near_powers_of_two(np.iinfo(dtype).bits).astype(dtype)
    want = [bring_inside(int(s), bits, True, overflow.value) for s in sums]
    got = overflow_accumulator(jnp.asarray(sums), accumulator)
    assert got.dtype == accumulator.dtype
    assert got.dtype == (np.int32 if bits <= 32 else np.int64)
    assert got.tolist() == want
    if bits in (24, 40):
        jitted = JIT_OVERFLOW(jnp.asarray(sums), accumulator)
        np.testing.assert_array_equal(jitted, got, strict=True)
    outside = [not accumulator.min <= int(s) <= accumulator.max for s in sums]
    assert overflowed(jnp.asarray(sums), accumulator).tolist() == outside
    assert int(jnp.sum(overflowed(jnp.asarray(sums), accumulator))) == sum(outside)


@pytest.mark.parametrize("bits", [7, 49])
def test_an_accumulator_outside_8_to_48_bits_is_refused(bits):
    with pytest.raises(ConfigError, match=f"not {bits}"):
        Accumulator(bits)


@given(low=st.integers(-(2**50), 0), high=st.integers(0, 2**50))
@example(low=-128, high=127)
@example(low=-129, high=0)
@example(low=0, high=128)
@example(low=0, high=0)
@example(low=-1, high=0)
def test_bits_needed_is_the_least_width(low, high):
    bits = bits_needed(low, high)
    assert -(2 ** (bits - 1)) <= low <= high < 2 ** (bits - 1)
    half = 2 ** (bits - 1) // 2
    assert bits == 1 or not -half <= low <= high < half
