"""Rescale and AvgPool2d against exact arithmetic, on whatever hypothesis finds."""

from fractions import Fraction
from functools import cache

import jax
import numpy as np
import pytest
from hypothesis import example, given, strategies as st

from emu import ops
from emu.fixedpoint import INT8, INT32, IntFormat, Overflow, RescaleScheme
from emu.ops.pool import reciprocal_scale
from tests.oracles.interpreter import compute, reciprocal

pytestmark = pytest.mark.usefixtures("x64")

LANES = 16


def lanes(low: int, high: int) -> st.SearchStrategy[list[int]]:
    """A list of numbers, half of them beside a power of two."""
    near = st.builds(
        lambda sign, k, d: min(max(sign * (1 << k) + d, low), high),
        st.sampled_from([-1, 1]),
        st.integers(0, 31),
        st.integers(-2, 2),
    )
    return st.lists(st.integers(low, high) | near, min_size=LANES, max_size=LANES)


SUMS = lanes(-(2**31), 2**31 - 1)
MULTIPLIERS = lanes(1 << 30, (1 << 31) - 1)
SHIFTS = lanes(2, 62)


@cache
def compiled(op: ops.Op):
    return jax.jit(lambda *operands: ops.KERNELS[type(op)](op, *operands))


def assert_same(op: ops.Op, *operands: np.ndarray) -> None:
    found, expected = np.asarray(compiled(op)(*operands)), compute(op, *operands)
    assert found.dtype == expected.dtype
    np.testing.assert_array_equal(found, expected)


INTEGER_SCHEMES = [
    RescaleScheme.SINGLE_ROUND,
    RescaleScheme.DOUBLE_ROUND,
    RescaleScheme.SRDHM_HALF_UP,
]


@pytest.mark.parametrize("scheme", INTEGER_SCHEMES, ids=lambda s: s.value)
@pytest.mark.parametrize("fmt", [INT8, INT32], ids=str)
@given(x=SUMS, multiplier=MULTIPLIERS, shift=SHIFTS)
@example(x=[-1, 1] * 8, multiplier=[1 << 30] * LANES, shift=[31] * LANES)
@example(x=[-3, 3] * 8, multiplier=[1 << 30] * LANES, shift=[32] * LANES)
def test_integer_schemes_equal_the_oracle(
    scheme: RescaleScheme,
    fmt: IntFormat,
    x: list[int],
    multiplier: list[int],
    shift: list[int],
):
    op = ops.Rescale(scheme=scheme, format=fmt, zero_point=-3)
    acc = np.array([x], np.int32)
    assert_same(op, acc, np.array(multiplier, np.int32), np.array(shift, np.int32))


@given(
    x=SUMS,
    scale=st.lists(st.floats(2**-20, 8, width=32), min_size=LANES, max_size=LANES),
)
def test_float_scales_equal_the_oracle(x: list[int], scale: list[float]):
    op = ops.Rescale(scheme=RescaleScheme.FLOAT32_HALF_EVEN, format=INT8, zero_point=7)
    acc = np.array([x], np.int32)
    assert_same(op, acc, np.array(scale, np.float32), np.zeros(LANES, np.int32))


@given(x=SUMS, shift=lanes(-31, 62))
def test_powers_of_two_equal_the_oracle(x: list[int], shift: list[int]):
    op = ops.Rescale(
        scheme=RescaleScheme.POWER_OF_TWO, format=INT8, overflow=Overflow.WRAP
    )
    acc = np.array([x], np.int32)
    assert_same(op, acc, np.ones(LANES, np.int32), np.array(shift, np.int32))


@given(x=SUMS, multiplier=MULTIPLIERS, shift=SHIFTS)
def test_single_rounding_is_the_nearest_integer(
    x: list[int], multiplier: list[int], shift: list[int]
):
    op = ops.Rescale(scheme=RescaleScheme.SINGLE_ROUND, format=INT32)
    acc = np.array([x], np.int32)
    found = compiled(op)(acc, np.array(multiplier, np.int32), np.array(shift, np.int32))
    for value, m, s, y in zip(x, multiplier, shift, found[0].tolist(), strict=True):
        exact = Fraction(value * m, 1 << s)
        if INT32.min < exact < INT32.max:
            assert abs(y - exact) <= Fraction(1, 2)


@pytest.mark.parametrize("count", [*range(1, 130), 196, 255, 256, 257, 3136, 50176])
def test_reciprocals_are_those_of_tosa(count: int):
    multiplier, shift = reciprocal_scale(count)
    assert (multiplier, shift) == reciprocal(count)
    assert 2**30 <= multiplier < 2**31
    error = Fraction(multiplier, 1 << shift) * count - 1
    assert error + Fraction(1, 2**30) >= 0
    assert error <= Fraction(1, 2**30)


KERNELS = [(1, 1), (1, 3), (2, 2), (3, 3), (7, 7)]


@pytest.mark.parametrize("kernel", KERNELS)
@given(
    data=st.data(),
    zero_point=st.sampled_from([-128, 0, 127]),
    extreme=st.booleans(),
)
def test_average_is_within_one_step_of_the_exact_mean(
    kernel: tuple[int, int], data: st.DataObject, zero_point: int, extreme: bool
):
    size = kernel[0] * kernel[1]
    values = st.sampled_from([-128, 127]) if extreme else st.integers(-128, 127)
    x = data.draw(st.lists(values, min_size=size, max_size=size))
    op = ops.AvgPool2d(kernel=kernel, zero_point=zero_point)
    image = np.array(x, np.int8).reshape(1, *kernel, 1)
    assert_same(op, image)
    mean = Fraction(sum(x), size)
    found = int(compiled(op)(image)[0, 0, 0, 0])
    assert abs(found - mean) < 1
    # TOSA's reciprocal is rounded, so a tie may go either way; nothing else may.
    assert abs(found - mean) <= Fraction(1, 2)
