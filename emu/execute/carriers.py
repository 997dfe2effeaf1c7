"""Which arithmetic carries the sums of each node: the fastest that is proved exact."""

import math
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

import numpy as np
from jaxtyping import Integer

from emu.fixedpoint import (
    Carrier,
    IntFormat,
    accumulator_bound,
    bits_needed,
    choose_carrier,
    worst_case,
)
from emu.graph import Graph, Node, Shape, Tensor
from emu.ops import (
    Accumulating,
    BatchMatMul,
    Conv2d,
    Conv3d,
    DepthwiseConv2d,
    MatMul,
    TransposeConv2d,
)
from emu.ops.sums import order_of_products

# The leading axes of the weights, over which products are summed.
_AXES: Final[Mapping[type[Accumulating], tuple[str, ...]]] = MappingProxyType(
    {
        Conv2d: ("kh", "kw", "ci"),
        DepthwiseConv2d: ("kh", "kw"),
        Conv3d: ("kd", "kh", "kw", "ci"),
        TransposeConv2d: ("kh", "kw", "ci"),
        MatMul: ("ci",),
    }
)


def accumulation_bound(graph: Graph, node: Node) -> int:
    """Largest magnitude that any partial sum of an accumulating node can take.

    The maximum over outputs of sum|w - w_zero_point| * max|x - x_zero_point| +
    |bias|, from the constants; of operands that are computed, from their formats.
    """
    op, (x, w, *bias) = _accumulating(node), node.inputs
    weights = constant_weights(graph, node)
    if weights is None:
        low, high = _limits(graph, w)
        reach = max(abs(low - op.w_zero_point), abs(high - op.w_zero_point))
        sums = np.array([reach * _products(op, _operand(graph, w).shape)])
    else:
        sums = np.abs(weights).sum(axis=0)
    biases = _magnitudes(graph, bias[0]) if bias else np.zeros(1, np.int64)
    return accumulator_bound(sums, _format(graph, x), op.x_zero_point, biases)


def safe_accumulator_bits(graph: Graph, node: Node) -> int:
    """The least width of a register that no input of a node can ever overflow.

    The worst case over all inputs in their format, of every partial sum in the order
    that the accumulator states; where weights or bias are computed, over all of
    theirs too, in any order.
    """
    op, (x, w, *bias) = _accumulating(node), node.inputs
    weights = constant_weights(graph, node)
    if weights is None or bias[0] not in graph.constants:
        bound = accumulation_bound(graph, node)
        return bits_needed(-bound, bound)
    axes = tuple(zip(_AXES[type(op)], graph.constants[w].shape, strict=False))
    order = order_of_products(axes, op.accumulator.order)
    extremes = worst_case(
        weights if order is None else weights[order],
        graph.constants[bias[0]],
        _format(graph, x),
        op.x_zero_point,
        op.accumulator,
    )
    return bits_needed(*extremes)


def choose_carriers(graph: Graph) -> dict[str, Carrier]:
    """Carrier of each accumulating node, by node name."""
    chosen = {}
    for node in graph.nodes:
        if isinstance(node.op, Accumulating):
            x, w = (_dtype(graph, name) for name in node.inputs[:2])
            bound = accumulation_bound(graph, node)
            chosen[node.name] = choose_carrier(bound, x, w, node.op.accumulator)
    return chosen


def constant_weights(graph: Graph, node: Node) -> Integer[np.ndarray, "k co"] | None:
    """Weights without their zero point, a column for each output; None if computed."""
    op = _accumulating(node)
    if isinstance(op, BatchMatMul) or node.inputs[1] not in graph.constants:
        return None
    found = graph.constants[node.inputs[1]].astype(np.int64) - op.w_zero_point
    if isinstance(op, TransposeConv2d):
        found = found[::-1, ::-1]
    return found.reshape(math.prod(found.shape[: len(_AXES[type(op)])]), -1)


def _accumulating(node: Node) -> Accumulating:
    if not isinstance(node.op, Accumulating):
        raise TypeError(f"{node.name} sums no products")
    return node.op


def _products(op: Accumulating, weights: Shape) -> int:
    """Products in each sum, from the shape of the weights or of the second matrix."""
    summed = weights[-2:-1] if isinstance(op, BatchMatMul) else weights
    return math.prod(size or 1 for size in summed[: len(_AXES.get(type(op), "k"))])


def _operand(graph: Graph, name: str) -> Tensor | np.ndarray:
    found = graph.constants.get(name)
    return graph.tensors[name] if found is None else found


def _magnitudes(graph: Graph, bias: str) -> Integer[np.ndarray, " #co"]:
    """|bias| of each output, or the largest that a computed one can have."""
    if bias in graph.constants:
        return np.abs(graph.constants[bias].astype(np.int64))
    most = max(map(abs, _limits(graph, bias)))
    return np.array([min(most, np.iinfo(np.int64).max)])


def _limits(graph: Graph, name: str) -> tuple[int, int]:
    """The least and greatest value of a constant, or of the format of a tensor."""
    found = _operand(graph, name)
    if isinstance(found, np.ndarray):
        return int(found.min()), int(found.max())
    held = found.format or np.iinfo(found.dtype)
    return int(held.min), int(held.max)


def _format(graph: Graph, name: str) -> IntFormat:
    """The stated format of an operand, else that of its whole dtype."""
    found = _operand(graph, name)
    if isinstance(found, Tensor) and found.format:
        return found.format
    dtype = np.dtype(found.dtype)
    return IntFormat(dtype.itemsize * 8, dtype.kind == "i")


def _dtype(graph: Graph, name: str) -> np.dtype:
    """The dtype in which kernels multiply an operand: they move uint8 to int8."""
    return np.dtype(str(_operand(graph, name).dtype).replace("uint8", "int8"))
