"""Numbers, names and files of annotations are checked before they are used."""

import math

import pytest
from hypothesis import given, strategies as st
from PIL import Image

from emu.errors import DataError, MissingError
from emu.evaluate.detect.annotations import (
    LARGEST,
    image_file,
    images_by_stem,
    number,
    objects_of,
    parse_number,
    parse_whole,
    read_bytes,
    whole,
)


@given(st.one_of(st.integers(), st.floats(), st.text(), st.booleans(), st.none()))
def test_a_number_is_real_finite_and_not_beyond_every_image(value):
    got = number(value)
    real = isinstance(value, int | float) and not isinstance(value, bool)
    if real and not math.isnan(value) and abs(value) <= LARGEST:
        assert got == value
        assert isinstance(got, float)
    else:
        assert got is None


@given(st.floats(-LARGEST, LARGEST))
def test_the_text_of_a_number_is_that_number(value):
    assert parse_number(repr(value)) == value


@pytest.mark.parametrize("text", [None, "", "x", "nan", "inf", "1e10", "1_0", "1,5"])
def test_other_texts_are_no_numbers(text):
    assert parse_number(text) is None


@pytest.mark.parametrize("text", [None, "", "1.0", "-1", "+1", "1_0", "9" * 11, "²"])
def test_a_whole_number_has_digits_alone(text):
    assert parse_whole(text) is None
    assert parse_whole("007") == 7


@pytest.mark.parametrize("value", [-1, 1.0, True, "1", 10**400])
def test_a_whole_number_is_an_integer_of_0_or_more(value):
    assert whole(value) is None


@pytest.mark.parametrize(
    "name", ["../a.png", "x/../../a.png", "/etc/passwd", "C:a.png", "..\\a.png", "\\a"]
)
def test_a_name_that_leaves_the_folder_is_refused(tmp_path, name):
    Image.new("RGB", (1, 1)).save(tmp_path / "a.png")
    (tmp_path / "in" / "x").mkdir(parents=True)
    with pytest.raises(DataError, match=r"a\.json: images\[0\]: found file name"):
        image_file(tmp_path / "in", name, file=tmp_path / "a.json", where="images[0]")


@pytest.mark.parametrize("name", ["no.png", "n" * 5000, "a\0b", "\ud800", "."])
def test_an_absent_image_is_missing(tmp_path, name):
    with pytest.raises(MissingError, match="does not exist in"):
        image_file(tmp_path, name, file=tmp_path / "a.json", where="images[0]")


def test_a_file_is_sized_before_it_is_read(tmp_path):
    path = tmp_path / "a.json"
    path.write_bytes(b"12345")
    assert read_bytes(path, 5) == b"12345"
    with pytest.raises(DataError, match=r"a\.json: is larger than 4 bytes"):
        read_bytes(path, 4)
    with pytest.raises(MissingError, match="no such file"):
        read_bytes(tmp_path / "b.json", 4)


def test_two_images_of_one_stem_are_refused(tmp_path):
    for suffix in ("png", "jpg"):
        Image.new("RGB", (1, 1)).save(tmp_path / f"a.{suffix}")
    with pytest.raises(DataError, match=r"'a\.jpg' and 'a\.png'; expected one"):
        images_by_stem(tmp_path)


def test_no_objects_have_arrays_of_no_rows():
    none = objects_of((3, 4), [])
    assert none.boxes.shape == (0, 4)
    assert none.classes.shape == none.areas.shape == (0,)
