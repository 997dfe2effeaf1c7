"""Fixed-point formats against apytypes (C++), and where it has no mode, exact fractions."""

from fractions import Fraction

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from apytypes import APyFixedArray, OverflowMode, QuantizationMode
from hypothesis import given, strategies as st

from emu.errors import ConfigError
from emu.fixedpoint import (
    AP_OVERFLOWS,
    AP_ROUNDINGS,
    FixedFormat,
    Overflow,
    Rounding,
    dequantize,
    parse_fixed,
    quantize,
    refix,
)
from tests.fixedpoint.examples import FEWER
from tests.oracles.exact import bring_inside, near_powers_of_two, round_exactly

pytestmark = pytest.mark.usefixtures("x64")

APY_ROUNDINGS = {
    Rounding.FLOOR: QuantizationMode.TRN,
    Rounding.CEIL: QuantizationMode.TRN_INF,
    Rounding.TOWARD_ZERO: QuantizationMode.TRN_ZERO,
    Rounding.AWAY_FROM_ZERO: QuantizationMode.TRN_AWAY,
    Rounding.TRUNCATE_MAGNITUDE: QuantizationMode.TRN_MAG,
    Rounding.HALF_UP: QuantizationMode.RND,
    Rounding.HALF_TOWARD_ZERO: QuantizationMode.RND_ZERO,
    Rounding.HALF_AWAY: QuantizationMode.RND_INF,
    Rounding.HALF_DOWN: QuantizationMode.RND_MIN_INF,
    Rounding.HALF_EVEN: QuantizationMode.RND_CONV,
    Rounding.HALF_ODD: QuantizationMode.RND_CONV_ODD,
    Rounding.JAM: QuantizationMode.JAM,
    Rounding.JAM_UNBIASED: QuantizationMode.JAM_UNBIASED,
}
APY_OVERFLOWS = {Overflow.WRAP: OverflowMode.WRAP, Overflow.SATURATE: OverflowMode.SAT}
STOCHASTIC = {Rounding.STOCHASTIC, Rounding.STOCHASTIC_EQUAL}

each_rounding = pytest.mark.parametrize(
    "rounding", APY_ROUNDINGS, ids=lambda m: m.value
)
each_overflow = pytest.mark.parametrize("overflow", Overflow, ids=lambda m: m.value)

# Fewer fraction bits, the same, more; fewer and more integer bits; a point outside.
PAIRS = [
    (FixedFormat(20, 8), FixedFormat(8, 5)),
    (FixedFormat(20, 8), FixedFormat(16, 4)),
    (FixedFormat(12, 6), FixedFormat(6, 6)),
    (FixedFormat(8, 4), FixedFormat(24, 10)),
    (FixedFormat(32, 16), FixedFormat(16, 12)),
    (FixedFormat(12, 2), FixedFormat(7, 9)),
    (FixedFormat(10, -2), FixedFormat(6, -3)),
    (FixedFormat(32, 1), FixedFormat(3, 2)),
]
each_pair = pytest.mark.parametrize(("source", "target"), PAIRS, ids=str)
JIT_REFIX = jax.jit(
    refix, static_argnames=("source", "target", "rounding", "overflow", "seed")
)
JIT_QUANTIZE = jax.jit(
    quantize, static_argnames=("qparams", "fmt", "rounding", "overflow")
)


def codes_of(fmt: FixedFormat) -> np.ndarray:
    """Every code up to 12 bits; else those near powers of two, and random ones."""
    if fmt.bits <= 12:
        return np.arange(fmt.format.min, fmt.format.max + 1).astype(fmt.format.dtype)
    near = near_powers_of_two(fmt.bits, signed=fmt.signed)
    rng = np.random.default_rng(fmt.bits)
    drawn = rng.integers(fmt.format.min, fmt.format.max, 2000, endpoint=True)
    return np.concatenate([near, drawn]).astype(fmt.format.dtype)


def in_apytypes(
    codes: np.ndarray,
    source: FixedFormat,
    target: FixedFormat,
    rounding: Rounding,
    overflow: Overflow,
) -> np.ndarray:
    """The codes that apytypes' cast gives."""
    held = APyFixedArray(
        [int(code) % 2**source.bits for code in codes],
        int_bits=source.integer_bits,
        frac_bits=source.fraction_bits,
    )
    cast = held.cast(
        int_bits=target.integer_bits,
        frac_bits=target.fraction_bits,
        quantization=APY_ROUNDINGS[rounding],
        overflow=APY_OVERFLOWS[overflow],
    )
    bits = np.array(cast.to_bits(), object)
    half = 1 << (target.bits - 1)
    return ((bits + half) % (2 * half) - half).astype(target.format.dtype)


def in_fractions(
    codes: np.ndarray,
    source: FixedFormat,
    target: FixedFormat,
    rounding: Rounding,
    overflow: Overflow,
) -> np.ndarray:
    step = Fraction(2) ** (target.fraction_bits - source.fraction_bits)
    rounded = [round_exactly(int(code) * step, rounding.value) for code in codes]
    args = target.bits, target.signed, overflow.value
    return np.array([bring_inside(n, *args) for n in rounded], target.format.dtype)


def test_every_mode_has_its_counterpart():
    assert set(APY_ROUNDINGS) | STOCHASTIC == set(Rounding)
    assert set(AP_ROUNDINGS.values()) < set(APY_ROUNDINGS)
    assert set(AP_OVERFLOWS.values()) == set(Overflow)
    assert (len(AP_ROUNDINGS), len(AP_OVERFLOWS)) == (7, 4)


