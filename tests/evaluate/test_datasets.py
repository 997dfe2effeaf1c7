"""Datasets keep names, labels and samples together."""

from pathlib import Path

import numpy as np
import pytest

from emu.errors import DataError
from emu.evaluate.datasets import from_arrays
from emu.evaluate.selection import parse_selections

X = np.arange(60, dtype=np.uint8).reshape(10, 2, 3)
Y = np.arange(10, dtype=np.int64) % 3


def test_selecting_keeps_names_labels_and_samples_together():
    part = from_arrays(X, Y, name="d").select(parse_selections("[!::2][1:3]"))
    assert part.name == "d[!::2][1:3]"
    assert part.ids == ("x[3]", "x[5]")
    assert part.labels is not None
    assert part.labels.tolist() == [0, 2]
    np.testing.assert_array_equal(part.load(1), X[5])


def test_the_digest_changes_with_a_value_a_label_a_name_or_the_order():
    base = from_arrays(X, Y).digest()
    changed = X.copy()
    changed[9, 1, 2] ^= 1
    labels = Y.copy()
    labels[0] = 2
    ids = [f"x[{i}]" for i in range(9)] + ["other"]
    order = [1, 0, *range(2, 10)]
    swapped = from_arrays(X[order], Y[order], ids=[f"x[{i}]" for i in order])
    digests = {
        base,
        from_arrays(changed, Y).digest(),
        from_arrays(X, labels).digest(),
        from_arrays(X, Y, ids=ids).digest(),
        from_arrays(X.view(np.int8), Y).digest(),
        from_arrays(X, None).digest(),
        swapped.digest(),
    }
    assert len(digests) == 7
    assert from_arrays(np.asfortranarray(X), Y).digest() == base


def test_two_samples_of_one_name_are_refused():
    with pytest.raises(DataError, match="two samples have the name 'b'"):
        from_arrays(X[:3], ids=["a", "b", "b"])


def test_labels_and_samples_must_be_as_many():
    with pytest.raises(DataError, match="10 samples, 10 names and 9 labels"):
        from_arrays(X, Y[:9])


def test_a_negative_label_names_its_sample():
    with pytest.raises(DataError, match=r"d\.npz: x\[4\]: found label -1"):
        from_arrays(X, np.where(np.arange(10) == 4, -1, Y), file=Path("d.npz"))


def test_no_samples_are_refused():
    with pytest.raises(DataError, match="holds no samples"):
        from_arrays(X[:0])
