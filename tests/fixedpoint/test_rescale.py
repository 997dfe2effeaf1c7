"""Rescale schemes against their published formulas in exact arithmetic."""

from fractions import Fraction
from math import floor

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import example, given, strategies as st

from emu.errors import ConfigError
from emu.fixedpoint import RESCALERS, RescaleScheme, encode_scale, rescale
from emu.fixedpoint.encode import ENCODERS
from tests.fixedpoint.examples import FEWER
from tests.oracles.exact import near_powers_of_two, nearest_float32, round_exactly

Q31 = (
    RescaleScheme.SINGLE_ROUND,
    RescaleScheme.DOUBLE_ROUND,
    RescaleScheme.SRDHM_HALF_UP,
    RescaleScheme.TOSA_DOUBLE,
    RescaleScheme.TOSA_INEXACT,
)
# 16-bit multipliers reach less far.
GREATEST = {RescaleScheme.INT16X8: 127.0, RescaleScheme.TOSA_SCALE16: 8191.0}
SCHEMES = pytest.mark.parametrize("scheme", RescaleScheme, ids=lambda s: s.value)
Q31_SCHEMES = pytest.mark.parametrize("scheme", Q31, ids=lambda s: s.value)
JIT_RESCALE = jax.jit(rescale, static_argnames="scheme")
# Exact ties, both sides of shift 31, left shifts, and the ends of the range.
SCALES = np.array(
    [0.5, 0.25, 2.0**-8, 1.0, 3.0, 1000.7, 0.75, 1 / 3, 0.0117, 1e-4, 3e-7, 2.0**29 - 1]
)
SCALES = np.append(SCALES, [2.0**-31, 2.0**-32, 2.0**-33])


def srdhm(a, b):
    """SaturatingRoundingDoublingHighMul, as gemmlowp's scalar C++ computes it."""
    product = a * b
    nudge = 2**30 if product >= 0 else 1 - 2**30
    return int(Fraction(product + nudge, 2**31))  # C++ division truncates


def divide_by_pot(x, exponent):
    """RoundingDivideByPOT, as gemmlowp's scalar C++ computes it."""
    mask = (1 << exponent) - 1
    threshold = (mask >> 1) + (x < 0)
    return (x >> exponent) + ((x & mask) > threshold)


def exact_rescale(x, multiplier, shift, scheme):
    left, right = max(31 - shift, 0), max(shift - 31, 0)
    match scheme.value:
        case "single-round" | "tosa-inexact" | "tosa-scale16" | "int16x8":
            return floor(Fraction(x * multiplier, 2**shift) + Fraction(1, 2))
        case "tosa-double":
            return tosa_double_round(x, multiplier, shift)
        case "double-round":
            return divide_by_pot(srdhm(x << left, multiplier), right)
        case "srdhm-half-up":
            high = Fraction(srdhm(x << left, multiplier), 2**right)
            return round_exactly(high, "half-up")
        case "float32-half-even" | "ascend-fp16" | "ascend-s19":
            product = nearest_float32(x) * Fraction(float(multiplier))
            return round_exactly(nearest_float32(product), "half-even")
        case "power-of-two":
            return round_exactly(x * Fraction(2) ** -shift, "half-up")
        case "shift-bit":
            held = min(max(x >> shift, -(2**15)), 2**15 - 1)
            product = nearest_float32(held * Fraction(float(multiplier)))
            return round_exactly(product, "half-even")
        case "float64":
            product = Fraction(float(x) * float(multiplier))  # Python's double
            return round_exactly(product, "half-away")
    raise ValueError(scheme)


def tosa_double_round(x, multiplier, shift):
    """apply_scale_32 of TOSA 1.0 with double_round, as its pseudocode has it."""
    rounding = 1 << (shift - 1)
    if shift > 31:
        rounding += 1 << 30 if x >= 0 else -(1 << 30)
    return (x * multiplier + rounding) >> shift


