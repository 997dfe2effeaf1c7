"""The scale that clips nothing is AMCT's, filter by filter."""

import numpy as np
import pytest
from hypothesis import example, given, strategies as st
from hypothesis.extra import numpy as hnp

from emu.fixedpoint import IntFormat
from emu.quantize.weights import largest_scale
from tests.oracles.weights import scale_of_largest

COLUMNS = hnp.arrays(np.float64, (5, 3), elements=st.floats(-4, 4, width=32))


@given(columns=COLUMNS, bits=st.sampled_from([4, 6, 7, 8]), narrow=st.booleans())
@example(columns=np.array([[-1.0, 1.0, 0.0], [0.5, -0.5, 0.0]]), bits=8, narrow=False)
def test_scales_are_those_of_the_transcription(columns, bits, narrow):
    fmt = IntFormat(bits)
    low = -fmt.max if narrow else fmt.min
    found = largest_scale(columns, fmt, narrow=narrow)
    expected = [scale_of_largest(column, low, fmt.max) for column in columns.T]
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize(("narrow", "level"), [(True, 127), (False, 128)])
def test_the_lowest_level_is_used_only_where_there_is_one(narrow, level):
    column = np.array([[-1.0], [0.5]])
    found = largest_scale(column, IntFormat(8), narrow=narrow)
    assert found[0] == 1 / level


def test_a_filter_of_zeros_has_scale_zero():
    assert largest_scale(np.zeros((4, 1)), IntFormat(8), narrow=True)[0] == 0
