"""Selections pick what Python slices pick, and split a dataset without overlap."""

import numpy as np
import pytest
from hypothesis import given, strategies as st

from emu.errors import ConfigError, DataError
from emu.evaluate.selection import parse_selection, parse_selections, split_reference

bound = st.none() | st.integers(-12, 12)


@given(n=st.integers(1, 12), start=bound, stop=bound, step=st.integers(1, 5))
def test_a_selection_picks_what_the_slice_picks(n, start, stop, step):
    parts = ["" if part is None else str(part) for part in (start, stop)]
    expected = list(range(n))[start:stop:step]
    selection = parse_selection(f"[{parts[0]}:{parts[1]}:{step}]")
    inside = all(b is None or -n <= b <= n for b in (start, stop))
    if inside and expected:
        assert selection.rows(n).tolist() == expected
    else:
        with pytest.raises(DataError):
            selection.rows(n)


@given(n=st.integers(2, 40), step=st.integers(2, 9))
def test_a_selection_and_its_complement_split_the_samples(n, step):
    picked = parse_selection(f"[::{step}]").rows(n)
    others = parse_selection(f"[!::{step}]").rows(n)
    assert not set(picked) & set(others)
    assert sorted([*picked, *others]) == list(range(n))


@pytest.mark.parametrize(
    "text",
    ["[]", "[5]", "[1:2:0]", "[::-1]", "[a:b]", "[1:2:3:4]", "[1.0:]", "[!]", "[ :1]"],
)
def test_a_malformed_selection_is_refused(text):
    with pytest.raises(ConfigError, match="found selection"):
        parse_selection(text)


@pytest.mark.parametrize("ref", ["", "a[", "a]", "a[[::2]]", "[::2]", "a[::2]b"])
def test_a_malformed_reference_is_refused(ref):
    with pytest.raises(ConfigError):
        split_reference(ref)


def test_a_reference_may_carry_several_selections():
    base, selections = split_reference("data/a.npz[!::5][0:64]")
    assert base == "data/a.npz"
    assert [selection.text for selection in selections] == ["[!::5]", "[0:64]"]


def test_text_between_selections_is_refused():
    with pytest.raises(ConfigError):
        parse_selections("[::2] [::3]")


def test_a_bound_outside_the_samples_names_both_numbers():
    with pytest.raises(DataError, match="position 1000, but there are 500 samples"):
        parse_selection("[0:1000]").rows(500)


def test_the_complement_of_everything_is_refused():
    with pytest.raises(DataError, match="holds none of 3 samples"):
        parse_selection("[!:]").rows(np.arange(3).size)
