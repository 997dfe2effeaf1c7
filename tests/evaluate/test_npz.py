"""Every damage to an .npz file is one clear error."""

import io
import zipfile

import numpy as np
import pytest

from emu.errors import DataError, MissingError
from emu.evaluate.npz import open_npz

X = np.arange(120, dtype=np.uint8).reshape(10, 4, 3)
Y = np.arange(10)
NAMES = np.array([f"s{i}" for i in range(10)])


@pytest.fixture
def npz(tmp_path):
    def save(**arrays):
        path = tmp_path / "data.npz"
        np.savez_compressed(path, **arrays)
        return path

    return save


def test_samples_labels_and_names_are_read(npz):
    dataset = open_npz(npz(x=X, y=Y, names=NAMES), name="d")
    assert dataset.ids == tuple(NAMES)
    assert dataset.labels is not None
    assert dataset.labels.tolist() == Y.tolist()
    np.testing.assert_array_equal(dataset.load(7), X[7])


def test_fortran_order_and_other_byte_order_are_read_as_values(npz):
    x = np.asfortranarray(X.astype(">f4"))
    dataset = open_npz(npz(x=x, y=Y.astype(">i2")), name="d")
    assert dataset.labels is not None
    assert dataset.labels.tolist() == Y.tolist()
    np.testing.assert_array_equal(dataset.load(3), X[3].astype(np.float32))


def test_labels_and_names_may_be_absent(npz):
    dataset = open_npz(npz(x=X), name="d")
    assert dataset.labels is None
    assert dataset.ids[2] == "x[2]"


def test_an_absent_array_is_named_with_those_that_exist(npz):
    with pytest.raises(DataError, match="no array 'x'; it holds images, y"):
        open_npz(npz(images=X, y=Y), name="d")


def test_an_absent_file_is_missing(tmp_path):
    with pytest.raises(MissingError, match=r"no\.npz: there is no such file"):
        open_npz(tmp_path / "no.npz", name="d")


@pytest.mark.parametrize("keep", [0, 1, 30, 200, 0.5, 0.9, 0.999])
def test_a_truncated_file_is_refused(npz, keep):
    path = npz(x=X, y=Y)
    data = path.read_bytes()
    path.write_bytes(data[: keep if isinstance(keep, int) else int(len(data) * keep)])
    with pytest.raises(DataError, match=r"data\.npz: is no sound \.npz file"):
        open_npz(path, name="d")


def test_any_flipped_byte_gives_the_data_or_an_error(npz):
    path = npz(x=X, y=Y)
    data = path.read_bytes()
    for position in range(len(data)):
        broken = bytearray(data)
        broken[position] ^= 0x55
        path.write_bytes(broken)
        try:
            dataset = open_npz(path, name="d")
        except DataError:
            continue
        np.testing.assert_array_equal(dataset.load(5), X[5])


def test_python_objects_are_not_read(npz):
    with pytest.raises(DataError, match="Python objects"):
        open_npz(npz(x=np.array([[{}], [1]], dtype=object)), name="d")


def test_a_header_that_promises_more_than_the_limit_is_refused_unread(tmp_path):
    path = tmp_path / "bomb.npz"
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        header, {"descr": "|u1", "fortran_order": False, "shape": (1 << 20, 1 << 20)}
    )
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("x.npy", header.getvalue())
    with pytest.raises(DataError, match=r"bomb\.npz: x: array 'x' takes 1099511627776"):
        open_npz(path, name="d")


def test_a_header_that_promises_more_than_there_is_is_refused(tmp_path):
    path = tmp_path / "short.npz"
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        header, {"descr": "|u1", "fortran_order": False, "shape": (100, 3)}
    )
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("x.npy", header.getvalue() + b"abc")
    with pytest.raises(DataError, match="needs 300 bytes, found 3"):
        open_npz(path, name="d")


@pytest.mark.parametrize(
    ("arrays", "where"),
    [
        ({"x": np.zeros((3, 2), np.int32)}, "x"),
        ({"x": np.zeros((3, 2), np.complex64)}, "x"),
        ({"x": np.zeros(3, np.float32)}, "x"),
        ({"x": X, "y": Y.astype(np.float32)}, "y"),
        ({"x": X, "y": Y[:, None]}, "y"),
        ({"x": X, "names": Y}, "names"),
    ],
)
def test_arrays_of_another_kind_are_named(npz, arrays, where):
    with pytest.raises(DataError, match=rf"data\.npz: {where}: found .*expected"):
        open_npz(npz(**arrays), name="d")


@pytest.mark.parametrize(
    ("classes", "names"),
    [
        (np.array(["cat", "dog"]), ("cat", "dog")),
        (np.array([1, 2]), ()),
        (np.array([["cat"], ["dog"]]), ()),
    ],
)
def test_an_array_of_texts_names_the_labels(npz, classes, names):
    found = open_npz(npz(x=X, y=Y, classes=classes), name="d")
    assert found.classes == names
    assert found.take(np.array([3])).classes == names
    assert found.digest() == open_npz(npz(x=X, y=Y), name="d").digest()
