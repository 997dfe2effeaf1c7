"""Multipliers as files hold them, encodings of each engine, order and monotony."""

import struct
from fractions import Fraction

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import example, given, strategies as st

from emu.errors import ConfigError
from emu.fixedpoint import RescaleScheme, encode_scale, multiplier_dtype, rescale
from tests.fixedpoint.examples import FEWER

SCHEMES = pytest.mark.parametrize("scheme", RescaleScheme, ids=lambda s: s.value)
JIT_RESCALE = jax.jit(rescale, static_argnames="scheme")


def tosa_apply_scale_32(value, multiplier, shift, double_round):
    """The pseudocode of TOSA 1.0 in Python integers."""
    assert multiplier >= 0
    assert 2 <= shift <= 62
    rounding = 1 << (shift - 1)
    if double_round and shift > 31:
        rounding = rounding + (1 << 30) if value >= 0 else rounding - (1 << 30)
    return (value * multiplier + rounding) >> shift


def tosa_apply_scale_16(value, multiplier, shift):
    assert -(1 << 47) <= value < (1 << 47)
    assert 0 <= multiplier < 1 << 15
    return (value * multiplier + (1 << (shift - 1))) >> shift


def tflite_multiply_int64(value, multiplier, left_shift):
    """MultiplyByQuantizedMultiplier of int64 in TFLite's kernels/internal/common."""
    reduced = (multiplier + (1 << 15)) >> 16 if multiplier < 0x7FFF0000 else 0x7FFF
    total = 15 - left_shift
    return (value * reduced + (1 << (total - 1))) >> total


def scaled(values, multiplier, shift, scheme, dtype):
    with jax.enable_x64(True):
        x = jnp.asarray(np.array(values, dtype))
        m = jnp.asarray(np.array([multiplier], np.int32))
        s = jnp.asarray(np.array([shift], np.int32))
        return np.asarray(JIT_RESCALE(x, m, s, scheme)).tolist()


@given(
    values=st.lists(st.integers(-(2**31), 2**31 - 1), min_size=8, max_size=8),
    multiplier=st.integers(0, 2**31 - 1) | st.sampled_from([0, 1, 2**30, 2**31 - 1]),
    shift=st.integers(2, 62),
)
@example(values=[-(2**31), 2**31 - 1] * 4, multiplier=2**31 - 1, shift=62)
@example(values=[-(2**31), 2**31 - 1] * 4, multiplier=2**31 - 1, shift=2)
@example(values=[-1, 0] * 4, multiplier=0, shift=32)
def test_any_multiplier_of_a_tosa_file_scales_32_bits(values, multiplier, shift):
    args = values, multiplier, shift
    for scheme, double in (
        (RescaleScheme.SINGLE_ROUND, False),
        (RescaleScheme.TOSA_INEXACT, False),
        (RescaleScheme.TOSA_DOUBLE, True),
    ):
        want = [tosa_apply_scale_32(v, multiplier, shift, double) for v in values]
        assert scaled(*args, scheme, np.int32) == want


@given(
    values=st.lists(st.integers(-(2**47), 2**47 - 1), min_size=8, max_size=8),
    multiplier=st.integers(0, 2**15 - 1) | st.sampled_from([0, 1, 2**14, 2**15 - 1]),
    shift=st.integers(2, 62),
)
@example(values=[-(2**47), 2**47 - 1] * 4, multiplier=2**15 - 1, shift=62)
@example(values=[-(2**47), 2**47 - 1] * 4, multiplier=2**15 - 1, shift=2)
def test_any_multiplier_of_a_tosa_file_scales_48_bits(values, multiplier, shift):
    want = [tosa_apply_scale_16(v, multiplier, shift) for v in values]
    got = scaled(values, multiplier, shift, RescaleScheme.TOSA_SCALE16, np.int64)
    assert got == want


@given(
    values=st.lists(st.integers(-(2**47), 2**47 - 1), min_size=8, max_size=8),
    scale=st.floats(2.0**-31, 127.0),
)
@example(values=[2**47 - 1] * 8, scale=1 - 2.0**-17)  # reduces to the greatest
@example(values=[2**47 - 1] * 8, scale=1 - 2.0**-31)
def test_int16x8_is_tflites_reduced_multiplier(values, scale):
    (multiplier,), (shift,) = encode_scale(
        np.array([scale]), RescaleScheme.SINGLE_ROUND
    )
    want = [tflite_multiply_int64(v, int(multiplier), 31 - int(shift)) for v in values]
    reduced, total = encode_scale(np.array([scale]), RescaleScheme.INT16X8)
    got = scaled(values, reduced[0], total[0], RescaleScheme.INT16X8, np.int64)
    assert got == want


def gemmlowp_double(value, multiplier, shift):
    """TFLite's MultiplyByQuantizedMultiplier: SRDHM, then half away from zero."""
    left, right = max(31 - shift, 0), max(shift - 31, 0)
    high = ((value << left) * multiplier + (1 << 30)) >> 31
    magnitude = (abs(high) + ((1 << right) >> 1)) >> right
    return -magnitude if high < 0 else magnitude


