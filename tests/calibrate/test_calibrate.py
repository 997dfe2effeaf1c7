"""Ranges from batches: exact extremes, percentiles, and what is refused."""

from functools import cache

import jax
import numpy as np
import pytest
from hypothesis import given, strategies as st
from hypothesis.extra import numpy as hnp

from emu.calibrate import Method, Observation, calibrate, coarse
from emu.calibrate.methods import METHODS
from emu.calibrate.minmax import EXTREMES
from emu.errors import DataError
from emu.graph import GraphBuilder, Tensor
from emu.ops import Relu

FLOATS = st.floats(-1e4, 1e4, width=32, allow_subnormal=False)
SAMPLES = hnp.arrays(np.float32, (11, 6), elements=FLOATS)


def relu_graph():
    builder = GraphBuilder("relu")
    builder.input("x", Tensor(shape=(None, 6)))
    return builder.build((builder.add(Relu(), ("x",), "y", layer="y"),))


def ranges(x, sizes, observation):
    graph = relu_graph()
    cuts = np.cumsum(sizes)[:-1]
    both = {"x": observation, "y": observation}
    return calibrate(graph, np.split(x, cuts), both).ranges


def concluded(x, sizes, observation):
    """What the statistics alone say, without compiling a graph for each example."""
    way = METHODS[observation.method]
    parts = np.split(x, np.cumsum(sizes)[:-1])
    found = counted(parts, (EXTREMES, way.first and way.first(observation)), {})
    found |= counted(parts, (way.second and way.second(observation),), found)
    return way.conclude(observation, found)


def counted(parts, statistics, found):
    """Finished states by key."""
    finished = {}
    with jax.enable_x64(True):
        for one in filter(None, statistics):
            state = one.empty(found)
            for part in parts:
                missing = len(parts[0]) - len(part)
                padded = np.pad(part, [(0, missing), (0, 0)], constant_values=7)
                valid = np.arange(len(padded)) < len(part)
                state = update(one)(state, padded, valid)
            finished[one.key] = {k: np.asarray(v) for k, v in state.items()}
    return finished


@cache
def update(statistic):
    return jax.jit(statistic.update)


def is_on_coarse_grid(value):
    mantissa, _ = np.frexp(value)
    return mantissa * 256 == int(mantissa * 256)


@given(x=SAMPLES)
def test_minmax_is_the_extremes(x):
    found = concluded(x, (4, 4, 3), Observation(method=Method.MINMAX))
    assert (found.low, found.high) == (coarse(float(x.min())), coarse(float(x.max())))


@given(value=FLOATS)
def test_ranges_are_rounded_away_from_zero_to_eight_bits(value):
    found = coarse(value)
    assert abs(value) <= abs(found) <= abs(value) * (1 + 2**-7)
    assert found * value >= 0
    assert is_on_coarse_grid(found)


@pytest.mark.parametrize("method", Method)
@given(x=SAMPLES)
def test_ranges_do_not_depend_on_how_samples_are_batched(method, x):
    observation = Observation(method=method, percentile=90.0)
    assert concluded(x, (4, 4, 3), observation) == concluded(x, (6, 5), observation)


@given(x=SAMPLES, percentile=st.sampled_from([75.0, 90.0, 99.0, 100.0]))
def test_percentile_ends_hold_the_order_statistics_within_a_bin(x, percentile):
    observation = Observation(method=Method.PERCENTILE, percentile=percentile)
    found = concluded(x, (4, 4, 3), observation)
    ordered = np.sort(x.ravel()).astype(np.float64)
    rank = int(np.ceil(percentile / 100 * x.size))
    high, low = ordered[rank - 1], ordered[x.size - rank]
    # The width of a bin; that of zero is the smallest numbers there are.
    slack, tiny = 2**-7, 1e-37
    assert abs(found.high - high) <= abs(high) * slack + tiny
    assert abs(found.low - low) <= abs(low) * slack + tiny


def test_padding_of_the_last_batch_is_not_counted():
    x = np.full((5, 6), 3.0, np.float32)
    for method in (Method.MINMAX, Method.EMA, Method.PERCENTILE, Method.HFMG):
        found = ranges(x, (4, 1), Observation(method=method, percentile=60.0))["x"]
        assert (found.low, found.high) == (3.0, 3.0)


def test_every_observed_tensor_gets_its_own_range():
    x = np.linspace(-2, 1, 66, dtype=np.float32).reshape(11, 6)
    found = ranges(x, (11,), Observation())
    assert (found["x"].low, found["x"].high) == (-2.0, 1.0)
    assert (found["y"].low, found["y"].high) == (0.0, 1.0)


def test_a_value_that_is_not_finite_is_refused_naming_the_tensor():
    x = np.zeros((4, 6), np.float32)
    x[2, 3] = np.nan
    with pytest.raises(DataError, match=r"tensor 'x'.*finite"):
        ranges(x, (4,), Observation())


def test_no_samples_is_an_error():
    with pytest.raises(DataError, match="no calibration samples"):
        calibrate(relu_graph(), [], {"x": Observation()})


def test_means_are_those_of_all_samples():
    x = np.arange(66, dtype=np.float32).reshape(11, 6) - 30
    found = calibrate(relu_graph(), [x[:8], x[8:]], {}, ("x", "y")).means
    np.testing.assert_allclose(found["x"], x.mean(axis=0), rtol=1e-6)
    np.testing.assert_allclose(found["y"], np.maximum(x, 0).mean(axis=0), rtol=1e-6)


@pytest.mark.parametrize(
    "x", [np.zeros((4, 5), np.float32), np.zeros((4, 6), np.float64)]
)
def test_samples_that_do_not_fit_the_input_are_refused(x):
    with pytest.raises(DataError, match=r"input 'x' of relu: .*expected float32 \[6\]"):
        calibrate(relu_graph(), [x], {"x": Observation()})
