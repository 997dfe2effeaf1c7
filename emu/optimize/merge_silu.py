"""merge_silu: x * sigmoid(x) becomes one layer, which integers look up in one table."""

from dataclasses import replace

from emu.graph import Graph, Node, producers
from emu.ops import Mul, Sigmoid, Silu
from emu.optimize.rewrite import Rewrite


def merge_silu(graph: Graph) -> Graph:
    """Let a Mul of a tensor and its Sigmoid be a Silu of the tensor.

    One rounding is left of two, and one table of a table and a product. A Sigmoid with
    other readers stays for them.
    """
    made = producers(graph)
    work = Rewrite(graph)
    for node in graph.nodes:
        source = _source(node, made)
        merged = replace(node, op=Silu(), inputs=(source,)) if source else node
        work.keep(merged)
    return work.build()


def _source(node: Node, made: dict[str, Node]) -> str | None:
    """The tensor that the node multiplies with its own Sigmoid."""
    if not isinstance(node.op, Mul):
        return None
    for x, gate in (node.inputs, node.inputs[::-1]):
        maker = made.get(gate)
        if maker and isinstance(maker.op, Sigmoid) and maker.inputs == (x,):
            return x
    return None
