"""What belongs together: activations that end a layer, the joining of outputs."""

from typing import Final

from emu.graph import Graph, Node, consumers
from emu.ops import (
    Add,
    Clip,
    Concat,
    Conv,
    Gemm,
    Mul,
    Relu,
    Reshape,
    Sub,
    Transpose,
)

# Layers whose result goes through a rescale: a clamp can follow it at no cost.
RESCALING: Final = (Conv, Gemm, Add, Sub, Mul)


def activations_after(graph: Graph) -> dict[str, Node]:
    """Result of a layer -> the Relu or Clip that alone reads it."""
    readers = consumers(graph)
    found = {}
    for node in graph.nodes:
        after = readers.get(node.output, [])
        alone = len(after) == 1 and node.output not in graph.outputs
        if alone and isinstance(after[0].op, Relu | Clip):
            found[node.output] = after[0]
    return found


def joined_outputs(graph: Graph) -> list[Node]:
    """Concatenations at the end of the network, and what moves their values on.

    Between them and the outputs nothing is computed: a detector's heads joined for its
    decoder, say. Each operand could as well leave the accelerator by itself.
    """
    readers = consumers(graph)
    moving: set[str] = set()  # names of nodes whose values only move from there on
    for node in reversed(graph.nodes):
        after = readers.get(node.output, [])
        moves = isinstance(node.op, Concat | Reshape | Transpose)
        if moves and all(reader.name in moving for reader in after):
            moving.add(node.name)
    joined: dict[str, Node] = {}  # by result
    for node in graph.nodes:
        fed = any(name in joined for name in node.inputs)
        if node.name in moving and (fed or isinstance(node.op, Concat)):
            joined[node.output] = node
    return list(joined.values())
