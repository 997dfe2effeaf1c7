"""Each rule of a sound Graph, broken once."""

import dataclasses
import re

import numpy as np
import pytest

from emu import ops
from emu.errors import GraphError
from emu.fixedpoint import INT16
from emu.graph import Graph, Tensor, verify
from tests.graph.samples import graph_of, replaced, small_graph
from tests.ops.cases import CASES

SMALL = small_graph()


def with_tensor(name: str, tensor: Tensor) -> Graph:
    return replaced(SMALL, tensors=dict(SMALL.tensors) | {name: tensor})


def with_nodes(*indices: int) -> Graph:
    return replaced(SMALL, nodes=tuple(SMALL.nodes[i] for i in indices))


def with_node(index: int, **changes: object) -> Graph:
    nodes = list(SMALL.nodes)
    nodes[index] = dataclasses.replace(nodes[index], **changes)
    return replaced(SMALL, nodes=tuple(nodes))


def without_tensor(name: str) -> Graph:
    return replaced(
        SMALL, tensors={k: v for k, v in SMALL.tensors.items() if k != name}
    )


def test_a_sound_graph_comes_back_itself():
    assert verify(SMALL) is SMALL


def test_a_graph_with_every_operator_is_sound():
    verify(graph_of(CASES[::3]))


FAULTS = {
    "a node before its operand": (
        with_nodes(1, 0, 2, 3),
        "dense: operand 'x.q' is not defined before use",
    ),
    "an operand that nobody makes": (
        with_node(0, inputs=("ghost",)),
        "x.q: operand 'ghost' is not defined before use",
    ),
    "a node name used twice": (
        with_node(2, name="dense"),
        "dense: this node name is used twice",
    ),
    "a tensor made twice": (
        with_nodes(0, 1, 2, 3, 3),
        "y: this node name is used twice",
    ),
    "a result with the name of another": (
        with_node(1, output="x.q"),
        "dense: tensor 'x.q' is made twice",
    ),
    "a result with the name of a constant": (
        with_node(1, output="w"),
        "dense: tensor 'w' is made twice",
    ),
    "an input with the name of a constant": (
        replaced(SMALL, inputs=("x", "w")),
        "input: tensor 'w' is made twice",
    ),
    "an input listed twice": (
        replaced(SMALL, inputs=("x", "x")),
        "input: tensor 'x' is made twice",
    ),
    "a result without description": (
        without_tensor("acc"),
        "dense: tensor 'acc' is not described",
    ),
    "an input without description": (
        without_tensor("x"),
        "input: tensor 'x' is not described",
    ),
    "an output that nobody makes": (
        replaced(SMALL, outputs=("ghost",)),
        "small: output 'ghost' is made by no node",
    ),
    "a wrong shape": (
        with_tensor("acc", Tensor(shape=(None, 4), dtype="int32")),
        "dense: 'acc' is described as int32 (None, 4), but MatMul makes int32",
    ),
    "a batch that is not free": (
        with_tensor("acc", Tensor(shape=(1, 3), dtype="int32")),
        "dense: 'acc' is described as int32 (1, 3), but MatMul makes int32 (None, 3)",
    ),
    "a wrong dtype": (
        with_tensor("acc", Tensor(shape=(None, 3), dtype="int64")),
        "dense: 'acc' is described as int64 (None, 3), but MatMul makes int32",
    ),
    "a format that the storage does not hold": (
        with_tensor("y.q", dataclasses.replace(SMALL.tensors["y.q"], format=INT16)),
        "y.q: tensor 'y.q' is stored as int8, expected int16 for int16",
    ),
    "an operator that cannot take its operands": (
        with_node(1, op=ops.Concat(axis=0)),
        "dense: Concat cannot take operands of shapes (None, 4), (4, 3), (3,)",
    ),
}


@pytest.mark.parametrize(("graph", "message"), FAULTS.values(), ids=FAULTS)
def test_each_fault_is_named(graph: Graph, message: str):
    with pytest.raises(GraphError, match="^" + re.escape(message)):
        verify(graph)


def test_constants_may_be_outputs():
    graph = replaced(SMALL, outputs=("w",))
    assert verify(graph).outputs == ("w",)
    assert isinstance(graph.constants["w"], np.ndarray)
