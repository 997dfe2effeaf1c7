"""channel_maxima: the largest magnitude of each channel, whatever the batches."""

import numpy as np
import pytest

from emu.calibrate import channel_maxima, coarse
from emu.errors import DataError
from tests.oracles.weights import channel_maxima as slow_maxima
from tests.zoo import images, two_convs


@pytest.mark.parametrize("cuts", [[], [6], [4, 8], [7]])
def test_maxima_are_those_of_all_samples_in_any_batches(cuts):
    graph = two_convs()
    x = images(graph, 11) * np.array([1, -50], np.float32)
    found = channel_maxima(graph, np.split(x, cuts), ["x"])["x"]
    np.testing.assert_array_equal(found, [coarse(v) for v in slow_maxima(x)])


def test_padding_of_a_smaller_batch_does_not_count():
    graph = two_convs()
    x = images(graph, 5)
    found = channel_maxima(graph, [x[:3], x[3:]], ["first"])["first"]
    whole = channel_maxima(graph, [x], ["first"])["first"]
    np.testing.assert_array_equal(found, whole)


def test_no_samples_and_values_that_are_not_finite_are_refused():
    graph = two_convs()
    with pytest.raises(DataError, match="no calibration samples"):
        channel_maxima(graph, [], ["x"])
    x = images(graph, 2)
    x[1, 0, 0, 1] = np.inf
    with pytest.raises(DataError, match=r"tensor .x.: .*values up to inf"):
        channel_maxima(graph, [x], ["x"])
