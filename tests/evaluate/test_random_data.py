"""Random inputs: the same everywhere, over the whole range of each input."""

import numpy as np
import pytest

from emu.errors import ConfigError
from emu.evaluate import RandomData, parse_random, random_batches
from emu.fixedpoint import INT8, IntFormat, QParams
from emu.graph import Graph, GraphBuilder, Tensor
from emu.ops import Quantize, Relu, Transpose


def graph_of(*inputs: Tensor, op: object = None) -> Graph:
    builder = GraphBuilder("g")
    names = [builder.input(f"x{i}", tensor) for i, tensor in enumerate(inputs)]
    made = [builder.add(Transpose(perm=(0, 2, 1)), (name,), "t") for name in names]
    if op:
        made = [builder.add(op, (name,), "q") for name in made]  # type: ignore[arg-type]
    return builder.build(tuple(made))


def whole(graph: Graph, data: RandomData, batch_size: int) -> np.ndarray:
    batches = list(random_batches(graph, data, batch_size))
    return np.concatenate([batch["x0"] for batch in batches])


@pytest.mark.parametrize(
    ("reference", "expected"),
    [
        ("random", (9, 0)),
        ("random:5", (5, 0)),
        ("random:5:77", (5, 77)),
        ("randomly", None),
        ("vww01", None),
        ("./random", None),
    ],
)
def test_a_reference_says_how_many_and_which(reference, expected):
    found = parse_random(reference, 9)
    assert (found and (found.count, found.seed)) == expected


@pytest.mark.parametrize(
    "reference", ["random:", "random:0", "random:-1", "random:1:x"]
)
def test_a_wrong_reference_is_refused(reference):
    with pytest.raises(ConfigError, match="expected random, random:N or random:N:SEED"):
        parse_random(reference)


def test_a_sample_depends_on_its_seed_and_number_alone():
    graph = graph_of(Tensor(shape=(None, 2, 3), dtype="int8"))
    ten = whole(graph, RandomData(count=10), 10)
    np.testing.assert_array_equal(whole(graph, RandomData(count=7), 3), ten[:7])
    assert len(np.unique(ten, axis=0)) == 10
    assert not np.array_equal(whole(graph, RandomData(count=10, seed=1), 10), ten)
    # The generator is part of the contract: these values are the same everywhere.
    assert ten[0].tolist() == [[-120, -126, 28], [-67, -35, -100]]


def test_inputs_of_one_shape_differ():
    tensor = Tensor(shape=(None, 2, 3), dtype="int8")
    (batch,) = random_batches(graph_of(tensor, tensor), RandomData(count=4), 4)
    assert not np.array_equal(batch["x0"], batch["x1"])


@pytest.mark.parametrize("fmt", [INT8, IntFormat(4), IntFormat(8, signed=False)])
def test_integers_come_from_their_whole_format(fmt):
    tensor = Tensor(shape=(None, 20, 20), dtype=str(fmt.dtype), format=fmt)
    found = whole(graph_of(tensor), RandomData(count=40), 8)
    assert found.dtype == fmt.dtype
    assert (found.min(), found.max()) == (fmt.min, fmt.max)


@pytest.mark.parametrize("dtype", ["int32", "int64", "bool"])
def test_wide_integers_and_booleans_take_both_ends(dtype):
    found = whole(
        graph_of(Tensor(shape=(None, 20, 20), dtype=dtype)), RandomData(count=4), 4
    )
    assert found.dtype == np.dtype(dtype)
    if dtype == "bool":
        assert 0.4 < found.mean() < 0.6
        return
    info = np.iinfo(dtype)
    assert found.min() < 0.9 * info.min
    assert found.max() > 0.9 * info.max


def test_reals_cover_what_the_quantize_node_behind_them_represents():
    op = Quantize(format=INT8, qparams=QParams((0.5,), (-28,)))
    found = whole(graph_of(Tensor(shape=(None, 9, 9)), op=op), RandomData(count=40), 8)
    assert found.dtype == np.float32
    assert -50.0 <= found.min() < -49
    assert 76.5 < found.max() <= 77.5


def test_reals_are_standard_normal_where_no_range_is_known():
    graph = graph_of(Tensor(shape=(None, 20, 20)), op=Relu())
    found = whole(graph, RandomData(count=20), 5)
    assert abs(float(found.mean())) < 0.05
    assert abs(float(found.std()) - 1) < 0.05


def test_a_static_graph_gets_whole_arrays():
    graph = graph_of(Tensor(shape=(1, 2, 3), dtype="int8"))
    batches = list(random_batches(graph, RandomData(count=3), 32))
    assert [batch["x0"].shape for batch in batches] == [(1, 2, 3)] * 3
