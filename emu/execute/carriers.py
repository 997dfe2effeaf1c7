"""Which arithmetic carries the sums of each node: the fastest that is proved exact."""

import numpy as np

from emu.fixedpoint import Carrier, IntFormat, accumulator_bound, choose_carrier
from emu.graph import Graph, Node
from emu.ops import Accumulating, Conv2d, DepthwiseConv2d, MatMul


def accumulation_bound(graph: Graph, node: Node) -> int:
    """Largest magnitude that any partial sum of an accumulating node can take.

    From the weights alone: max over outputs of sum|w| * max|x - zero_point| + |bias|.
    """
    x, w, bias = node.inputs
    weights, biases = graph.constants[w], graph.constants[bias]
    depthwise = isinstance(node.op, DepthwiseConv2d)
    wide = np.abs(weights.astype(np.int64))
    summed = wide.sum(axis=(0, 1)).ravel() if depthwise else _all_but_last(wide)
    op = node.op
    zero_point = (
        op.x_zero_point if isinstance(op, Conv2d | DepthwiseConv2d | MatMul) else 0
    )
    tensor = graph.tensors[x]
    fmt = tensor.format or IntFormat(
        np.dtype(tensor.dtype).itemsize * 8, not tensor.dtype.startswith("u")
    )
    return accumulator_bound(summed, fmt, zero_point, np.abs(biases.astype(np.int64)))


def _all_but_last(values: np.ndarray) -> np.ndarray:
    return values.reshape(-1, values.shape[-1]).sum(axis=0)


def choose_carriers(graph: Graph) -> dict[str, Carrier]:
    """Carrier of each accumulating node, by node name."""
    chosen = {}
    for node in graph.nodes:
        if isinstance(node.op, Accumulating):
            x, w, _ = node.inputs
            chosen[node.name] = choose_carrier(
                accumulation_bound(graph, node),
                # Kernels move uint8 operands to int8.
                np.dtype(graph.tensors[x].dtype.replace("uint8", "int8")),
                graph.constants[w].dtype,
                node.op.accumulator,
            )
    return chosen
