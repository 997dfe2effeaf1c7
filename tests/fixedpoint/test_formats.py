"""Integer formats and affine parameters: their ranges, names and refusals."""

import numpy as np
import pytest
from hypothesis import given, strategies as st

from emu.errors import ConfigError
from emu.fixedpoint import INT8, INT16, INT32, UINT8, IntFormat, QParams


@pytest.mark.parametrize("bits", range(2, 33))
@pytest.mark.parametrize("signed", [True, False])
def test_a_format_spans_all_codes_of_its_width_and_its_storage_holds_them(bits, signed):
    fmt = IntFormat(bits, signed)
    assert fmt.max - fmt.min == 2**bits - 1
    assert fmt.min == (-(2 ** (bits - 1)) if signed else 0)
    held = np.iinfo(fmt.dtype)
    assert held.min <= fmt.min < fmt.max <= held.max
    assert held.bits == 8 or held.bits // 2 < bits
    assert IntFormat.parse(str(fmt)) == fmt


def test_the_named_formats_are_those_of_numpy():
    for fmt in (INT8, UINT8, INT16, INT32):
        assert np.dtype(str(fmt)) == fmt.dtype


@pytest.mark.parametrize("bits", [-1, 0, 1, 33])
def test_a_width_outside_2_to_32_is_refused(bits):
    with pytest.raises(ConfigError, match=f"not {bits}"):
        IntFormat(bits)


@pytest.mark.parametrize(
    "text", ["", "int", "int1", "int33", "int08", "float8", "Int8", "int8 ", "uint٨"]
)
def test_a_text_that_str_does_not_write_is_refused(text):
    with pytest.raises(ConfigError):
        IntFormat.parse(text)


@given(scale=st.floats(1e-30, 1e30))
def test_a_scale_is_rounded_once_to_float32(scale):
    qparams = QParams((scale,), (0,))
    assert qparams.scale == (float(np.float32(scale)),)
    assert QParams(qparams.scale, (0,)) == qparams
    assert hash(QParams(qparams.scale, (0,))) == hash(qparams)


@pytest.mark.parametrize(
    "scale", [0.0, -1.0, float("inf"), float("nan"), 1e-40, 1e-60, 1e39, 1e300]
)
def test_a_scale_that_is_no_positive_normal_float32_is_refused(scale):
    with pytest.raises(ConfigError, match="scale"):
        QParams((scale,), (0,))


@pytest.mark.parametrize(
    ("scale", "zero_point", "axis"),
    [
        ((), (), None),
        ((1.0,), (), None),
        ((1.0, 2.0), (0,), 0),
        ((1.0, 2.0), (0, 0), None),
    ],
)
def test_lengths_that_do_not_agree_are_refused(scale, zero_point, axis):
    with pytest.raises(ConfigError):
        QParams(scale, zero_point, axis)
