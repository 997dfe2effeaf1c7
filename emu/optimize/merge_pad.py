"""merge_pad: explicit zero padding becomes padding of the convolution that reads it."""

from dataclasses import replace

from emu.graph import Graph, Node, producers
from emu.ops import AveragePool, Conv, Pad
from emu.ops.window import NO_PADDING, Padding
from emu.optimize.rewrite import Rewrite


def merge_pad(graph: Graph) -> Graph:
    """Let the reader of a Pad read the Pad's operand and pad by itself.

    - Conv: always;
    - AveragePool: where it counts its padding or has none; it then counts it.

    Only zeros around height and width, none cropped. A chain of Pads is merged
    whole. A Pad with other readers stays for them. MaxPool is left alone: its own
    padding never wins, a zero may.
    """
    made = producers(graph)
    work = Rewrite(graph)
    for node in graph.nodes:
        merged = node
        while (step := _merge(merged, made.get(merged.inputs[0]))) is not None:
            merged = step
        work.keep(merged)
    return work.build()


def _merge(node: Node, before: Node | None) -> Node | None:
    """The node reading the Pad's operand, or None where that is not the same."""
    edges = _spatial_zeros(before)
    if before is None or edges is None:
        return None
    op = node.op
    if isinstance(op, Conv):
        merged = replace(op, padding=_sum(op.padding, edges))
    elif isinstance(op, AveragePool) and (
        op.count_include_pad or op.padding == NO_PADDING
    ):
        padding = _sum(op.padding, edges)
        merged = replace(op, padding=padding, count_include_pad=True)
    else:
        return None
    return replace(node, op=merged, inputs=(before.inputs[0], *node.inputs[1:]))


def _spatial_zeros(node: Node | None) -> Padding | None:
    """Rows and columns of zeros a Pad adds, if it adds nothing else."""
    if node is None or not isinstance(node.op, Pad) or len(node.op.padding) != 4:
        return None
    n, h, w, c = node.op.padding
    if node.op.value != 0 or n != (0, 0) or c != (0, 0) or min(*h, *w) < 0:
        return None
    return h, w


def _sum(a: Padding, b: Padding) -> Padding:
    (top, bottom), (left, right) = a
    (t, d), (le, r) = b
    return (top + t, bottom + d), (left + le, right + r)
