"""Ranges from batches: exact extremes, percentiles, and what is refused."""

import numpy as np
import pytest
from hypothesis import given, strategies as st
from hypothesis.extra import numpy as hnp

from emu.calibrate import (
    Method,
    Observation,
    calibrate,
    coarse,
    collect,
    first_samples,
)
from emu.errors import DataError
from emu.graph import GraphBuilder, Tensor
from emu.ops import Relu
from tests.calibrate.run import concluded
from tests.oracles import ranges as oracle

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


def is_on_coarse_grid(value):
    mantissa, _ = np.frexp(value)
    return mantissa * 256 == int(mantissa * 256)


@given(x=SAMPLES)
def test_minmax_is_the_extremes(x):
    (found,) = concluded(x, (4, 4, 3), Observation(method=Method.MINMAX))
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


def test_the_oracle_makes_values_coarse_alike():
    for value in (0.0, 1.0, -1.0, 6.0, 255.0, 0.1, -3e-9, 1.0000001, 127.9, 1e30):
        assert oracle.coarse(value) == coarse(value)


def test_padding_of_the_last_batch_is_not_counted():
    x = np.full((5, 6), 3.0, np.float32)
    every = {method: Observation(method=method, percentile=60.0) for method in Method}
    padded = collect(relu_graph(), [x[:4], x[4:]], {"x": every.values()})
    whole = collect(relu_graph(), [x], {"x": every.values()})
    for method, one in every.items():
        assert padded.range("x", one) == whole.range("x", one)
        assert padded.range("x", one).high == pytest.approx(3.0, rel=0.02), method


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


def every_observation():
    """All methods, and for each parameter one that is not the default."""
    changed = [
        Observation(method=Method.EMA, smoothing=0.5),
        Observation(method=Method.PERCENTILE, percentile=80.0),
        Observation(method=Method.MSE, bits=4, symmetric=True),
        Observation(method=Method.MSE, start_ratio=0.3, end_ratio=1.7),
        Observation(method=Method.KL, bin=200, max_percentile=0.9),
        Observation(method=Method.JSD, start_ratio=0.3, end_ratio=2.5),
        Observation(method=Method.IFMR, step_ratio=0.05, min_percentile=0.8),
        Observation(method=Method.HFMG, num_of_bins=1024, bits=4),
    ]
    return [*(Observation(method=method) for method in Method), *changed]


def normal(count=11, seed=3):
    rng = np.random.default_rng(seed)
    return (rng.standard_normal((count, 6)) * 2 + 1).astype(np.float32)


def test_many_observations_in_one_run_are_those_of_many_runs():
    x, every = normal(), every_observation()
    together = collect(relu_graph(), [x[:8], x[8:]], {"x": every, "y": every[:9]})
    for one in every:
        alone = calibrate(relu_graph(), [x[:8], x[8:]], {"x": one}).ranges["x"]
        assert together.range("x", one) == alone
        assert (alone.low, alone.high) == pytest.approx(oracle.expected(x, one))
    positive = np.maximum(x, 0)
    for one in every[:9]:
        found = together.range("y", one)
        assert (found.low, found.high) == pytest.approx(oracle.expected(positive, one))
    assert together.samples == 11


def test_the_data_are_read_once_or_twice_whatever_is_asked_for():
    x, runs = normal(), []

    def batches():
        runs.append(len(runs))
        return iter([x[:8], x[8:]])

    told = []
    early = [Observation(), Observation(method=Method.EMA)]
    collect(relu_graph(), batches, {"x": early}, (), told.append)
    assert (runs, told) == ([0], [8, 3])
    collect(relu_graph(), batches, {"x": every_observation()}, ("y",), told.append)
    assert (runs, told) == ([0, 1, 2], [8, 3] * 3)


def test_what_nobody_asked_for_is_refused():
    found = collect(relu_graph(), [normal()], {"x": [Observation()]})
    with pytest.raises(ValueError, match=r"nobody asked for .* of tensor 'x'"):
        found.range("x", Observation(method=Method.MSE))
    with pytest.raises(ValueError, match="of tensor 'y'"):
        found.range("y", Observation())


def test_an_observation_that_needs_no_other_statistics_needs_no_other_run():
    kinds = (Method.KL, Method.SYMKL, Method.JSD)
    every = {kind: Observation(method=kind) for kind in kinds}
    found = collect(relu_graph(), [normal()], {"x": [every[Method.KL]]})
    asked = collect(relu_graph(), [normal()], {"x": every.values()})
    for one in every.values():
        assert found.range("x", one) == asked.range("x", one)


def test_a_second_run_over_other_samples_is_refused():
    runs = iter([[normal(11)], [normal(7)]])
    with pytest.raises(DataError, match="first pass gave 11 samples, the second 7"):
        calibrate(
            relu_graph(), lambda: next(runs), {"x": Observation(method=Method.MSE)}
        )


@pytest.mark.parametrize("method", Method, ids=lambda m: m.value)
def test_a_tensor_of_nothing_but_zeros_has_an_empty_range(method):
    found = ranges(-np.ones((4, 6), np.float32), (3, 1), Observation(method=method))
    assert (found["y"].low, found["y"].high) == (0, 0)
    assert found["x"].low < 0


def test_samples_of_nothing_but_zeros_are_refused():
    x = np.zeros((4, 6), np.float32)
    with pytest.raises(DataError, match="all 4 samples are zeros throughout"):
        ranges(x, (3, 1), Observation())


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("method", Method, ids=lambda m: m.value)
def test_no_method_takes_values_that_are_not_finite(method, value):
    x = normal(4)
    x[1, 2] = value
    with pytest.raises(DataError, match=r"tensor 'x'.*finite"):
        ranges(x, (4,), Observation(method=method))


def test_the_first_samples_alone_can_count():
    x = normal()
    parts = [x[:4], x[4:8], x[8:]]
    seen = {"x": [Observation()]}
    for count in (3, 4, 6, 11):
        first = collect(relu_graph(), first_samples(parts, count), seen, ("x",))
        assert first.samples == count
        np.testing.assert_allclose(
            first.means["x"], x[:count].mean(axis=0), rtol=1e-5, atol=1e-6
        )
    assert first_samples(parts, None) is parts


def test_too_few_samples_for_a_count_are_refused():
    with pytest.raises(DataError, match="found 11 samples, expected 12 as batch_count"):
        calibrate(relu_graph(), first_samples([normal()], 12), {"x": Observation()})
