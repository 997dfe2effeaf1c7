"""Two sides compared bit for bit: every difference is counted, nothing else is."""

import math
from dataclasses import replace

import numpy as np
import pytest

from emu.compare.against import AgainstReport, Other, Place, compare_tensors
from emu.errors import DataError, GraphError
from emu.execute import Program
from emu.fixedpoint import INT8, QParams
from emu.graph import Golden, Graph, GraphBuilder, Tensor
from emu.ops import Dequantize, Identity, Quantize, Relu, Transpose

CODE = QParams((0.25,), (10,))
NHWC = (0, 2, 3, 1)


def program(dtype: str = "float32") -> Graph:
    """x (file layout) -> hwc -> q (int8) -> y (real)."""
    builder = GraphBuilder("g")
    builder.input("x", Tensor(shape=(None, 2, 3, 4), dtype=dtype))
    builder.add(Transpose(perm=NHWC), ("x",), "hwc", layer="move")
    builder.add(
        Quantize(format=INT8, qparams=CODE),
        ("hwc",),
        "q",
        layer="first",
        format=INT8,
        qparams=CODE,
        golden=Golden(name="file/q", perm=NHWC),
    )
    builder.add(Dequantize(qparams=CODE), ("q",), "y", layer="second")
    return builder.build(("y",))


def samples(count: int) -> np.ndarray:
    rng = np.random.default_rng(1)
    return rng.normal(0, 8, (count, 2, 3, 4)).astype(np.float32)


def against(
    graph: Graph,
    x: np.ndarray,
    change=lambda arrays: None,
    sizes: tuple[int, ...] = (4, 4, 2),
) -> AgainstReport:
    """The graph against its own tensors, changed."""
    truth = Program(graph, len(x), ("q", "y"))(x)
    arrays = {"file/q": truth["q"].transpose(0, 3, 1, 2).copy(), "y": truth["y"].copy()}
    change(arrays)
    other = Other(
        tensors={"y": Place(name="y"), "q": Place(name="file/q", perm=NHWC)},
        inputs={},
        run=lambda _, rows: {name: array[rows] for name, array in arrays.items()},
        about={"engine": "copy"},
    )
    starts = np.cumsum((0, *sizes))[:-1]
    batches = [{"x": x[a : a + n]} for a, n in zip(starts, sizes, strict=True)]
    return compare_tensors(graph, other, batches, max(sizes))


def test_equal_sides_have_no_divergence():
    report = against(program(), samples(10))
    assert [row.name for row in report.rows] == ["file/q", "y"]
    assert [row.op for row in report.rows] == ["Quantize", "Dequantize"]
    assert [row.dtype for row in report.rows] == ["int8", "float32"]
    assert [row.elements for row in report.rows] == [240, 240]
    assert [row.differing for row in report.rows] == [0, 0]
    assert (report.samples, report.first_divergence) == (10, None)


def test_every_element_that_differs_is_counted_in_whichever_batch_it_is():
    def change(arrays):
        arrays["file/q"][0, 1, 2, 3] ^= 1
        arrays["file/q"][9, 0, 0, 0] = -arrays["file/q"][9, 0, 0, 0] - 1

    report = against(program(), samples(10), change)
    row = report.first_divergence
    assert row
    assert (row.name, row.differing) == ("file/q", 2)
    truth = Program(program(), 10, ("q",))(samples(10))["q"][9, 0, 0, 0]
    assert row.max_lsb == max(1, abs(2 * int(truth) + 1))


def test_the_first_divergence_is_the_first_in_execution_order():
    def change(arrays):
        arrays["y"][0] += 1
        arrays["file/q"][9, 0, 0, 0] ^= 1

    report = against(program(), samples(10), change)
    assert [row.differing for row in report.rows] == [1, 24]
    assert report.first_divergence is report.rows[0]


def test_reals_do_not_decide_beside_equal_integers():
    def change(arrays):
        arrays["y"] += 0.5

    report = against(program(), samples(10), change)
    assert [row.differing for row in report.rows] == [0, 240]
    assert report.first_divergence is None


def test_reals_are_told_relative_to_the_largest_value():
    def change(arrays):
        flat = arrays["y"].reshape(-1)
        flat[:3] = (0.0, 0.0, 64.0)

    graph, x = program(), samples(10)
    y = Program(graph, 10, ("y",))(x)["y"].reshape(-1)
    (q, row) = against(graph, x, change).rows
    gap = np.abs(y[:3] - np.array([0.0, 0.0, 64.0])).max()
    assert row.max_relative == pytest.approx(gap / 64)
    assert q.max_relative is None


def test_reals_are_told_in_steps_of_their_scale():
    def change(arrays):
        arrays["y"][3, 1, 1, 1] += 0.75

    (_, row) = against(program(), samples(10), change).rows
    assert (row.differing, row.max_lsb) == (1, 3.0)


