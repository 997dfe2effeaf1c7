"""Observations: which parameters fit, and which candidates they make."""

from fractions import Fraction

import pytest

from emu.calibrate import Method, Observation
from emu.calibrate.methods import METHODS
from emu.errors import ConfigError


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"percentile": 50.0},
            "percentile: found 50.0, expected more than 50 and at most",
        ),
        ({"smoothing": 1.0}, "smoothing: found 1.0, expected at least 0 and less than"),
        ({"bin": 99}, "bin: found 99, expected 100 to 250"),
        ({"bin": 251}, "bin: found 251"),
        ({"start_ratio": 0.0}, "start_ratio: found 0.0, expected more than 0"),
        (
            {"end_ratio": 4.5},
            "end_ratio: found 4.5, expected more than 0 and at most 4",
        ),
        ({"step_ratio": -0.1}, "step_ratio: found -0.1"),
        ({"step_ratio": float("nan")}, "step_ratio: found nan"),
        ({"start_ratio": 1.3}, "start_ratio 1.3 must be smaller than end_ratio 1.3"),
        ({"step_ratio": 0.7}, "step_ratio 0.7 must not be larger than the range"),
        ({"step_ratio": 1e-4}, "step_ratio 0.0001 makes more than 2000 candidates"),
        ({"max_percentile": 0.5}, "max_percentile: found 0.5, expected more than 0.5"),
        ({"min_percentile": 1.1}, "min_percentile: found 1.1, expected more than 0.5"),
        ({"num_of_bins": 1000}, "num_of_bins: found 1000, expected 1024, 2048, 4096"),
        ({"bits": 17}, "bits: found 17, expected 2 to 16"),
        (
            {"method": Method.KL, "step_ratio": 0.0123},
            "multiples of one fraction not finer than 1/2000",
        ),
    ],
)
def test_parameters_out_of_their_ranges_are_refused(changes, message):
    with pytest.raises(ConfigError, match=message):
        Observation(**changes)


@pytest.mark.parametrize(
    ("start", "end", "step", "count"),
    [(0.7, 1.3, 0.01, 61), (0.3, 1.7, 0.01, 141), (0.5, 1.0, 0.3, 2)],
)
def test_candidates_are_decimals_and_hold_both_ends(start, end, step, count):
    seen = Observation(start_ratio=start, end_ratio=end, step_ratio=step)
    assert len(seen.ratios) == count
    assert seen.ratios[0] == Fraction(repr(start))
    assert seen.ratios[-1] <= Fraction(repr(end))
    assert all(ratio * seen.ratio_unit % 1 == 0 for ratio in seen.ratios)


def test_ifmr_leaves_out_one_value_of_a_million_by_default():
    assert Observation(method=Method.IFMR).upper_share == 0.999999
    assert Observation(method=Method.KL).upper_share == 1.0
    assert Observation(method=Method.IFMR, min_percentile=0.9).lower_share == 0.9


def test_every_method_has_its_row():
    assert set(METHODS) == set(Method)
