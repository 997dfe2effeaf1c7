"""Levels are the best there are; scales and levels in turn never become worse."""

import numpy as np
import pytest
from hypothesis import example, given, strategies as st
from hypothesis.extra import numpy as hnp

from emu.errors import ConfigError
from emu.fixedpoint import IntFormat
from emu.quantize.weights import (
    WeightStyle,
    best_levels,
    cluster,
    compensate,
    largest_scale,
)
from tests.oracles.weights import (
    codebook_error,
    correlated_error,
    least_codebook_error,
)

COLUMNS = hnp.arrays(np.float64, (5, 2), elements=st.floats(-2, 2, width=32))
SCALES = hnp.arrays(np.float64, 2, elements=st.sampled_from([0.25, 0.3, 1.0]))
GRID = range(-3, 4)
LEVELS = np.array(GRID)
NO_LIMIT = np.zeros(2)


@given(columns=COLUMNS, scale=SCALES, steps=st.integers(1, 7))
@example(columns=np.full((5, 2), 2.0), scale=np.array([0.25, 1.0]), steps=2)
def test_levels_are_the_argmin_over_every_choice(columns, scale, steps):
    levels = best_levels(columns / scale, np.square(scale), LEVELS, steps)
    assert sorted(set(levels.tolist())) == levels.tolist()
    assert len(levels) == steps
    found = codebook_error(columns, scale, tuple(levels.tolist()))
    expected = least_codebook_error(columns, scale, GRID, steps)
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-12)


@given(columns=COLUMNS, scale=SCALES, steps=st.integers(2, 7))
def test_every_weight_takes_the_nearest_level(columns, scale, steps):
    found = cluster(columns, scale, NO_LIMIT, LEVELS, steps, 0)
    chosen = np.square(columns - found.integers * found.scale).sum()
    least = codebook_error(columns, scale, tuple(found.levels.tolist()))
    np.testing.assert_allclose(chosen, least, rtol=1e-9, atol=1e-12)
    assert set(found.integers.ravel()) <= set(found.levels)


def errors_of_rounds(columns: np.ndarray, scale: np.ndarray, steps: int) -> list[float]:
    results = [
        cluster(columns, scale, np.zeros(scale.size), np.arange(-127, 128), steps, n)
        for n in range(12)
    ]
    return [float(np.square(columns - r.integers * r.scale).sum()) for r in results]


def test_each_round_gains_or_is_the_last():
    columns = np.random.default_rng(0).standard_t(4, size=(300, 4))
    scale = largest_scale(columns, IntFormat(8), narrow=True)
    errors = errors_of_rounds(columns, scale, 16)
    assert errors == sorted(errors, reverse=True)
    assert errors[-1] < 0.999 * errors[0]


def test_scales_are_those_of_least_squares_in_the_end():
    columns = np.random.default_rng(1).normal(size=(200, 3))
    scale = largest_scale(columns, IntFormat(8), narrow=True)
    found = cluster(columns, scale, np.zeros(3), np.arange(-127, 128), 8, 1000)
    error = np.square(columns - found.integers * found.scale).sum(axis=0)
    for factor in (0.999, 1.001):
        other = np.square(columns - found.integers * found.scale * factor).sum(axis=0)
        assert np.all(other > error)


def test_scales_stay_float32_and_as_large_as_biases_need():
    columns = np.random.default_rng(2).normal(size=(50, 2))
    scale = np.array([0.5, 0.25])
    found = cluster(columns, scale, scale, np.arange(-7, 8), 4, 10)
    assert np.all(found.scale >= scale)
    np.testing.assert_array_equal(found.scale, found.scale.astype(np.float32))


def test_all_levels_lose_nothing_to_plain_rounding():
    columns = np.random.default_rng(3).normal(size=(500, 2))
    scale = largest_scale(columns, IntFormat(4), narrow=True)
    found = cluster(columns, scale, np.zeros(2), np.arange(-7, 8), 15, 0)
    np.testing.assert_array_equal(found.integers, np.rint(columns / scale))


@given(
    columns=hnp.arrays(np.float64, (6, 2), elements=st.floats(-2, 2, width=32)),
    scale=SCALES,
    steps=st.integers(1, 7),
    kernels=st.sampled_from([1, 2, 3, 6]),
)
def test_no_single_move_to_a_neighbouring_level_would_gain(
    columns, scale, steps, kernels
):
    nearest = cluster(columns, scale, NO_LIMIT, LEVELS, steps, 0)
    levels = nearest.levels.tolist()
    moved = compensate(columns, scale, nearest.levels, nearest.integers, kernels)
    assert set(moved.ravel()) <= set(levels)
    for reals, before, after in zip(
        (columns / scale).T, nearest.integers.T, moved.T, strict=True
    ):
        least = correlated_error(after, reals, kernels)
        assert least <= correlated_error(before, reals, kernels)
        for i, value in enumerate(after):
            place = levels.index(value)
            for level in levels[max(place - 1, 0) : place + 2]:
                other = after.copy()
                other[i] = level
                assert correlated_error(other, reals, kernels) >= least - 1e-8


def test_the_errors_of_a_filter_nearly_cancel():
    columns = np.random.default_rng(4).normal(size=(144, 16))
    scale = largest_scale(columns, IntFormat(8), narrow=True)
    nearest = cluster(columns, scale, np.zeros(16), np.arange(-127, 128), 32, 0)
    moved = compensate(columns, scale, nearest.levels, nearest.integers, 16)
    before, after = (
        np.abs((integers - columns / scale).sum(axis=0)).mean()
        for integers in (nearest.integers, moved)
    )
    assert after < 0.1 * before


@pytest.mark.parametrize(
    ("steps", "bits", "message"),
    [
        (32, 4, "num_steps is 32, but weights of int4 have 15 levels"),
        (256, 8, "have 255 levels"),
        (None, 16, "a codebook holds at most 8 bits"),
    ],
)
def test_levels_that_a_format_lacks_are_refused(steps, bits, message):
    with pytest.raises(ConfigError, match=message):
        WeightStyle(num_steps=steps).steps(IntFormat(bits), narrow=True)


def test_by_default_there_are_32_levels_or_all():
    counts = [WeightStyle().steps(IntFormat(b), narrow=True) for b in (8, 6, 5, 4)]
    assert counts == [32, 32, 31, 15]