@pytest.mark.parametrize(
    ("change", "differing", "largest"),
    [
        (lambda y: np.put(y, [0, 1], [np.nan, np.inf]), 2, math.inf),
        (lambda y: np.put(y, [5], np.nextafter(y.flat[5], np.inf, dtype="f4")), 1, 0),
    ],
    ids=["not-finite", "last-bit"],
)
def test_one_bit_of_a_real_is_a_difference(change, differing, largest):
    report = against(program(), samples(10), lambda arrays: change(arrays["y"]))
    row = report.rows[1]
    assert row.differing == differing
    assert row.max_lsb is not None
    assert row.max_lsb == pytest.approx(largest, abs=1e-4)


def test_minus_zero_is_not_zero_and_a_nan_equals_itself():
    builder = GraphBuilder("g")
    builder.input("x", Tensor(shape=(None, 3)))
    builder.add(Identity(), ("x",), "y")
    graph = builder.build(("y",))
    x = np.array([[0.0, np.nan, 1.0]], np.float32)
    theirs = np.array([[-0.0, np.nan, 1.0]], np.float32)
    other = Other(
        tensors={"y": Place(name="y")},
        inputs={},
        run=lambda *_: {"y": theirs},
        about={},
    )
    (row,) = compare_tensors(graph, other, [{"x": x}], 1).rows
    # No scale is near, so the step is not known.
    assert (row.differing, row.max_lsb) == (1, None)


@pytest.mark.parametrize(
    ("dtype", "ours", "theirs", "largest"),
    [
        ("uint8", 0, 255, 255),
        ("int32", -(2**31), 2**31 - 1, 2**32 - 1),
        ("int64", -(2**63), 2**63 - 1, 2**64 - 1),
        ("bool", 1, 0, 1),
    ],
)
def test_the_largest_difference_is_exact_for_every_integer(
    dtype, ours, theirs, largest
):
    builder = GraphBuilder("g")
    builder.input("x", Tensor(shape=(None, 2), dtype=dtype))
    builder.add(Transpose(perm=(0, 1)), ("x",), "y")
    graph = builder.build(("y",))
    x = np.array([[ours, 1]]).astype(dtype)
    found = {"y": np.array([[theirs, 1]]).astype(dtype)}
    other = Other(
        tensors={"y": Place(name="y")}, inputs={}, run=lambda *_: found, about={}
    )
    (row,) = compare_tensors(graph, other, [{"x": x}], 1).rows
    assert (row.differing, row.max_lsb) == (1, largest)


def test_the_other_side_is_fed_in_its_own_layout():
    graph, fed = program(), []
    other = Other(
        tensors={"y": Place(name="y")},
        inputs={"hwc": Place(name="input", perm=NHWC)},
        run=lambda feeds, _: fed.append(feeds["input"]) or {"y": truth},
        about={},
    )
    x = samples(2)
    truth = Program(graph, 2)(x)["y"]
    compare_tensors(graph, other, [{"x": x}], 2)
    np.testing.assert_array_equal(fed[0], x)


@pytest.mark.parametrize(
    ("array", "found"),
    [
        (np.zeros((2, 3, 4, 2), np.uint8), r"uint8 \[2, 3, 4, 2\]"),
        (np.zeros((2, 2, 3, 5), np.int8), r"int8 \[2, 2, 3, 5\]"),
    ],
)
def test_an_array_that_is_no_such_tensor_is_refused(array, found):
    other = Other(
        tensors={"q": Place(name="file/q", perm=NHWC)},
        inputs={},
        run=lambda *_: {"file/q": array},
        about={},
    )
    expected = rf"tensor 'file/q': found {found}, expected int8 \[2, 2, 3, 4\]"
    with pytest.raises(DataError, match=expected):
        compare_tensors(program(), other, [{"x": samples(2)}], 2)


def test_there_must_be_tensors_and_samples():
    graph = program()
    none = Other(tensors={}, inputs={}, run=lambda *_: {}, about={})
    with pytest.raises(GraphError, match="no tensor that both sides compute"):
        compare_tensors(graph, none, [], 2)
    some = replace(none, tensors={"y": Place(name="y")})
    with pytest.raises(DataError, match="no samples to compare"):
        compare_tensors(graph, some, [], 2)


def test_a_static_graph_is_run_on_whole_arrays():
    builder = GraphBuilder("static")
    builder.input("x", Tensor(shape=(3, 2)))
    builder.add(Relu(), ("x",), "y")
    graph = builder.build(("y",))
    x = np.array([[1, -2], [3, -4], [-5, 6]], np.float32)
    other = Other(
        tensors={"y": Place(name="y")},
        inputs={},
        run=lambda *_: {"y": np.maximum(x, 0)},
        about={},
    )
    report = compare_tensors(graph, other, [{"x": x}], 32)
    assert (report.samples, report.rows[0].elements) == (1, 6)
    assert report.first_divergence is None
