"""run_passes verifies around each pass and names the one at fault."""

from dataclasses import replace

import pytest

from emu.errors import GraphError
from emu.graph import Graph, GraphBuilder, Tensor
from emu.ops import Relu
from emu.optimize import FLOAT_PASSES, run_passes


def small_graph() -> Graph:
    builder = GraphBuilder("small")
    x = builder.input("x", Tensor(shape=(None, 3)))
    return builder.build((builder.add(Relu(), (x,), "y"),))


def forget_nodes(graph: Graph) -> Graph:
    return replace(graph, nodes=())


def test_a_graph_that_needs_nothing_comes_back_itself():
    graph = small_graph()
    assert run_passes(graph) is graph


@pytest.mark.parametrize("one", FLOAT_PASSES)
def test_each_pass_returns_the_same_object_when_nothing_changes(one):
    graph = small_graph()
    assert one(graph) is graph


def test_a_pass_that_breaks_the_graph_is_named():
    with pytest.raises(GraphError, match=r"pass forget_nodes: output 'y'"):
        run_passes(small_graph(), (forget_nodes,))


def test_an_unsound_graph_is_refused_before_any_pass():
    with pytest.raises(GraphError, match=r"small: output 'y'"):
        run_passes(forget_nodes(small_graph()), ())