@given(
    values=st.lists(st.integers(-(2**31), 2**31 - 1), min_size=8, max_size=8),
    multiplier=st.integers(0, 2**31 - 1) | st.sampled_from([2**30, 2**30 + 1]),
    shift=st.integers(2, 62),
)
@example(values=list(range(-12, 12, 3)), multiplier=2**30, shift=32)
def test_the_double_roundings_of_tosa_and_gemmlowp_are_one(values, multiplier, shift):
    """Two formulas from two sources, and one set of numbers."""
    tosa = [tosa_apply_scale_32(v, multiplier, shift, True) for v in values]
    assert tosa == [gemmlowp_double(v, multiplier, shift) for v in values]
    for scheme in (RescaleScheme.TOSA_DOUBLE, RescaleScheme.DOUBLE_ROUND):
        assert scaled(values, multiplier, shift, scheme, np.int32) == tosa


@given(scale=st.floats(2.0**-14, 2.0**12))
def test_ascends_scales_are_cut_as_amct_cuts_them(scale):
    (half,), _ = encode_scale(np.array([scale]), RescaleScheme.ASCEND_FP16)
    assert half == np.float32(np.float16(scale))
    (cut,), _ = encode_scale(np.array([scale]), RescaleScheme.ASCEND_S19)
    bits = struct.unpack(">I", struct.pack(">f", np.float32(scale)))[0] & 0xFFFFE000
    assert float(cut) == struct.unpack(">f", struct.pack(">I", bits))[0]
    assert 0 <= float(np.float32(scale)) - float(cut) < scale * 2.0**-10


@pytest.mark.parametrize("scale", [3e-5, 1e-6, 2.0**-30, 1e5, 3e9])
def test_scales_beyond_half_precision_are_squares(scale):
    (multiplier,), _ = encode_scale(np.array([scale]), RescaleScheme.ASCEND_FP16)
    root = np.float32(np.float16(scale**0.5))
    assert multiplier == root * root
    assert abs(float(multiplier) / scale - 1) < 2.0**-9


@given(scale=st.floats(2.0**-30, 0.5))
@example(scale=2.0**-8)
@example(scale=2.0**-23)
def test_a_shift_bit_loses_no_result_of_8_bits(scale):
    (multiplier,), (shift,) = encode_scale(np.array([scale]), RescaleScheme.SHIFT_BIT)
    assert 1 <= shift <= 16
    if shift < 16:
        assert 2**15 * 2 ** int(shift) * Fraction(scale) >= 2**8
    if shift > 1:
        assert 2**15 * 2 ** (int(shift) - 1) * Fraction(scale) < 2**8
    assert multiplier == np.float32(scale * 2.0 ** int(shift))


def test_a_shift_bit_saturates_to_16_bits_before_it_scales():
    multiplier, shift = jnp.asarray([0.5], jnp.float32), jnp.asarray([4], jnp.int32)
    acc = jnp.asarray([-(2**31), -17, -16, 15, 16, 2**19 - 1, 2**31 - 1], jnp.int32)
    with jax.enable_x64(True):
        got = JIT_RESCALE(acc, multiplier, shift, RescaleScheme.SHIFT_BIT)
    # Floor after the shift (-17 >> 4 is -2), then half to even.
    assert got.tolist() == [-16384, -1, 0, 0, 0, 16384, 16384]


def test_float64_rounds_halves_away_from_zero():
    scale = np.array([0.5, 0.1])
    multiplier, shift = map(
        jnp.asarray, encode_scale(scale, RescaleScheme.SINGLE_ROUND)
    )
    acc = jnp.asarray([[1, 5], [-1, -5], [3, 15]], jnp.int32)
    with jax.enable_x64(True):
        m, s = map(jnp.asarray, encode_scale(scale, RescaleScheme.FLOAT64))
        assert m.dtype == jnp.float64
        got = JIT_RESCALE(acc, m, s, RescaleScheme.FLOAT64)
        single = JIT_RESCALE(acc, multiplier, shift, RescaleScheme.SINGLE_ROUND)
    assert got.tolist() == [[1, 1], [-1, -1], [2, 2]]
    assert single.tolist() != got.tolist()


@SCHEMES
@FEWER
@given(
    values=st.lists(st.integers(-(2**31), 2**31 - 1), min_size=32, max_size=32),
    scale=st.floats(2.0**-33, 100.0),
)
@example(values=list(range(-16, 16)), scale=0.1)
@example(values=list(range(-16, 16)), scale=2.0**-32)
def test_a_larger_accumulator_has_no_smaller_result(scheme, values, scale):
    multiplier, shift = encode_scale(np.array([scale]), scheme)
    assert multiplier.dtype == multiplier_dtype(scheme)
    acc = np.sort(np.array(values, np.int32))
    with jax.enable_x64(True):
        operands = map(jnp.asarray, (acc, multiplier, shift))
        got = np.asarray(JIT_RESCALE(*operands, scheme))
    assert np.all(np.diff(got) >= 0)


@pytest.mark.parametrize(
    ("scheme", "scale"),
    [
        (RescaleScheme.INT16X8, 128.0),
        (RescaleScheme.TOSA_SCALE16, 2.0**13),
        (RescaleScheme.TOSA_DOUBLE, 2.0**29),
        (RescaleScheme.ASCEND_FP16, 5e9),
        (RescaleScheme.SHIFT_BIT, 3e38),
    ],
)
def test_scales_that_no_multiplier_reaches_are_refused(scheme, scale):
    with pytest.raises(ConfigError, match="too large"):
        encode_scale(np.array([0.1, scale]), scheme)
