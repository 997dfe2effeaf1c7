"""x * sigmoid(x) becomes a Silu, whichever way round; anything else stays."""

import numpy as np
import pytest

from emu.execute import Program
from emu.graph import GraphBuilder, Tensor
from emu.ops import Mul, Sigmoid, Silu
from emu.optimize import merge_silu


def gated(order, *, other_reader=False, other_gate=False):
    builder = GraphBuilder("gated")
    x = builder.input("x", Tensor(shape=(None, 4)))
    gate = builder.add(Sigmoid(), (x,), "gate")
    if other_gate:
        gate = builder.add(Sigmoid(), (gate,), "gate2")
    operands = {"x": x, "gate": gate}
    y = builder.add(Mul(), tuple(operands[name] for name in order), "y")
    return builder.build((y, gate) if other_reader else (y,))


def kinds(graph):
    return [type(node.op) for node in graph.nodes]


X = np.linspace(-12, 9, 24).astype(np.float32).reshape(6, 4)


@pytest.mark.parametrize("order", [("x", "gate"), ("gate", "x")])
def test_the_product_of_a_tensor_and_its_sigmoid_is_one_layer(order):
    graph = gated(order)
    merged = merge_silu(graph)
    assert kinds(merged) == [Silu]
    before, after = (Program(g, 6)(X)["y"] for g in (graph, merged))
    np.testing.assert_allclose(after, before, rtol=1e-6)


def test_a_sigmoid_with_other_readers_stays_for_them():
    merged = merge_silu(gated(("x", "gate"), other_reader=True))
    assert kinds(merged) == [Sigmoid, Silu]


def test_another_gate_is_no_silu():
    graph = gated(("x", "gate"), other_gate=True)
    assert merge_silu(graph) is graph


def test_a_square_is_no_silu():
    graph = gated(("gate", "gate"))
    assert merge_silu(graph) is graph
