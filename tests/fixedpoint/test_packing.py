"""Packed int4 and int2: round trips, the order of the bits, what is refused."""

import numpy as np
import pytest
from hypothesis import given, strategies as st

from emu.errors import ConfigError, DataError
from emu.fixedpoint import INT8, IntFormat, pack, unpack

FORMATS = [IntFormat(bits, signed) for bits in (2, 4) for signed in (True, False)]
each_format = pytest.mark.parametrize("fmt", FORMATS, ids=str)


@each_format
@given(data=st.data())
def test_what_is_packed_comes_back(fmt, data):
    shape = tuple(data.draw(st.lists(st.integers(0, 5), min_size=1, max_size=4)))
    size = int(np.prod(shape))
    values = data.draw(
        st.lists(st.integers(fmt.min, fmt.max), min_size=size, max_size=size)
    )
    array = np.array(values, fmt.dtype).reshape(shape)
    packed = pack(array, fmt)
    assert packed.dtype == np.uint8
    assert packed.size == -(-size * fmt.bits // 8)
    back = unpack(packed, fmt, shape)
    assert back.dtype == fmt.dtype
    np.testing.assert_array_equal(back, array)


@each_format
@given(data=st.lists(st.integers(0, 255), max_size=9))
def test_every_byte_is_unpacked_and_packed_again(fmt, data):
    held = np.array(data, np.uint8)
    values = unpack(held, fmt, (held.size * 8 // fmt.bits,))
    np.testing.assert_array_equal(pack(values, fmt), held)


def test_the_first_value_is_in_the_lowest_bits():
    assert pack(np.array([1, -8, 7]), IntFormat(4)).tolist() == [0x81, 0x07]
    assert pack(np.array([1, -2, 0, -1, 1]), IntFormat(2)).tolist() == [0b11001001, 1]
    assert unpack(np.array([0x8F], np.uint8), IntFormat(4), (2,)).tolist() == [-1, -8]
    unsigned = unpack(np.array([0x8F], np.uint8), IntFormat(4, signed=False), (2, 1))
    assert unsigned.tolist() == [[15], [8]]


@each_format
def test_values_and_bytes_that_do_not_fit_are_refused(fmt):
    with pytest.raises(DataError, match=f"do not fit {fmt}"):
        pack(np.array([0, fmt.max + 1]), fmt)
    with pytest.raises(DataError, match=f"do not fit {fmt}"):
        pack(np.array([fmt.min - 1]), fmt)
    with pytest.raises(DataError, match="2 bytes for 1 values"):
        unpack(np.zeros(2, np.uint8), fmt, (1,))


def test_only_formats_that_divide_a_byte_are_packed():
    with pytest.raises(ConfigError, match="int8 does not divide a byte"):
        pack(np.zeros(2, np.int8), INT8)
    with pytest.raises(ConfigError, match="int3 does not divide a byte"):
        unpack(np.zeros(2, np.uint8), IntFormat(3), (2,))
