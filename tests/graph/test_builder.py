"""GraphBuilder gives fresh names, shapes and dtypes."""

import numpy as np
import pytest

from emu import ops
from emu.errors import GraphError
from emu.fixedpoint import INT8, QParams
from emu.graph import Golden, GraphBuilder, Tensor, verify


@pytest.fixture
def builder() -> GraphBuilder:
    builder = GraphBuilder("built")
    builder.input("x", Tensor(shape=(None, 6)))
    return builder


def test_taken_names_get_a_number(builder: GraphBuilder):
    names = [builder.add(ops.Relu(), ("x",), "x") for _ in range(3)]
    assert names == ["x.2", "x.3", "x.4"]
    assert builder.constant("x.3", np.zeros(1, np.float32)) == "x.3.2"
    assert builder.fresh("free") == "free"


def test_node_names_are_unique_apart_from_tensor_names(builder: GraphBuilder):
    for _ in range(2):
        builder.add(ops.Relu(), ("x",), "y", name="relu")
    assert [(n.name, n.output) for n in builder.nodes] == [
        ("relu", "y"),
        ("relu.2", "y.2"),
    ]


def test_shape_and_dtype_come_from_the_kernel(builder: GraphBuilder):
    q = QParams(scale=(0.5,), zero_point=(0,))
    made = builder.add(ops.Quantize(format=INT8, qparams=q), ("x",), "q")
    split = builder.add(ops.Reshape(shape=(2, 3)), (made,), "split")
    assert builder.tensors[made] == Tensor(shape=(None, 6), dtype="int8")
    assert builder.tensors[split] == Tensor(shape=(None, 2, 3), dtype="int8")


def test_everything_said_of_a_tensor_is_kept(builder: GraphBuilder):
    q = QParams(scale=(0.5,), zero_point=(0,))
    golden = Golden(name="source", perm=(0, 1))
    name = builder.add(
        ops.Quantize(format=INT8, qparams=q),
        ("x",),
        "q",
        layer="first",
        format=INT8,
        qparams=q,
        golden=golden,
    )
    graph = verify(builder.build((name,)))
    tensor = graph.tensors[name]
    assert (tensor.format, tensor.qparams, tensor.golden) == (INT8, q, golden)
    assert graph.nodes[0].layer == "first"


def test_operands_that_do_not_fit_name_the_node(builder: GraphBuilder):
    w = builder.constant("w", np.zeros((5, 2), np.float32))
    with pytest.raises(
        GraphError, match=r"^dense: Gemm cannot take operands"
    ) as caught:
        builder.add(ops.Gemm(), ("x", w), "y", name="dense")
    assert caught.value.where == "dense"
    assert "(None, 6), (5, 2)" in str(caught.value)


def test_a_constant_does_not_follow_the_array_it_was_made_from(builder: GraphBuilder):
    array = np.zeros(3, np.float32)
    name = builder.constant("c", array)
    array[0] = 1
    assert builder.constants[name][0] == 0
    assert array.flags.writeable


def test_a_built_graph_does_not_follow_the_builder(builder: GraphBuilder):
    graph = builder.build(("x",))
    builder.add(ops.Relu(), ("x",), "late")
    assert not graph.nodes
    assert "late" not in graph.tensors
