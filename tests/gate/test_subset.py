"""The part of the data that a case evaluates."""

import numpy as np
import pytest
from hypothesis import given, strategies as st

from emu.errors import DataError
from emu.evaluate import Dataset, from_arrays
from emu.gate.subset import Choice, choose_samples


def data(n: int, first: int = 0) -> Dataset:
    ids = [f"s{i}" for i in range(first, first + n)]
    return from_arrays(np.arange(n)[:, None], np.arange(n), name="d", ids=ids)


def test_the_first_so_many():
    assert choose_samples(data(5), 2).ids == ("s0", "s1")


def test_named_ones_in_the_order_of_the_data():
    found = choose_samples(data(5), ("s3", "s1"))
    assert found.ids == ("s1", "s3")
    assert found.labels is not None
    assert found.labels.tolist() == [1, 3]


@given(n=st.integers(1, 40), k=st.integers(1, 40), seed=st.integers(0, 9))
def test_a_choice_has_as_many_as_wished_whatever_the_order(n, k, seed):
    k = min(n, k)
    whole = data(n)
    found = choose_samples(whole, Choice(choose=k, seed=seed))
    assert len(found) == k
    backwards = whole.take(np.arange(n)[::-1])
    again = choose_samples(backwards, Choice(choose=k, seed=seed))
    assert again.ids == found.ids[::-1]


def test_a_choice_stays_when_data_comes_to_it():
    few = choose_samples(data(50), Choice(choose=10, seed=1))
    more = choose_samples(data(60), Choice(choose=10, seed=1))
    assert len(set(few.ids) & set(more.ids)) >= 7
    assert few.ids != choose_samples(data(50), Choice(choose=10, seed=2)).ids


@pytest.mark.parametrize(
    ("samples", "message"),
    [
        (6, "found 5 samples, expected 6 or more"),
        (Choice(choose=6), "found 5 samples, expected 6 or more"),
        (("s9",), "there is no sample 's9'; known are 's0', 's1'"),
    ],
)
def test_what_is_not_there_is_one_clear_line(samples, message):
    with pytest.raises(DataError, match=message):
        choose_samples(data(5), samples)
