"""Hex files: every number comes back, whatever the width."""

import numpy as np
import pytest
from hypothesis import given, strategies as st

from emu.export.hexfile import Coding, WordFormat, hex_text
from tests.export.reading import numbers

WIDTHS = range(2, 49)


@st.composite
def words_of_any_width(draw):
    bits, signed = draw(st.sampled_from(WIDTHS)), draw(st.booleans())
    word = WordFormat(bits, Coding.INT if signed else Coding.UINT)
    low = -(1 << (bits - 1)) if signed else 0
    high = (1 << (bits - signed)) - 1
    number = st.integers(low, high) | st.sampled_from((low, high, 0, low + high))
    return word, draw(st.lists(number, max_size=20))


@given(words_of_any_width())
def test_every_number_of_every_width_comes_back(drawn):
    word, values = drawn
    text = hex_text(np.array(values, np.int64), word, "values").decode()
    assert numbers(text, str(word)) == values


@pytest.mark.parametrize("coding", [Coding.INT, Coding.UINT])
@pytest.mark.parametrize("bits", WIDTHS)
def test_the_ends_of_every_format_come_back(bits, coding):
    signed = coding is Coding.INT
    ends = [-(1 << (bits - 1)) if signed else 0, (1 << (bits - signed)) - 1]
    word = WordFormat(bits, coding)
    text = hex_text(np.array(ends, np.int64), word, "ends").decode()
    assert numbers(text, str(word)) == ends


@pytest.mark.parametrize(
    "dtype", ["int8", "uint8", "int16", "uint16", "int32", "int64"]
)
def test_an_array_is_written_in_its_own_dtype_row_major(dtype):
    held = np.iinfo(dtype)
    values = np.array([[held.min, 1, 2], [3, 4, held.max]], dtype)
    word = WordFormat.of_dtype(values.dtype)
    for laid_out in (values, np.asfortranarray(values)):
        found = numbers(hex_text(laid_out, word, "x").decode(), str(word))
        assert found == [held.min, 1, 2, 3, 4, held.max]


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_a_float_is_its_own_bits(dtype):
    values = np.array([0.0, -0.0, 1.5, -3.25, np.finfo(dtype).tiny], dtype)
    word = WordFormat.of_dtype(values.dtype)
    found = numbers(hex_text(values, word, "x").decode(), str(word))
    assert np.array(found, dtype).tobytes() == values.tobytes()


def test_a_bool_is_one_bit():
    word = WordFormat.of_dtype(np.dtype(np.bool_))
    assert hex_text(np.array([True, False]), word, "mask") == b"// mask\n1\n0\n"


def test_words_have_the_digits_that_the_width_needs():
    text = hex_text(np.array([-1, 5]), WordFormat(5), "five bits")
    assert text == b"// five bits\n1f\n05\n"
    text = hex_text(np.array([-1, 5]), WordFormat(20), "twenty bits")
    assert text == b"// twenty bits\nfffff\n00005\n"


def test_nothing_is_a_comment_alone():
    assert hex_text(np.zeros((0, 3), np.int8), WordFormat(8), "none") == b"// none\n"


def test_a_long_array_is_whole():
    values = np.arange(200_000, dtype=np.int32) - 100_000
    text = hex_text(values, WordFormat(20), "long").decode()
    assert numbers(text, "int20") == values.tolist()


@pytest.mark.parametrize(
    ("value", "word"),
    [(8, WordFormat(4)), (-9, WordFormat(4)), (-1, WordFormat(4, Coding.UINT))],
)
def test_a_number_outside_the_format_is_refused(value, word):
    with pytest.raises(ValueError, match="do not fit"):
        hex_text(np.array([value]), word, "x")