def check(acc, scales, scheme):
    """Every acc with every scale, the scales along the last axis."""
    scales = scales[scales <= GREATEST.get(scheme, np.inf)]
    multiplier, shift = encode_scale(scales, scheme)
    want = [
        [
            exact_rescale(int(x), m, int(s), scheme)
            for m, s in zip(multiplier.tolist(), shift.tolist(), strict=True)
        ]
        for x in acc
    ]
    x = jnp.asarray(np.repeat(acc[:, None], scales.size, axis=1))
    for function in (rescale, JIT_RESCALE):
        got = function(x, jnp.asarray(multiplier), jnp.asarray(shift), scheme)
        assert got.dtype == jnp.int64
        np.testing.assert_array_equal(got, np.array(want, np.int64))


def test_every_scheme_has_an_encoder_and_a_rescaler():
    assert set(RESCALERS) == set(ENCODERS) == set(RescaleScheme)


@SCHEMES
def test_every_8_bit_accumulator_and_every_one_near_a_power_of_two_is_exact(
    scheme, x64
):
    acc = np.union1d(np.arange(-128, 256), near_powers_of_two(32)).astype(np.int32)
    assert {-(2**31), 2**31 - 1} <= set(acc.tolist())
    check(acc, SCALES, scheme)


@SCHEMES
def test_wide_accumulators_are_exact(scheme, x64):
    check(near_powers_of_two(48), SCALES[SCALES < 2**13], scheme)


@SCHEMES
@FEWER
@given(
    acc=st.lists(st.integers(-(2**31), 2**31 - 1), min_size=8, max_size=8),
    scale=st.floats(2.0**-34, 2.0**28),
)
def test_any_int32_and_scale_are_exact(scheme, acc, scale):
    scale = min(scale, GREATEST.get(scheme, 2.0**28))
    multiplier, shift = encode_scale(np.array([scale]), scheme)
    with jax.enable_x64(True):
        got = JIT_RESCALE(
            jnp.asarray(np.array(acc, np.int32)),
            jnp.asarray(multiplier),
            jnp.asarray(shift),
            scheme,
        )
    m, s = multiplier[0].item(), shift[0].item()
    assert got.tolist() == [exact_rescale(x, m, s, scheme) for x in acc]


def test_the_schemes_differ_where_they_are_known_to(x64):
    acc = jnp.asarray([5, -5], jnp.int32)
    got = {}
    for scheme in RescaleScheme:
        multiplier, shift = map(jnp.asarray, encode_scale(np.array([0.1]), scheme))
        got[scheme] = JIT_RESCALE(acc, multiplier, shift, scheme).tolist()
    # 0.1 * 2**34 rounds down: 5 * m is just under a half, and SRDHM hides that.
    assert got[RescaleScheme.SINGLE_ROUND] == [0, 0]
    assert got[RescaleScheme.DOUBLE_ROUND] == [1, -1]
    assert got[RescaleScheme.SRDHM_HALF_UP] == [1, 0]
    assert got[RescaleScheme.FLOAT32_HALF_EVEN] == [0, 0]
    assert got[RescaleScheme.POWER_OF_TWO] == [1, -1]
    assert got[RescaleScheme.TOSA_DOUBLE] == [1, -1]
    assert got[RescaleScheme.FLOAT64] == [1, -1]
    assert got[RescaleScheme.INT16X8] == [0, 0]


@pytest.mark.parametrize(
    ("shape", "entries"),
    [((), 1), ((3,), 3), ((2, 2, 2, 3), 1), ((2, 2, 2, 3), 3)],
)
def test_scales_go_along_the_last_axis(shape, entries, x64):
    scale = np.array([0.1, 0.03, 0.7])[:entries]
    multiplier, shift = encode_scale(scale, RescaleScheme.SINGLE_ROUND)
    acc = np.random.default_rng(0).integers(-1000, 1000, shape).astype(np.int32)
    got = JIT_RESCALE(
        jnp.asarray(acc),
        jnp.asarray(multiplier),
        jnp.asarray(shift),
        RescaleScheme.SINGLE_ROUND,
    )
    products = acc.astype(np.int64) * multiplier.reshape(() if shape == () else -1)
    want = (products + (1 << (shift.astype(np.int64) - 1))) >> shift
    np.testing.assert_array_equal(got, want.reshape(shape))


