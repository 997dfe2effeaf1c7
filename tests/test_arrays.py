"""Arrays from files: read as they are, or refused with one clear line."""

import numpy as np
import pytest

from emu.arrays import read_npy, read_npz
from emu.errors import DataError, MissingError

X = np.arange(24, dtype=np.int16).reshape(2, 3, 4)


def test_arrays_come_back_with_dtype_shape_and_order(tmp_path):
    path = tmp_path / "x.npy"
    for x in (X, np.asfortranarray(X), X.astype(">i2"), X[:0], np.array(3.0)):
        np.save(path, x)
        found = read_npy(path)
        assert (found.dtype, found.shape) == (x.dtype, x.shape)
        np.testing.assert_array_equal(found, x)


def test_arrays_that_nobody_wants_are_named_and_not_read(tmp_path):
    path = tmp_path / "a.npz"
    np.savez(path, allow_pickle=False, **{"block/conv": X, "other": X})
    found = read_npz(path, wanted={"block/conv"})
    assert sorted(found) == ["block/conv", "other"]
    assert found["other"] is None
    np.testing.assert_array_equal(found["block/conv"], X)
    assert all(array is not None for array in read_npz(path).values())


def test_what_is_read_cannot_be_written_to(tmp_path):
    np.save(tmp_path / "x.npy", X)
    with pytest.raises(ValueError, match="read-only"):
        read_npy(tmp_path / "x.npy")[0] = 1


@pytest.mark.parametrize("reader", [read_npy, read_npz])
def test_an_absent_file_is_missing(reader, tmp_path):
    with pytest.raises(MissingError, match="there is no such file"):
        reader(tmp_path / "none")


@pytest.mark.parametrize("keep", [0, 5, 9, 60, -1])
def test_a_truncated_npy_file_is_refused(keep, tmp_path):
    path = tmp_path / "x.npy"
    np.save(path, X)
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(DataError, match=r"x\.npy: is no sound \.npy file"):
        read_npy(path)


def test_python_objects_are_never_read(tmp_path):
    path = tmp_path / "x.npy"
    np.save(path, np.array([{}], dtype=object))
    with pytest.raises(DataError, match="Python objects"):
        read_npy(path)


def test_an_array_beyond_the_limit_is_refused_unread(tmp_path):
    path = tmp_path / "x.npy"
    np.save(path, X)
    with pytest.raises(DataError, match="'x' takes 48 bytes; at most 47 are read"):
        read_npy(path, limit=47)
    assert read_npy(path, limit=48).size == X.size
