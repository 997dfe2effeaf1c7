"""Graphs are immutable, and know who makes and who reads a tensor."""

import dataclasses
from typing import Any, cast

import numpy as np
import pytest

from emu import ops
from emu.graph import (
    Graph,
    GraphBuilder,
    Tensor,
    consumers,
    producers,
    verify,
    without_dead,
)
from tests.graph.samples import small_graph


def branching_graph() -> Graph:
    """x -> a -> b (output), a -> c -> dead; d reads a twice."""
    builder = GraphBuilder("branching")
    x = builder.input("x", Tensor(shape=(None, 3)))
    builder.input("unused", Tensor(shape=(None, 2)))
    a = builder.add(ops.Relu(), (x,), "a")
    b = builder.add(ops.Sigmoid(), (a,), "b")
    row = builder.constant("row", np.ones(3, np.float32))
    c = builder.add(ops.Mul(), (a, row), "c")
    builder.add(ops.Relu(), (c,), "dead")
    d = builder.add(ops.Add(), (a, a), "d")
    return builder.build((b, d), {"source": "test"})


def test_mappings_of_a_graph_cannot_change():
    graph = small_graph()
    for mapping in (graph.tensors, graph.constants, graph.provenance):
        with pytest.raises(TypeError):
            cast(dict[str, Any], mapping)["new"] = 1
    with pytest.raises(dataclasses.FrozenInstanceError):
        cast(Any, graph).name = "other"


def test_constants_of_a_graph_cannot_change():
    with pytest.raises(ValueError, match="read-only"):
        small_graph().constants["w"][0] = 1


def test_a_graph_does_not_follow_the_mapping_it_was_made_from():
    graph = small_graph()
    tensors = dict(graph.tensors)
    copy = Graph(
        name="copy",
        inputs=graph.inputs,
        outputs=graph.outputs,
        nodes=graph.nodes,
        tensors=tensors,
        constants=graph.constants,
    )
    tensors.clear()
    assert copy.tensors == graph.tensors


def test_producers_name_the_node_that_makes_a_tensor():
    made = producers(branching_graph())
    assert {name: node.output for name, node in made.items()} == {
        name: name for name in ("a", "b", "c", "dead", "d")
    }


def test_consumers_list_each_reader_once_in_order():
    readers = consumers(branching_graph())
    assert [node.name for node in readers["a"]] == ["b", "c", "d"]
    assert [node.name for node in readers["row"]] == ["c"]
    assert "dead" not in readers


def test_without_dead_keeps_what_the_outputs_need_and_every_input():
    graph = verify(without_dead(branching_graph()))
    assert [node.name for node in graph.nodes] == ["a", "b", "d"]
    assert set(graph.tensors) == {"x", "unused", "a", "b", "d"}
    assert graph.inputs == ("x", "unused")
    assert not graph.constants
    assert graph.provenance == {"source": "test"}


def test_without_dead_can_cut_at_other_outputs():
    graph = verify(without_dead(branching_graph(), ["c"]))
    assert graph.outputs == ("c",)
    assert [node.name for node in graph.nodes] == ["a", "c"]
    assert set(graph.constants) == {"row"}


def test_without_dead_may_leave_only_inputs():
    graph = verify(without_dead(branching_graph(), ["x"]))
    assert not graph.nodes
    assert graph.outputs == ("x",)
