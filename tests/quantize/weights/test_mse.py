"""The scale of least squared error is the best of its candidates."""

import numpy as np
from hypothesis import example, given, strategies as st
from hypothesis.extra import numpy as hnp

from emu.fixedpoint import IntFormat
from emu.quantize.weights import largest_scale, least_error_scale
from tests.oracles.weights import scale_of_least_error, uniform_error

COLUMNS = hnp.arrays(np.float64, (6, 2), elements=st.floats(-4, 4, width=32))


@given(columns=COLUMNS, bits=st.sampled_from([2, 4, 8]), narrow=st.booleans())
@example(columns=np.zeros((6, 2)), bits=8, narrow=True)
def test_scales_are_the_argmin_over_all_candidates(columns, bits, narrow):
    fmt = IntFormat(bits)
    low = -fmt.max if narrow else fmt.min
    found = least_error_scale(columns, fmt, narrow=narrow)
    for scale, column in zip(found, columns.T, strict=True):
        expected = scale_of_least_error(column, low, fmt.max)
        if scale != expected:
            # Sums in another order: both must be as good as each other.
            errors = [uniform_error(column, s, low, fmt.max) for s in (scale, expected)]
            np.testing.assert_allclose(errors[0], errors[1], rtol=1e-12, atol=1e-30)


def test_few_bits_clip_and_many_do_not():
    columns = np.random.default_rng(0).normal(size=(1000, 1))
    shares = [
        float(least_error_scale(columns, f, narrow=True)[0])
        / float(largest_scale(columns, f, narrow=True)[0])
        for f in (IntFormat(3), IntFormat(4), IntFormat(8))
    ]
    assert shares == sorted(shares)
    assert shares[0] < 0.75
    assert shares[2] > 0.9
