"""Datasets keep names, labels and samples together."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from emu.errors import DataError
from emu.evaluate.datasets import from_arrays
from emu.evaluate.detect.annotations import Item, objects_of
from emu.evaluate.detect.boxes import Category
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


def test_objects_belong_to_a_sample_and_a_category():
    objects = tuple(objects_of((2, 3), [one_box(klass)]) for klass in (0, 1))
    both = (Category(id=5, name="ant"), Category(id=8, name="bee"))
    data = replace(from_arrays(X[:2], ids=["a", "b"]), objects=objects, categories=both)
    assert len(data) == 2
    with pytest.raises(DataError, match="found 2 samples and the objects of 1"):
        replace(data, objects=objects[:1])
    with pytest.raises(DataError, match="b: found an object of class 1; there are 1"):
        replace(data, categories=both[:1])


def test_objects_are_part_of_the_digest_and_none_leave_it_as_it_was():
    plain = from_arrays(X[:1])
    ant = (Category(id=5, name="ant"),)
    empty = replace(plain, objects=(objects_of((2, 3), []),), categories=ant)
    one = replace(plain, objects=(objects_of((2, 3), [one_box(0)]),), categories=ant)
    assert replace(plain, categories=ant).digest() == plain.digest()
    assert len({plain.digest(), empty.digest(), one.digest()}) == 3


def one_box(klass):
    return Item(box=(0.0, 0.0, 1.0, 1.0), klass=klass, area=1.0)