@Q31_SCHEMES
@given(scale=st.floats(2.0**-32, 2.0**29 - 1))
@example(scale=1 - 2.0**-53)  # the multiplier rounds to 2**31 and carries
@example(scale=(2**31 - 0.5) * 2.0**-31)  # a tie that carries
@example(scale=(2**30 + 0.5) * 2.0**-31)  # a tie, away from zero
@example(scale=2.0**-32)
def test_the_multiplier_is_the_scale_rounded_once(scheme, scale):
    multiplier, shift = encode_scale(np.array([scale]), scheme)
    m, s = int(multiplier[0]), int(shift[0])
    assert 2**30 <= m < 2**31
    assert 2 <= s <= 62
    error = abs(Fraction(m, 2**s) - Fraction(scale))
    assert error <= Fraction(1, 2 ** (s + 1))
    exact = Fraction(scale) * 2**s
    assert m == round_exactly(exact, "half-away") or m == 2**30  # the carry
    assert (multiplier.dtype, shift.dtype) == (np.int32, np.int32)


@Q31_SCHEMES
@pytest.mark.parametrize("scale", [2.0**-32 * (1 - 2.0**-40), 1e-30, 5e-324])
def test_a_tiny_scale_becomes_zero_unless_it_rounds_up_to_the_last(scheme, scale):
    multiplier, shift = encode_scale(np.array([scale]), scheme)
    carried = scale > 2.0**-33
    assert (multiplier[0], shift[0]) == ((2**30, 62) if carried else (0, 31))


@Q31_SCHEMES
@pytest.mark.parametrize("scale", [2.0**29, 2.0**29 * (1 - 2.0**-50), 1e300])
def test_a_scale_that_needs_a_shift_below_2_is_refused(scheme, scale):
    with pytest.raises(ConfigError, match="too large"):
        encode_scale(np.array([0.1, scale]), scheme)


@pytest.mark.parametrize(
    ("scheme", "scale"),
    [
        (RescaleScheme.FLOAT32_HALF_EVEN, 3.5e38),
        (RescaleScheme.POWER_OF_TWO, 2.0**32),
        (RescaleScheme.POWER_OF_TWO, 1.5 * 2.0**31),
    ],
)
def test_the_other_schemes_refuse_large_scales_too(scheme, scale):
    with pytest.raises(ConfigError, match="too large"):
        encode_scale(np.array([scale]), scheme)


@SCHEMES
@pytest.mark.parametrize("scale", [0.0, -0.5, float("nan"), float("inf")])
def test_a_scale_that_is_not_finite_and_positive_is_refused(scheme, scale):
    with pytest.raises(ConfigError, match="finite and positive"):
        encode_scale(np.array([1.0, scale]), scheme)


@given(scale=st.floats(1e-30, 1e30))
def test_the_float32_multiplier_is_the_nearest(scale):
    multiplier, shift = encode_scale(np.array([scale]), RescaleScheme.FLOAT32_HALF_EVEN)
    assert multiplier.dtype == np.float32
    assert Fraction(float(multiplier[0])) == nearest_float32(Fraction(scale))
    assert shift[0] == 0


@given(scale=st.floats(2.0**-61, 2.0**31))
@example(scale=0.5**0.5)  # the first double nearer to 1
@example(scale=float(np.nextafter(0.5**0.5, 0)))
@example(scale=2.0**0.5)
def test_the_power_of_two_is_the_nearest_in_log2(scale):
    multiplier, shift = encode_scale(np.array([scale]), RescaleScheme.POWER_OF_TWO)
    assert multiplier[0] == 1
    # |log2(ratio)| <= 1/2, squared to stay rational.
    ratio = Fraction(scale) * Fraction(2) ** int(shift[0])
    assert Fraction(1, 2) < ratio**2 < 2


def test_a_tiny_power_of_two_sends_every_accumulator_to_zero(x64):
    multiplier, shift = encode_scale(np.array([1e-30]), RescaleScheme.POWER_OF_TWO)
    acc = jnp.asarray([-(2**47), 2**47 - 1], jnp.int64)
    got = rescale(
        acc, jnp.asarray(multiplier), jnp.asarray(shift), RescaleScheme.POWER_OF_TWO
    )
    assert got.tolist() == [0, 0]
