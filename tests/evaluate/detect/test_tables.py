"""The integer tables of sigmoid, exp and softmax against NumPy written out."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, strategies as st
from pydantic import TypeAdapter, ValidationError

from emu.evaluate.detect.tables import (
    Tables,
    TablesSwitch,
    exp,
    exp_table,
    quantize,
    sigmoid,
    sigmoid_table,
    softmax,
    softmax_table,
)

SCALES = st.sampled_from([1 / 16, 1 / 32, 0.05, 0.0472])


def values(seed, shape, spread):
    x = np.random.default_rng(seed).normal(0, spread, shape)
    return x.astype(np.float32)


def quantized(x, scale):
    """One number after the other; Python rounds half to even."""
    steps = [float(v * np.float32(1 / scale)) for v in x.reshape(-1)]
    whole = [min(max(round(step), -128), 127) for step in steps]
    return np.array(whole).reshape(x.shape)


@given(seed=st.integers(0, 2**32 - 1), scale=SCALES, spread=st.sampled_from([0.1, 9]))
def test_inputs_are_quantized_to_the_nearest_step(seed, scale, spread):
    x = values(seed, (40,), spread)
    np.testing.assert_array_equal(quantize(jnp.asarray(x), scale), quantized(x, scale))


def test_ties_go_to_even_and_extremes_saturate():
    x = jnp.array([0.5, 1.5, -0.5, -2.5, 1e30, -jnp.inf, jnp.nan]) / 16
    assert quantize(x, 1 / 16).tolist() == [0, 2, 0, -2, 127, -128, 0]


@given(seed=st.integers(0, 2**32 - 1), scale=SCALES)
def test_sigmoid_is_the_table_of_its_quantized_input(seed, scale):
    x = values(seed, (3, 5), 4)
    got = sigmoid(jnp.asarray(x), Tables(sigmoid_scale=scale))
    real = [1 / (1 + math.exp(-q * scale)) for q in quantized(x, scale).reshape(-1)]
    whole = [min(round(256 * value), 255) for value in real]
    assert got.dtype == jnp.float32
    assert (np.asarray(got).reshape(-1) * 256).tolist() == whole


@given(seed=st.integers(0, 2**32 - 1), scale=SCALES)
def test_exp_is_the_table_of_its_quantized_input(seed, scale):
    x = values(seed, (3, 5), 4)
    got = exp(jnp.asarray(x), Tables(exp_scale=scale))
    real = [math.exp(q * scale) for q in quantized(x, scale).reshape(-1)]
    whole = [min(round(256 * value), 65535) for value in real]
    assert (np.asarray(got).reshape(-1) * 256).tolist() == whole


@given(seed=st.integers(0, 2**32 - 1), scale=SCALES)
def test_softmax_divides_table_entries_by_their_sum(seed, scale):
    x = values(seed, (4, 8), 4)
    got = softmax(jnp.asarray(x), Tables(softmax_scale=scale))
    for row, q in zip(np.asarray(got), quantized(x, scale), strict=True):
        weights = [round(65535 * math.exp((k - max(q)) * scale)) for k in q]
        total = np.float32(sum(weights))
        # XLA may multiply by the reciprocal of the sum.
        expected = np.array(weights, np.float32) / total
        np.testing.assert_allclose(row, expected, rtol=2**-22)


def test_entries_grow_and_fit_their_widths():
    for entries, most in (
        (sigmoid_table(1 / 16), 255),
        (exp_table(1 / 32), 65535),
        (exp_table(1.0), 65535),
        (softmax_table(1 / 8), 65535),
    ):
        assert len(entries) == 256
        assert (np.diff(entries) >= 0).all()
        assert entries[0] >= 0
        assert entries[-1] <= most


def test_without_tables_the_functions_are_real():
    x = jnp.asarray(values(0, (4, 8), 2))
    np.testing.assert_array_equal(sigmoid(x, None), jax.nn.sigmoid(x))
    np.testing.assert_array_equal(exp(x, None), jnp.exp(x))
    np.testing.assert_array_equal(softmax(x, None), jax.nn.softmax(x))


def test_the_default_tables_are_close_to_the_real_functions():
    x = jnp.linspace(-4, 3.96, 500)
    # Half a step of the input times the slope, and half a step of the output.
    assert jnp.abs(sigmoid(x, Tables()) - jax.nn.sigmoid(x)).max() < 0.25 / 32 + 1 / 500
    assert jnp.abs(exp(x, Tables()) / jnp.exp(x) - 1).max() < 1 / 64 + 0.12
    logits = jnp.asarray(values(0, (200, 8), 2))
    assert jnp.abs(softmax(logits, Tables()) - jax.nn.softmax(logits)).max() < 1 / 16


def test_a_file_writes_a_switch_or_scales():
    switch = TypeAdapter(TablesSwitch)
    assert switch.validate_python(True) == Tables()
    assert switch.validate_python(False) is None
    assert switch.validate_python({"exp_scale": 0.1}) == Tables(exp_scale=0.1)


@pytest.mark.parametrize("wrong", [{"exp_scale": 0}, {"exp": 0.1}, {"exp_scale": 2.0}])
def test_a_wrong_scale_is_refused(wrong):
    with pytest.raises(ValidationError):
        Tables.model_validate(wrong)
