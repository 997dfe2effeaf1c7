"""merge_layout: fewer nodes that only move values."""

from dataclasses import replace

from emu.graph import Graph, Node
from emu.ops import Reshape, Transpose
from emu.optimize.rewrite import Rewrite


def merge_layout(graph: Graph) -> Graph:
    """Merge and drop Transpose and Reshape nodes.

    - a Transpose of a Transpose becomes one;
    - a Reshape of a Reshape becomes one;
    - one that changes nothing is dropped: its readers read its operand.

    One that makes an output of the graph stays, for output names are the contract.
    """
    work = Rewrite(graph)
    same: dict[str, str] = {}  # results of dropped nodes -> what they equal
    for node in graph.nodes:
        inputs = tuple(same.get(name, name) for name in node.inputs)
        moved = node if inputs == node.inputs else replace(node, inputs=inputs)
        moved = _merged(moved, work.producer(inputs[0]))
        if node.output not in graph.outputs and _moves_nothing(work, moved):
            same[node.output] = moved.inputs[0]
        else:
            work.keep(moved)
    return work.build()


def _merged(node: Node, before: Node | None) -> Node:
    """The node, reading past the one before it if both are of the same kind."""
    if before is None:
        return node
    first, second = before.op, node.op
    if isinstance(first, Transpose) and isinstance(second, Transpose):
        op = Transpose(perm=tuple(first.perm[axis] for axis in second.perm))
        return replace(node, op=op, inputs=before.inputs)
    if isinstance(first, Reshape) and isinstance(second, Reshape):
        return replace(node, inputs=before.inputs)
    return node


def _moves_nothing(work: Rewrite, node: Node) -> bool:
    if isinstance(node.op, Transpose):
        return node.op.perm == tuple(range(len(node.op.perm)))
    shapes = work.tensors[node.output].shape, work.tensors.get(node.inputs[0])
    unchanged = shapes[1] is not None and shapes[0] == shapes[1].shape
    return isinstance(node.op, Reshape) and unchanged
