"""fold_affine: per-channel factors and offsets after Conv and Gemm go into them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any, Final

import numpy as np
from jaxtyping import Float

from emu.errors import GraphError
from emu.graph import Graph, Node, consumers
from emu.ops import Add, BatchNormalization, Conv, Gemm, Mul, Sub
from emu.optimize.rewrite import Rewrite


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Affine:
    """What a node does: factor * x + offset on the last axis.

    Both float64, both of one element or one per channel.
    """

    x: str
    factor: Float[np.ndarray, " c"]
    offset: Float[np.ndarray, " c"]


def batch_norm_affine(graph: Graph, node: Node) -> Affine | None:
    """A BatchNormalization as factor and offset; None where it is no constant one.

    Raises GraphError where variance + epsilon is not positive.
    """
    if not isinstance(node.op, BatchNormalization):
        return None
    if any(name not in graph.constants for name in node.inputs[1:]):
        return None
    gamma, beta, mean, variance = (
        graph.constants[name].astype(np.float64) for name in node.inputs[1:]
    )
    power = variance + node.op.epsilon
    if not np.all(power > 0):
        raise GraphError(
            f"variance + epsilon is {power.min()}, expected above 0", where=node.name
        )
    factor = gamma / np.sqrt(power)
    return Affine(x=node.inputs[0], factor=factor, offset=beta - mean * factor)


def _arithmetic_affine(graph: Graph, node: Node) -> Affine | None:
    """Add, Sub or Mul of an activation and a constant of one value per channel."""
    constant = [name for name in node.inputs if name in graph.constants]
    activation = [name for name in node.inputs if name not in graph.constants]
    if len(constant) != 1 or len(activation) != 1:
        return None
    array, shape = graph.constants[constant[0]], graph.tensors[activation[0]].shape
    per_channel = array.ndim == 0 or array.size == array.shape[-1]
    if not per_channel or shape != graph.tensors[node.output].shape:
        return None
    value = array.reshape(-1).astype(np.float64)
    one, zero = np.ones(value.size), np.zeros(value.size)
    if isinstance(node.op, Mul):
        return Affine(x=activation[0], factor=value, offset=zero)
    if isinstance(node.op, Add):
        return Affine(x=activation[0], factor=one, offset=value)
    if node.inputs[0] == activation[0]:
        return Affine(x=activation[0], factor=one, offset=-value)
    return Affine(x=activation[0], factor=-one, offset=value)


# Operator -> how it is read as factor and offset, if it can be.
AFFINES: Final[Mapping[type[Any], Callable[[Graph, Node], Affine | None]]] = (
    MappingProxyType(
        {
            BatchNormalization: batch_norm_affine,
            Add: _arithmetic_affine,
            Sub: _arithmetic_affine,
            Mul: _arithmetic_affine,
        }
    )
)


def fold_affine(graph: Graph) -> Graph:
    """Fold per-channel factors and offsets into the weights and bias before them.

    - BatchNormalization after Conv (any groups) or Gemm;
    - Add, Sub, Mul with a constant of one value, or one per channel, after them, the
      constant on either side;
    - chains of these, in any order; a missing bias is made.

    Left alone: where the result of the Conv or Gemm is an output or has another
    reader, where weights are computed, where a product would overflow float32.
    The sums are taken in float64 and rounded to float32 once. The new node has the
    name and layer of the Conv or Gemm, its result those of the last node folded.
    """
    readers = consumers(graph)
    work = Rewrite(graph)
    for node in graph.nodes:
        read = AFFINES.get(type(node.op))
        affine = None if read is None else read(graph, node)
        before = None if affine is None else work.producer(affine.x)
        merged = None
        if (
            affine is not None
            and before is not None
            and isinstance(before.op, Conv | Gemm)
            and len(readers[affine.x]) == 1
            and affine.x not in graph.outputs
        ):
            merged = _merge(work, before, affine, node.output)
        if merged is None or before is None:
            work.keep(node)
        else:
            work.nodes.remove(before)
            work.keep(merged)
    return work.build()


def _merge(work: Rewrite, before: Node, affine: Affine, output: str) -> Node | None:
    """The Conv or Gemm with the factor and the offset in its constants."""
    if any(name not in work.constants for name in before.inputs[1:]):
        return None
    x, weights, *rest = before.inputs
    array = work.constants[weights]
    bias = work.constants[rest[0]] if rest else np.zeros(array.shape[-1], np.float32)
    with np.errstate(over="ignore"):
        new_weights = (array.astype(np.float64) * affine.factor).astype(np.float32)
        new_bias = (bias.astype(np.float64) * affine.factor + affine.offset).astype(
            np.float32
        )
    if not (np.isfinite(new_weights).all() and np.isfinite(new_bias).all()):
        return None
    if not np.array_equal(new_weights, array):
        weights = work.constant(f"{weights}:folded", new_weights)
    title = f"{rest[0]}:folded" if rest else f"{before.name}:bias"
    return replace(
        before,
        inputs=(x, weights, work.constant(title, new_bias)),
        output=output,
    )
