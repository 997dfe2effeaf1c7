"""Every search picks the clip that the direct transcription of its formula picks."""

import math

import numpy as np
import pytest
from hypothesis import example, given, settings, strategies as st

from emu.calibrate import Method, Observation
from emu.calibrate.search import first_minimum
from tests.calibrate.run import concluded
from tests.oracles.ranges import expected

SHAPE = (11, 60)
DRAWS = {
    "normal": lambda rng: rng.standard_normal(SHAPE),
    "uniform": lambda rng: rng.uniform(-1, 3, SHAPE),
    "heavy": lambda rng: rng.standard_t(2, SHAPE),
    "relu": lambda rng: np.maximum(rng.standard_normal(SHAPE), 0),
    "relu6": lambda rng: np.clip(rng.standard_normal(SHAPE) * 4, 0, 6),
    "negative": lambda rng: -rng.gamma(2.0, size=SHAPE),
    "far": lambda rng: rng.uniform(5, 6, SHAPE),
    "outliers": lambda rng: (
        np.where(rng.random(SHAPE) < 0.01, 50.0, 1.0) * rng.standard_normal(SHAPE)
    ),
    "few values": lambda rng: rng.integers(-3, 6, SHAPE) / 4,
    "sparse": lambda rng: np.where(rng.random(SHAPE) < 0.003, 1.5, 0.0),
    "constant": lambda rng: np.full(SHAPE, -2.7),
    "zeros": lambda rng: np.zeros(SHAPE),
}
# A test of every distribution needs no more examples of each than these.
few = settings(max_examples=2 + settings().max_examples // len(DRAWS))
SEEDS = st.integers(0, 2**32 - 1)
SCALES = st.sampled_from([1.0, 255.0, 1e-3, 0.37])
# Few shapes of states, so that few updates are compiled.
RANGES = st.sampled_from([(0.7, 1.3, 0.01), (0.3, 1.7, 0.02), (0.5, 1.25, 0.125)])
BITS = st.sampled_from([4, 8, 8, 16])
SHARES = st.sampled_from([None, 1.0, 0.99999, 0.99, 0.75])


def samples(draw, seed, scale):
    return (DRAWS[draw](np.random.default_rng(seed)) * scale).astype(np.float32)


def assert_as_transcribed(x, observation):
    (found,) = concluded(x, (4, 4, 3), observation)
    want = expected(x, observation)
    assert (found.low, found.high) == pytest.approx(want, rel=1e-12, abs=0)


@few
@pytest.mark.parametrize("draw", DRAWS)
@given(seed=SEEDS, scale=SCALES, smoothing=st.sampled_from([0.0, 0.9, 0.99]))
def test_ema_is_the_moving_average_of_each_samples_extremes(
    draw, seed, scale, smoothing
):
    observation = Observation(method=Method.EMA, smoothing=smoothing)
    assert_as_transcribed(samples(draw, seed, scale), observation)


@few
@pytest.mark.parametrize("draw", DRAWS)
@given(seed=SEEDS, scale=SCALES, percentile=st.sampled_from([51.0, 99.0, 99.9, 100.0]))
def test_percentile_ends_are_the_order_statistics(draw, seed, scale, percentile):
    observation = Observation(method=Method.PERCENTILE, percentile=percentile)
    assert_as_transcribed(samples(draw, seed, scale), observation)


@pytest.mark.parametrize("method", [Method.MSE, Method.IFMR], ids=lambda m: m.value)
@few
@pytest.mark.parametrize("draw", DRAWS)
@given(
    seed=SEEDS,
    scale=SCALES,
    ratios=RANGES,
    bits=BITS,
    symmetric=st.booleans(),
    upper=SHARES,
    lower=SHARES,
)
def test_least_squares_pick_the_candidate_of_the_smallest_error(
    method, draw, seed, scale, ratios, bits, symmetric, upper, lower
):
    start, end, step = ratios
    observation = Observation(
        method=method,
        start_ratio=start,
        end_ratio=end,
        step_ratio=step,
        max_percentile=upper,
        min_percentile=lower,
        bits=bits,
        symmetric=symmetric,
    )
    assert_as_transcribed(samples(draw, seed, scale), observation)


@few
@pytest.mark.parametrize("draw", DRAWS)
@given(
    seed=SEEDS,
    scale=SCALES,
    method=st.sampled_from([Method.KL, Method.SYMKL, Method.JSD]),
    bins=st.sampled_from([100, 150, 200, 250]),
    ratios=RANGES,
    bits=st.sampled_from([4, 8]),
    symmetric=st.booleans(),
    upper=SHARES,
)
def test_divergences_pick_the_candidate_of_the_smallest_one(
    draw, seed, scale, method, bins, ratios, bits, symmetric, upper
):
    start, end, step = ratios
    observation = Observation(
        method=method,
        bin=bins,
        start_ratio=start,
        end_ratio=end,
        step_ratio=step,
        max_percentile=upper,
        bits=bits,
        symmetric=symmetric,
    )
    assert_as_transcribed(samples(draw, seed, scale), observation)


@few
@pytest.mark.parametrize("draw", DRAWS)
@given(seed=SEEDS, scale=SCALES, bits=BITS)
@example(seed=0, scale=1.0, bits=8)
def test_hfmg_picks_the_range_of_the_smallest_error(draw, seed, scale, bits):
    observation = Observation(method=Method.HFMG, num_of_bins=1024, bits=bits)
    assert_as_transcribed(samples(draw, seed, scale), observation)


@given(
    losses=st.lists(st.floats(1e-3, 1e3), min_size=1, max_size=20),
    scale=st.sampled_from([1.0, 1e-12, 1e9]),
)
def test_the_best_candidate_is_the_brute_force_argmin(losses, scale):
    scaled = np.array(losses) * scale
    found = first_minimum(scaled)
    least = min(range(len(losses)), key=lambda i: scaled[i])
    assert math.isclose(scaled[found], scaled[least], rel_tol=1e-9)
    assert found <= least