@each_pair
@each_rounding
@pytest.mark.parametrize("overflow", APY_OVERFLOWS, ids=lambda m: m.value)
def test_a_cast_is_that_of_apytypes(source, target, rounding, overflow):
    codes = codes_of(source)
    want = in_apytypes(codes, source, target, rounding, overflow)
    got = refix(jnp.asarray(codes), source, target, rounding, overflow)
    assert got.dtype == want.dtype
    np.testing.assert_array_equal(got, want)


@each_rounding
@each_overflow
@pytest.mark.parametrize(
    "signed", [(True, True), (True, False), (False, True)], ids=str
)
def test_a_cast_is_exact_in_every_mode_with_and_without_sign(
    rounding, overflow, signed
):
    source, target = FixedFormat(12, 5, signed[0]), FixedFormat(7, 4, signed[1])
    codes = codes_of(source)
    want = in_fractions(codes, source, target, rounding, overflow)
    for cast in (refix, JIT_REFIX):
        got = cast(jnp.asarray(codes), source, target, rounding, overflow)
        assert got.dtype == target.format.dtype
        np.testing.assert_array_equal(got, want)


@each_rounding
@pytest.mark.parametrize("overflow", APY_OVERFLOWS, ids=lambda m: m.value)
def test_reals_are_quantized_as_apytypes_casts_them(rounding, overflow):
    exact, target = FixedFormat(25, 8), FixedFormat(10, 5)
    rng = np.random.default_rng(1)
    codes = np.concatenate(
        [rng.integers(-(2**23), 2**23, 3000), np.arange(-3000, 3000) * 2**10]
    )
    reals = (codes * 2.0**-exact.fraction_bits).astype(np.float32)
    args = target.qparams, target.format, rounding, overflow
    want = in_apytypes(codes, exact, target, rounding, overflow)
    for function in (quantize, JIT_QUANTIZE):
        got = function(jnp.asarray(reals), *args)
        assert got.dtype == want.dtype
        np.testing.assert_array_equal(got, want)
    back = np.asarray(dequantize(jnp.asarray(want), target.qparams), np.float64)
    np.testing.assert_array_equal(back, want * 2.0**-target.fraction_bits)


@each_rounding
@FEWER
@given(codes=st.lists(st.integers(-(2**15), 2**15 - 1), min_size=32, max_size=32))
def test_any_numbers_are_cast_exactly(rounding, codes):
    source, target = FixedFormat(16, 6), FixedFormat(9, 5)
    array = np.array(codes, np.int16)
    for overflow in (Overflow.WRAP, Overflow.SATURATE):
        got = np.asarray(
            JIT_REFIX(jnp.asarray(array), source, target, rounding, overflow)
        )
        want = in_apytypes(array, source, target, rounding, overflow)
        np.testing.assert_array_equal(got, want)


def test_saturation_never_wraps():
    """A larger number never becomes a smaller one."""
    source, target = FixedFormat(12, 8), FixedFormat(6, 3)
    codes = codes_of(source)
    for rounding in APY_ROUNDINGS:
        for overflow in (Overflow.SATURATE, Overflow.SATURATE_SYMMETRIC):
            got = refix(jnp.asarray(codes), source, target, rounding, overflow)
            steps = np.diff(np.asarray(got, int))
            # Truncated magnitudes step back by one at every negative integer.
            back = -1 if rounding is Rounding.TRUNCATE_MAGNITUDE else 0
            assert steps.min() >= back


def test_numbers_drawn_at_random_are_cast_by_seed():
    source, target = FixedFormat(12, 5), FixedFormat(7, 4)
    codes = jnp.asarray(codes_of(source)).reshape(1, -1)
    modes = Rounding.STOCHASTIC, Overflow.SATURATE
    first, again, other = (
        np.asarray(JIT_REFIX(codes, source, target, *modes, seed)) for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


def test_a_type_is_read_as_it_is_written_in_hls():
    assert parse_fixed("ap_fixed<16,6>") == (
        FixedFormat(16, 6),
        Rounding.FLOOR,
        Overflow.WRAP,
    )
    assert parse_fixed("ap_ufixed< 8, 0, AP_RND_CONV, AP_SAT_SYM >") == (
        FixedFormat(8, 0, signed=False),
        Rounding.HALF_EVEN,
        Overflow.SATURATE_SYMMETRIC,
    )
    for fmt in (FixedFormat(18, -3), FixedFormat(3, 7, signed=False)):
        assert parse_fixed(str(fmt))[0] == fmt


@pytest.mark.parametrize(
    "text",
    ["fixed<16,6>", "ap_fixed<16>", "ap_fixed<16,6,RND_UP>", "ap_fixed<16,6,RND,CLIP>"],
)
def test_what_is_no_such_type_is_refused(text):
    with pytest.raises(ConfigError, match="expected a type such as"):
        parse_fixed(text)


@pytest.mark.parametrize("fields", [(1, 1), (33, 4), (16, -120), (4, 140)])
def test_a_format_beyond_the_limits_is_refused(fields):
    with pytest.raises(ConfigError):
        FixedFormat(*fields)


def test_a_shift_beyond_64_bits_is_refused():
    with pytest.raises(ConfigError, match="a shift to the left by 32 bits"):
        refix(jnp.zeros(1, jnp.int8), FixedFormat(8, 8), FixedFormat(32, 0))
