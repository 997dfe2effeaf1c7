"""Hardware dumps: arrays find their tensors, or are refused with one clear line."""

import numpy as np
import pytest

from emu.compare import compare_with_dump, match_dump, open_dump
from emu.errors import DataError, MissingError
from emu.execute import Program
from emu.graph import with_real_edges
from tests.compare.test_against import program, samples
from tests.graph.test_edges import integer_graph


@pytest.fixture
def arrays():
    """What a perfect device would leave, in the source file's names and layouts."""
    x = samples(5)
    found = Program(program(), 5, ("q", "y", "hwc"))(x)
    return {"x": x, "file/q": found["q"].transpose(0, 3, 1, 2), "y": found["y"]}


@pytest.fixture
def dump(tmp_path):
    def save(arrays, *, folder=False):
        if not folder:
            np.savez(tmp_path / "dump.npz", allow_pickle=False, **arrays)
            return open_dump(tmp_path / "dump.npz")
        for name, array in arrays.items():
            path = tmp_path / "dump" / f"{name}.npy"
            path.parent.mkdir(parents=True, exist_ok=True)
            np.save(path, array)
        return open_dump(tmp_path / "dump")

    return save


@pytest.mark.parametrize("folder", [False, True])
def test_a_dump_with_its_inputs_needs_no_other_data(folder, dump, arrays):
    matched = match_dump(program(), dump(arrays, folder=folder))
    assert (matched.samples, matched.missing, matched.extra) == (5, (), ())
    batches = matched.inputs(2)
    assert batches is not None
    report = compare_with_dump(matched, batches, 2)
    assert [row.name for row in report.rows] == ["file/q", "y"]
    assert report.first_divergence is None
    assert report.samples == 5
    assert report.other["engine"] == "dump"


def test_a_device_that_is_one_off_is_found(dump, arrays):
    wrong = arrays["file/q"].copy()
    wrong[4, 1, 2, 3] ^= 1
    matched = match_dump(program(), dump({**arrays, "file/q": wrong}))
    report = compare_with_dump(matched, matched.inputs(2) or [], 2)
    assert report.first_divergence
    assert report.first_divergence.to_json() == {
        "name": "file/q",
        "op": "Quantize",
        "dtype": "int8",
        "elements": 120,
        "differing": 1,
        "max_lsb": 1,
        "max_relative": None,
    }


def test_our_own_names_mean_our_own_layout(dump, arrays):
    ours = {"q": arrays["file/q"].transpose(0, 2, 3, 1), "x": arrays["x"]}
    matched = match_dump(program(), dump(ours))
    report = compare_with_dump(matched, matched.inputs(5) or [], 5)
    assert [row.name for row in report.rows] == ["q"]
    assert report.first_divergence is None
    assert matched.missing == ("file/q",)


def test_names_on_one_side_only_are_told(dump, arrays):
    del arrays["file/q"]
    matched = match_dump(program(), dump({**arrays, "typo": arrays["y"]}))
    report = compare_with_dump(matched, matched.inputs(5) or [], 5)
    assert (report.missing, report.extra) == (("file/q",), ("typo",))


def test_other_data_feeds_a_dump_without_inputs(dump, arrays):
    x = arrays.pop("x")
    matched = match_dump(program(), dump(arrays))
    assert matched.inputs(2) is None
    more = np.concatenate([x, x])
    batches = [{"x": more[:4]}, {"x": more[4:8]}, {"x": more[8:]}]
    report = compare_with_dump(matched, batches, 4)
    assert (report.samples, report.first_divergence) == (5, None)
    with pytest.raises(DataError, match="holds 5 samples, but the data only 4"):
        compare_with_dump(matched, batches[:1], 4)


@pytest.mark.parametrize(
    ("name", "array", "expected"),
    [
        (
            "file/q",
            np.zeros((5, 4, 2, 3), np.int16),
            r"file/q: found int16 \[5, 4, 2, 3\], expected int8 \[n, 2, 3, 4\]",
        ),
        ("file/q", np.zeros((5, 2, 3, 4), np.uint8), "found uint8"),
        ("y", np.zeros((5, 3, 4), np.float32), r"expected float32 \[n, 3, 4, 2\]"),
        ("y", np.zeros((3, 3, 4, 2), np.float32), r"y: found 3 samples, but 5 in"),
    ],
)
def test_an_array_that_is_no_such_tensor_is_refused(
    name, array, expected, dump, arrays
):
    with pytest.raises(DataError, match=expected):
        match_dump(program(), dump({**arrays, name: array}))


def test_a_dump_without_any_known_name_is_refused(dump):
    unknown = {f"t{i}": np.zeros(1) for i in range(5)}
    with pytest.raises(DataError, match="it holds t0, t1, t2 and 2 more"):
        match_dump(program(), dump(unknown))


def test_what_is_no_dump_is_refused(tmp_path):
    with pytest.raises(MissingError, match="no such file or folder"):
        open_dump(tmp_path / "nowhere")
    with pytest.raises(DataError, match="holds no arrays"):
        open_dump(tmp_path)
    (tmp_path / "x.txt").write_text("1")
    with pytest.raises(DataError, match=r"expected an \.npz file or a folder"):
        open_dump(tmp_path / "x.txt")
    np.savez(tmp_path / "o.npz", x=np.array([{}], dtype=object))
    with pytest.raises(DataError, match="Python objects"):
        match_dump(program(), open_dump(tmp_path / "o.npz"))


def test_big_endian_arrays_are_values_like_others(dump, arrays):
    arrays["y"] = arrays["y"].astype(">f4")
    matched = match_dump(program(), dump(arrays))
    report = compare_with_dump(matched, matched.inputs(5) or [], 5)
    assert report.first_divergence is None


def test_a_graph_of_integers_is_fed_with_the_integers_of_the_dump(dump):
    whole = integer_graph()
    x = np.arange(8, dtype=np.int8).reshape(2, 4)
    matched = match_dump(whole, dump({"x": x, "y": x.reshape(2, 2, 2)}))
    report = compare_with_dump(matched, matched.inputs(2) or [], 2)
    assert report.first_divergence is None
    assert match_dump(with_real_edges(whole), matched.dump).inputs(2) is None
