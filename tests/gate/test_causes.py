"""Planted faults, each named for what it is."""

import numpy as np
import pytest
from hypothesis import given, strategies as st
from hypothesis.extra.numpy import arrays

from emu.gate import likely_cause

# Int8 values of a layer of 4 samples, 6 x 5 pixels and 3 channels, away from the ends.
WANT = np.random.default_rng(1).integers(-100, 101, (4, 6, 5, 3)).astype(np.int8)
REALS = WANT * np.float32(0.125)
LAYERS = arrays(np.int8, (2, 3, 4, 5), elements=st.integers(-60, 60))


def int8(values) -> np.ndarray:
    return np.clip(values, -128, 127).astype(np.int8)


def test_equal_arrays_are_equal():
    assert likely_cause(WANT, WANT.copy()) == "equal"
    nan = np.array([np.nan, 1.0])
    assert likely_cause(nan, nan.copy()) == "equal"


@pytest.mark.parametrize(
    ("got", "expected"),
    [
        (WANT + np.int8(3), "constant offset: every value is off by +3"),
        (REALS - 0.5, "constant offset: every value is off by -0.5"),
        (
            WANT + np.array([1, 0, -2], np.int8),
            "constant offset of each channel of the last",
        ),
        (WANT.transpose(0, 3, 1, 2), "transposed layout: got.transpose(0, 2, 3, 1)"),
        (
            WANT.transpose(0, 3, 1, 2).reshape(WANT.shape),
            "transposed layout: the values stand in the order of",
        ),
        (REALS.transpose(0, 2, 1, 3), "transposed layout: got.transpose(0, 2, 1, 3)"),
        (WANT[..., ::-1], "reversed order along axis 3"),
        (np.clip(WANT, -64, 63), "saturation: got stops at 63"),
        (np.clip(REALS, -12.5, 4), "saturation: got stops at 4"),
        ((WANT.astype(np.int64) * 2).astype(np.int8) // 2, "overflow wraps"),
        (REALS * np.float32(1.1), "wrong scale: got is 1.1 times"),
        (int8(np.rint(WANT * 0.9)), "wrong scale: got is 0.9"),
        (WANT.astype(np.int16), "dtype: got int16, expected int8; values: equal"),
        (
            (WANT.astype(np.int16) + 128).astype(np.uint8),
            "dtype: got uint8, expected int8; values: constant offset: every value is",
        ),
        (WANT.reshape(4, 90), "shape: got [4, 90], expected [4, 6, 5, 3]; the values"),
        (WANT[:3], "shape: got [3, 6, 5, 3], expected [4, 6, 5, 3]"),
        (np.where(REALS > 12, np.nan, REALS), "NaN or infinity"),
    ],
)
def test_a_planted_fault_is_named(got, expected):
    want = REALS.astype(got.dtype) if got.dtype.kind == "f" else WANT
    assert likely_cause(got, want).startswith(expected)


def test_one_faulty_channel_is_named():
    got = WANT.copy()
    got[..., 1] = got[::-1, ..., 1]
    assert likely_cause(got, WANT) == (
        "one place: all differences lie at index 1 of axis 3"
    )


def test_noise_has_no_single_cause():
    noise = np.random.default_rng(2).integers(-9, 10, WANT.shape)
    assert likely_cause(int8(WANT + noise), WANT).startswith("no single cause")


@given(seed=st.integers(0, 999), by=st.integers(-30, 30).filter(bool))
def test_a_wrong_zero_point_shows_but_at_the_ends(seed, by):
    real = np.random.default_rng(seed).uniform(-160, 160, (3, 80))
    want, got = int8(np.rint(real)), int8(np.rint(real) + by)
    assert likely_cause(got, want) == (
        f"wrong zero point: every value is off by {by:+d}, "
        "except at the ends of the range, -128 and 127"
    )


ROUNDERS = {
    "down": np.floor,
    "up": np.ceil,
    "towards zero": np.trunc,
    "away from zero": lambda x: np.sign(x) * np.ceil(np.abs(x)),
}


@pytest.mark.parametrize("direction", ROUNDERS)
def test_rounding_every_fraction_one_way_is_named(direction):
    real = np.random.default_rng(3).uniform(-100, 100, (4, 500))
    cause = likely_cause(int8(ROUNDERS[direction](real)), int8(np.rint(real)))
    assert cause.startswith("rounding mode: ")
    assert cause.endswith(f"all one way; fractions go {direction}")


@pytest.mark.parametrize(
    ("rounder", "direction"),
    [
        (lambda x: np.floor(x + 0.5), "up"),
        (lambda x: np.ceil(x - 0.5), "down"),
        (lambda x: np.trunc(x + np.copysign(0.5, x)), "away from zero"),
        (lambda x: np.sign(x) * np.ceil(np.abs(x) - 0.5), "towards zero"),
    ],
)
def test_ties_that_go_another_way_are_named(rounder, direction):
    real = np.arange(-400, 400).reshape(8, 100) / 8
    cause = likely_cause(int8(rounder(real)), int8(np.rint(real)))
    assert cause.endswith(f"all one way; ties go {direction}")


def test_off_by_one_both_ways_is_rounding_too():
    got = WANT + np.random.default_rng(4).choice(
        np.array([-1, 0, 1], np.int8), WANT.shape, p=[0.05, 0.9, 0.05]
    )
    assert "both ways" in likely_cause(got, WANT)


def test_wrapping_where_saturation_is_expected_is_named():
    real = np.random.default_rng(5).integers(-140, 140, (4, 200))
    cause = likely_cause(real.astype(np.int8), int8(real))
    assert cause == "overflow: got wraps to the other sign where expected saturates"


@given(want=LAYERS, by=st.integers(-30, 30).filter(bool))
def test_any_constant_offset_is_named(want, by):
    cause = likely_cause((want + by).astype(np.int8), want)
    # A constant layer may be explained otherwise, never by nothing.
    assert f"off by {by:+d}" in cause or np.ptp(want) == 0


@given(want=LAYERS, axes=st.permutations(range(4)).filter(lambda a: a != [0, 1, 2, 3]))
def test_any_transposition_is_named(want, axes):
    cause = likely_cause(want.transpose(axes), want)
    assert cause.startswith("transposed layout: got.transpose")


@given(got=LAYERS, want=LAYERS)
def test_the_cause_is_equal_only_for_equal_arrays(got, want):
    assert (likely_cause(got, want) == "equal") is np.array_equal(got, want)


@given(
    got=arrays(np.float32, (3, 4), elements=st.floats(-9, 9, width=32)),
    want=arrays(np.float32, (3, 4), elements=st.floats(-9, 9, width=32)),
)
def test_any_two_arrays_of_reals_have_a_line(got, want):
    cause = likely_cause(got, want)
    assert cause
    assert "\n" not in cause
