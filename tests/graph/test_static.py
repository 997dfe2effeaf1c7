"""Static graphs: no input has a free batch axis, so arrays go in and out whole."""

from pathlib import Path

import numpy as np
import pytest

from emu import ops
from emu.errors import DataError, GraphError
from emu.execute import Program
from emu.graph import (
    Graph,
    GraphBuilder,
    Tensor,
    check_input,
    infer,
    is_static,
    load_graph,
    save_graph,
    verify,
)
from tests.graph.samples import replaced, small_graph
from tests.oracles.interpreter import interpret


def moved() -> Graph:
    """The first axis is reversed, cut and folded away: nothing of it is a batch."""
    builder = GraphBuilder("moved")
    x = builder.input("x", Tensor(shape=(3, 4), dtype="int8"))
    mask = builder.input("mask", Tensor(shape=(), dtype="bool"))
    y = builder.add(ops.Reverse(axis=0), (x,), "reversed")
    y = builder.add(ops.Slice(starts=(1, 0), sizes=(2, 4), steps=(1, 1)), (y,), "cut")
    y = builder.add(ops.Transpose(perm=(1, 0)), (y,), "turned")
    y = builder.add(ops.Reshape(shape=(8,), keep_batch=False), (y,), "flat")
    mask = builder.add(ops.Reshape(shape=(1, 1), keep_batch=False), (mask,), "mask.2")
    return builder.build((y, mask))


MOVED = moved()
INPUTS = {
    "x": np.arange(12, dtype=np.int8).reshape(3, 4),
    "mask": np.array(True),
}


def test_the_first_axis_may_be_moved():
    assert is_static(verify(MOVED))
    assert MOVED.tensors["flat"].shape == (8,)
    assert MOVED.tensors["mask.2"] == Tensor(shape=(1, 1), dtype="bool")


def test_a_graph_with_a_batch_is_not_static():
    assert not is_static(small_graph())


@pytest.mark.parametrize("batch_size", [1, 5])
def test_a_program_neither_pads_nor_cuts(batch_size: int):
    found = Program(MOVED, batch_size)(INPUTS)
    expected = interpret(MOVED, INPUTS)
    for name in MOVED.outputs:
        assert found[name].dtype == expected[name].dtype
        np.testing.assert_array_equal(found[name], expected[name])


def test_a_graph_without_inputs_runs():
    builder = GraphBuilder("constant")
    two = builder.constant("two", np.array([2, 3], np.int32))
    graph = verify(builder.build((builder.add(ops.Reverse(axis=0), (two,), "y"),)))
    found = Program(graph, 1)({})
    np.testing.assert_array_equal(found["y"], np.array([3, 2], np.int32))


def test_it_survives_saving(tmp_path: Path):
    save_graph(MOVED, tmp_path / "moved.emu")
    loaded = load_graph(tmp_path / "moved.emu")
    assert (loaded.nodes, dict(loaded.tensors)) == (MOVED.nodes, dict(MOVED.tensors))


@pytest.mark.parametrize(
    "x",
    [np.zeros((2, 4), np.int8), np.zeros((3, 4), np.int16), np.zeros(3, np.int8)],
    ids=["other size", "other dtype", "other rank"],
)
def test_an_array_of_another_shape_is_refused(x: np.ndarray):
    with pytest.raises(DataError, match=r"expected int8 \[3, 4\]"):
        check_input(MOVED, "x", x)


def test_a_scalar_is_no_sample_of_a_batch():
    with pytest.raises(DataError, match=r"expected float32 \[4\]"):
        check_input(small_graph(), "x", np.zeros((), np.float32))


@pytest.mark.parametrize("shape", [(3, None), (None, None), (3, 4)], ids=str)
def test_the_batch_is_the_first_axis_of_all_inputs(shape: tuple[int | None, ...]):
    tensors = {
        "x": Tensor(shape=(None, 4), dtype="int8"),
        "mask": Tensor(shape=shape, dtype="int8"),
    }
    graph = replaced(MOVED, tensors=tensors, nodes=(), outputs=())
    with pytest.raises(GraphError, match=r"mask: .* free in all inputs or in none"):
        verify(graph)


def test_a_result_beyond_all_memory_is_refused():
    x = Tensor(shape=(1, 1), dtype="int8")
    with pytest.raises(GraphError, match="too large"):
        infer(ops.Tile(counts=(1 << 20, 1 << 20)), [x], "tile")
