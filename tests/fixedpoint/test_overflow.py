"""Overflow modes against their definitions in Python integers."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, strategies as st

from emu.errors import ConfigError
from emu.fixedpoint import OVERFLOWS, IntFormat, Overflow, apply_overflow
from tests.fixedpoint.examples import FEWER
from tests.oracles.exact import bring_inside, near_powers_of_two, wide_integers

MODES = pytest.mark.parametrize("mode", Overflow, ids=lambda mode: mode.value)
SIGNED = pytest.mark.parametrize("signed", [True, False], ids=["signed", "unsigned"])
JIT_APPLY = jax.jit(apply_overflow, static_argnames=("fmt", "mode"))


def exact(values, fmt, mode):
    inside = [bring_inside(int(v), fmt.bits, fmt.signed, mode.value) for v in values]
    return np.array(inside, values.dtype)


def test_every_mode_has_an_overflow():
    assert set(OVERFLOWS) == set(Overflow)


@MODES
@SIGNED
@pytest.mark.parametrize("bits", range(2, 9))
def test_every_value_in_every_format_of_up_to_8_bits(mode, signed, bits):
    fmt = IntFormat(bits, signed)
    x = np.arange(-600, 601, dtype=np.int32)
    want = exact(x, fmt, mode)
    np.testing.assert_array_equal(apply_overflow(jnp.asarray(x), fmt, mode), want)
    if bits in (3, 8):
        np.testing.assert_array_equal(JIT_APPLY(jnp.asarray(x), fmt, mode), want)


@MODES
@SIGNED
@pytest.mark.parametrize("bits", [9, 16, 17, 31, 32])
@pytest.mark.parametrize("dtype", [np.int32, np.int64])
def test_wide_formats_near_powers_of_two(mode, signed, bits, dtype, x64):
    fmt = IntFormat(bits, signed)
    held = np.iinfo(dtype).bits
    x = near_powers_of_two(held).astype(dtype)
    if mode is Overflow.WRAP and fmt.max > np.iinfo(dtype).max:
        with pytest.raises(ConfigError, match="wrapping to 32 unsigned bits"):
            apply_overflow(jnp.asarray(x), fmt, mode)
        return
    want = exact(x, fmt, mode)
    got = apply_overflow(jnp.asarray(x), fmt, mode)
    assert got.dtype == dtype
    np.testing.assert_array_equal(got, want)
    if bits == 17:
        np.testing.assert_array_equal(JIT_APPLY(jnp.asarray(x), fmt, mode), want)


@MODES
@pytest.mark.parametrize("text", ["int8", "int16", "uint4", "int32"])
def test_a_format_as_wide_as_the_carrying_dtype_or_wider(mode, text):
    fmt = IntFormat.parse(text)
    x = np.arange(-128, 128, dtype=np.int8)
    got = apply_overflow(jnp.asarray(x), fmt, mode)
    assert got.dtype == np.int8
    np.testing.assert_array_equal(got, exact(x, fmt, mode))


@MODES
@SIGNED
@FEWER
@given(x=st.lists(wide_integers(64), min_size=8, max_size=8))
def test_any_int64_in_24_bits(mode, signed, x):
    fmt = IntFormat(24, signed)
    with jax.enable_x64(True):
        got = JIT_APPLY(jnp.asarray(np.array(x, np.int64)), fmt, mode)
    want = [bring_inside(v, 24, signed, mode.value) for v in x]
    assert np.asarray(got).tolist() == want
