"""Scales, zero points, integer weights and biases keep what they promise."""

import numpy as np
from hypothesis import assume, given, strategies as st
from hypothesis.extra import numpy as hnp

from emu.calibrate import Range
from emu.fixedpoint import IntFormat
from emu.quantize import activation_qparams, quantize_weights, to_integers

FORMATS = st.builds(IntFormat, st.sampled_from([4, 8, 16]), st.booleans())
VALUES = st.floats(-1e3, 1e3, width=32)
WEIGHTS = hnp.arrays(np.float32, (3, 4), elements=st.floats(-2, 2, width=32))


@given(low=VALUES, high=VALUES, fmt=FORMATS, symmetric=st.booleans())
def test_zero_is_exact_and_the_range_is_covered(low, high, fmt, symmetric):
    assume(low <= high)
    found = activation_qparams(Range(low=low, high=high), fmt, symmetric=symmetric)
    (scale,), (zero_point,) = found.scale, found.zero_point
    assert fmt.min <= zero_point <= fmt.max
    # Rounding of zero point and float32 scale cost up to half a step at the ends.
    assert (fmt.min - zero_point - 0.51) * scale <= min(low, 0.0) + 1e-6
    assert (fmt.max - zero_point + 0.51) * scale >= max(high, 0.0) - 1e-6


def test_a_relu_range_uses_every_level():
    found = activation_qparams(
        Range(low=0.0, high=255.0), IntFormat(8), symmetric=False
    )
    assert found.scale == (1.0,)
    assert found.zero_point == (-128,)


def test_symmetric_formats_have_their_zero_in_the_middle():
    found = Range(low=-1.0, high=127.0)
    assert activation_qparams(found, IntFormat(8), symmetric=True).zero_point == (0,)
    unsigned = activation_qparams(found, IntFormat(8, signed=False), symmetric=True)
    assert unsigned.zero_point == (128,)
    assert unsigned.scale == (1.0,)


def test_an_empty_range_gets_scale_one():
    found = activation_qparams(Range(low=0.0, high=0.0), IntFormat(8), symmetric=False)
    assert found.scale == (1.0,)


@given(weights=WEIGHTS, per_channel=st.booleans())
def test_weights_are_nearest_integers_within_the_narrow_range(weights, per_channel):
    found = quantize_weights(
        weights,
        None,
        0.5,
        IntFormat(8),
        narrow=True,
        per_channel=per_channel,
        bias_bits=32,
    )
    assert found.weights.dtype == np.int8
    assert found.weights.min() >= -127
    assert np.all(np.abs(weights - found.weights * found.scale) <= 0.501 * found.scale)
    if not per_channel:
        assert len(set(found.scale)) == 1


@given(weights=WEIGHTS, bias=hnp.arrays(np.float32, 4, elements=VALUES))
def test_biases_fit_their_width_with_room_for_the_sum(weights, bias):
    found = quantize_weights(
        weights,
        bias,
        1e-4,
        IntFormat(8),
        narrow=True,
        per_channel=True,
        bias_bits=16,
    )
    assert np.all(np.abs(found.bias.astype(np.int64)) <= 2**14 + 1)
    step = 1e-4 * found.scale
    assert np.all(np.abs(bias - found.bias * step) <= 0.51 * step + 1e-9)


def test_constants_saturate_and_round_half_to_even():
    qparams = activation_qparams(
        Range(low=-128.0, high=127.0), IntFormat(8), symmetric=False
    )
    values = np.array([0.5, 1.5, -0.5, 1e9, -1e9])
    assert to_integers(values, qparams, IntFormat(8)).tolist() == [0, 2, 0, 127, -128]
