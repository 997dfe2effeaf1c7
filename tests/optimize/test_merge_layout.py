"""merge_layout: Transpose and Reshape nodes merge and vanish."""

from emu.graph import Graph, GraphBuilder, Tensor
from emu.ops import Op, Relu, Reshape, Transpose
from emu.optimize import merge_layout
from tests.optimize.same import assert_same_function


def chain(*ops: Op) -> Graph:
    """Operators one after another on images of 2 3 4."""
    builder = GraphBuilder("chain")
    name = builder.input("x", Tensor(shape=(None, 2, 3, 4)))
    for count, op in enumerate(ops):
        name = builder.add(op, (name,), f"t{count}")
    return builder.build((name,))


def kinds(graph: Graph) -> list[str]:
    return [type(node.op).__name__ for node in graph.nodes]


def test_transposes_merge():
    graph = chain(Transpose(perm=(0, 2, 3, 1)), Transpose(perm=(0, 1, 3, 2)), Relu())
    merged = merge_layout(graph)
    assert_same_function(graph, merged)
    assert merged.nodes[0].op == Transpose(perm=(0, 2, 1, 3))
    assert kinds(merged) == ["Transpose", "Relu"]
    assert merge_layout(merged) is merged


def test_transposes_that_cancel_vanish():
    graph = chain(Transpose(perm=(0, 2, 3, 1)), Transpose(perm=(0, 3, 1, 2)), Relu())
    merged = merge_layout(graph)
    assert_same_function(graph, merged)
    assert kinds(merged) == ["Relu"]


def test_reshapes_merge_and_vanish():
    graph = chain(
        Reshape(shape=(24,)),
        Reshape(shape=(6, 4)),
        Relu(),
        Reshape(shape=(6, 4)),
        Relu(),
    )
    merged = merge_layout(graph)
    assert_same_function(graph, merged)
    assert kinds(merged) == ["Reshape", "Relu", "Relu"]
    assert merge_layout(merged) is merged


def test_one_that_makes_an_output_stays():
    graph = chain(Relu(), Transpose(perm=(0, 1, 2, 3)))
    assert merge_layout(graph) is graph
