"""Batches: order, sizes, bounded look-ahead, errors that name the sample."""

import threading
from dataclasses import dataclass, field

import numpy as np
import pytest
from hypothesis import given, strategies as st

from emu.errors import DataError
from emu.evaluate.batches import batches, require_finite
from emu.evaluate.datasets import Dataset, from_arrays
from emu.evaluate.preprocess import Preprocess

PLAIN = Preprocess()
WINDOWS = Preprocess.model_validate([{"op": "windows", "length": 3}])


@given(n=st.integers(1, 70), batch_size=st.integers(1, 40), workers=st.integers(1, 3))
def test_every_sample_comes_once_in_order(n, batch_size, workers):
    x = np.arange(n * 2, dtype=np.uint8).reshape(n, 2)
    found = list(batches(from_arrays(x), PLAIN, batch_size, workers))
    assert [len(batch.x) for batch in found[:-1]] == [batch_size] * (len(found) - 1)
    assert 1 <= len(found[-1].x) <= batch_size
    np.testing.assert_array_equal(np.concatenate([batch.x for batch in found]), x)
    index = np.concatenate([batch.index for batch in found])
    np.testing.assert_array_equal(index, np.arange(n))


@given(n=st.integers(1, 9), batch_size=st.integers(1, 20))
def test_windows_are_rows_of_their_sample(n, batch_size):
    x = np.arange(n * 6 * 2, dtype=np.float32).reshape(n, 6, 2)
    found = list(batches(from_arrays(x), WINDOWS, batch_size))
    assert {len(batch.x) for batch in found[:-1]} <= {batch_size}
    rows = np.concatenate([batch.x for batch in found])
    index = np.concatenate([batch.index for batch in found])
    np.testing.assert_array_equal(index, np.repeat(np.arange(n), 4))
    np.testing.assert_array_equal(
        rows, np.concatenate([WINDOWS.apply(sample) for sample in x])
    )


@dataclass(eq=False)
class CountingSource:
    """Counts the samples that were asked for."""

    loaded: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def load(self, position: int) -> np.ndarray:
        with self.lock:
            self.loaded += 1
        return np.zeros(1, np.uint8)

    def content(self, position: int) -> bytes:
        return b""


def counting(n):
    source = CountingSource()
    dataset = Dataset(
        name="d",
        ids=tuple(map(str, range(n))),
        labels=None,
        source=source,
        positions=np.arange(n),
    )
    return source, dataset


def test_the_look_ahead_does_not_grow_with_the_dataset():
    source, dataset = counting(1000)
    for number, _ in enumerate(batches(dataset, PLAIN, 4), start=1):
        assert source.loaded <= number * 4 + 4 * 8


def test_threads_end_when_the_consumer_stops_early():
    _, dataset = counting(1000)
    stream = batches(dataset, PLAIN, 4)
    next(stream)
    stream.close()
    names = [thread.name for thread in threading.enumerate()]
    assert not [name for name in names if name.startswith("emu-batches")]


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_sample_that_is_not_finite_is_named(value):
    x = np.zeros((30, 4), np.float32)
    x[17, 2] = value
    with pytest.raises(DataError, match=r"^x\[17\]: found 1 of 4 values NaN or inf"):
        list(batches(from_arrays(x), PLAIN, 8))


def test_the_first_bad_sample_is_named_whatever_the_threads_do():
    x = np.zeros((60, 4), np.float32)
    x[9:] = np.nan
    for _ in range(20):
        with pytest.raises(DataError, match=r"^x\[9\]"):
            list(batches(from_arrays(x), PLAIN, 60, workers=4))


def test_a_step_that_fails_names_the_sample():
    x = np.zeros((3, 4, 4, 3), np.uint8)
    crop = Preprocess.model_validate([{"op": "center_crop", "size": [9, 9]}])
    with pytest.raises(DataError, match=r"^x\[0\]: center_crop to 9x9"):
        list(batches(from_arrays(x), crop, 2))


def test_samples_of_different_shapes_are_refused_with_the_name():
    @dataclass(eq=False)
    class Growing:
        def load(self, position: int) -> np.ndarray:
            return np.zeros(2 if position < 8 else 3, np.uint8)

        def content(self, position: int) -> bytes:
            return b""

    dataset = Dataset(
        name="d",
        ids=tuple(f"s{i}" for i in range(12)),
        labels=None,
        source=Growing(),
        positions=np.arange(12),
    )
    with pytest.raises(DataError, match=r"^s8: found a sample of shape \[3\]"):
        list(batches(dataset, PLAIN, 4))


def test_require_finite_passes_finite_values():
    require_finite(np.full(3, np.finfo(np.float32).max), "s")
