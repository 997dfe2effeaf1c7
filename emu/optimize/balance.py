"""balance: large activations become smaller and their weights larger, or the reverse.

A layer W x equals (W f) (x / f) for any factors f > 0 of its input channels. Chosen
well, they spare the quantization of x channels much larger than the others. Here 1 / f
goes into the weights and bias of the layer that makes x, so that nothing is added to
the network.
Source of the factors: AMCT's DMQ balancer (github.com/hicann/amct,
graph_based/amct_pytorch/custom_op/dmq_balancer/dmq_balancer_func.py); of moving them
through activations into the producer, Nagel et al. 2019 (arXiv 1906.04721, section
4.1, cross-layer equalization).
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from jaxtyping import Float64

from emu.graph import Graph, Node, consumers, producers
from emu.ops import (
    AveragePool,
    Clip,
    Conv,
    ConvTranspose,
    Gemm,
    Identity,
    LeakyRelu,
    MaxPool,
    Pad,
    ReduceMean,
    ReduceSum,
    Relu,
    Reshape,
)
from emu.optimize.rewrite import Rewrite

# Layers whose results are sums of products: a factor of a result goes into them.
Weighted = Conv | Gemm | ConvTranspose

# Below this the largest magnitude of a channel is no magnitude (AMCT's bound).
_NOTHING: Final = float(np.finfo(np.float32).eps)
# Factors have 8 bits; this near to one they are one, and balancing twice is once.
_ONE: Final = 2.0**-7


@dataclass(frozen=True, slots=True, kw_only=True)
class Balanced:
    """A balanced Graph, the layers whose input is scaled, and why others' is not."""

    graph: Graph
    layers: tuple[str, ...]
    left: Mapping[str, str]

    def record(self) -> dict[str, object]:
        """What a program remembers of it, in JSON's types; empty if it says nothing."""
        if not self.layers and not self.left:
            return {}
        found = {"layers": list(self.layers), "left": dict(self.left)}
        return {"balancing": found}


def balance_factors(
    activations: Float64[np.ndarray, " c"],
    weights: Float64[np.ndarray, " c"],
    strength: float,
) -> Float64[np.ndarray, " c"]:
    """activations**strength / weights**(1 - strength) for each channel.

    Arguments are largest magnitudes. A channel without activations gets weights as
    large as the largest balanced ones, one without weights activations so; one
    without both stays as it is, and so do all if nothing is left to compare with.
    """
    no_x, no_w = activations < _NOTHING, weights < _NOTHING
    if no_x.all() or no_w.all() or (no_x | no_w).all():
        return np.ones_like(activations)
    x, w = np.where(no_x, 1.0, activations), np.where(no_w, 1.0, weights)
    factors = x**strength / w ** (1 - strength)
    both = ~(no_x | no_w)
    factors = np.where(no_x, (w * factors)[both].max() / w, factors)
    factors = np.where(no_w, x / (x / factors)[both].max(), factors)
    factors = np.where(no_x & no_w, 1.0, factors)
    # As coarse as ranges are: powers differ in their last bits between processors.
    mantissa, exponent = np.frexp(factors)
    rounded = np.ldexp(np.rint(mantissa * 256), exponent - 8)
    return np.where(np.abs(rounded - 1) <= _ONE, 1.0, rounded)


def balance(
    graph: Graph,
    maxima: Mapping[str, Float64[np.ndarray, " c"]],
    strengths: Mapping[str, float],
) -> Balanced:
    """Scale the input channels of the Conv and Gemm layers that `strengths` names.

    `maxima` holds the largest magnitude in each channel of their inputs. A layer is
    left as it is, and said why, unless its input comes from a Conv, Gemm or
    ConvTranspose, through nothing but layers that scale with their operand channel by
    channel, and nobody else reads any of it. From the last layer to the first: the
    factors that a layer's results get are then in its weights when its own input is
    balanced, and balancing a balanced graph changes nothing.

    Tensors between the two layers no longer equal those of the source model: they
    lose their golden. The graph's outputs are as before, to float32 rounding.
    """
    makers, readers = producers(graph), consumers(graph)
    work = Rewrite(graph)
    changed: dict[str, Node] = {}
    done: list[str] = []
    left: dict[str, str] = {}
    for node in reversed(graph.nodes):
        if node.name not in strengths:
            continue
        chain, reason = _chain(graph, makers, readers, node)
        if reason:
            left[node.name] = reason
            continue
        own = changed.get(node.name, node)
        array = work.constants[own.inputs[1]].astype(np.float64)
        groups = node.op.groups if isinstance(node.op, Conv) else 1
        found = maxima[node.inputs[0]]
        largest = _input_maxima(array, groups)
        factors = balance_factors(found, largest, strengths[node.name])
        if np.all(factors == 1):
            continue
        maker = changed.get(chain[0].name, chain[0])
        changed[node.name] = _scaled_inputs(work, own, factors, groups)
        changed[maker.name] = _scaled_outputs(work, maker, 1 / factors)
        for part in chain:
            described = work.tensors[part.output]
            work.tensors[part.output] = replace(described, golden=None)
        done.append(node.name)
    if not changed:
        return Balanced(graph=graph, layers=(), left=left)
    for node in graph.nodes:
        work.keep(changed.get(node.name, node))
    return Balanced(graph=work.build(), layers=tuple(reversed(done)), left=left)


def _chain(
    graph: Graph,
    makers: Mapping[str, Node],
    readers: Mapping[str, list[Node]],
    node: Node,
) -> tuple[list[Node], str]:
    """The producer and what lies between it and a layer; or why there is none."""
    if not isinstance(node.op, Conv | Gemm):
        return [], f"{type(node.op).__name__} is no layer that is balanced"
    if any(name not in graph.constants for name in node.inputs[1:]):
        return [], "its weights are not constant"
    chain: list[Node] = []
    tensor = node.inputs[0]
    while True:
        maker = makers.get(tensor)
        if maker is None:
            return [], f"its input is the model's input {tensor!r}"
        if tensor in graph.outputs:
            return [], f"{tensor!r} is an output of the model"
        if len(readers[tensor]) > 1:
            return [], f"{tensor!r} has other readers"
        chain.insert(0, maker)
        if isinstance(maker.op, Weighted):
            break
        if not _scales(graph, maker):
            return [], f"{type(maker.op).__name__} {maker.name!r} comes before it"
        tensor = maker.inputs[0]
    if any(name not in graph.constants for name in chain[0].inputs[1:]):
        return [], f"the weights of {chain[0].name!r} are not constant"
    return chain, ""


def _scales(graph: Graph, node: Node) -> bool:
    """Whether a node's result scales with its operand, each channel for itself."""
    op = node.op
    before, after = (graph.tensors[n].shape for n in (node.inputs[0], node.output))
    if isinstance(op, Clip):
        return op.low in (0.0, -np.inf) and op.high == np.inf
    if isinstance(op, Pad):
        return op.value == 0 and op.padding[-1] == (0, 0)
    if isinstance(op, ReduceMean | ReduceSum):
        axes = {axis % len(before) for axis in op.axes}
        return len(before) - 1 not in axes
    if isinstance(op, Reshape):
        # Only axes of one element come or go, so the last stays what it is.
        return [d for d in before if d != 1] == [d for d in after if d != 1] and (
            before[-1] == after[-1]
        )
    return isinstance(op, Relu | LeakyRelu | Identity | MaxPool | AveragePool)


def _input_maxima(
    weights: Float64[np.ndarray, "..."], groups: int
) -> Float64[np.ndarray, " ci"]:
    """Largest magnitude of the weights that meet each input channel."""
    *_, per_group, co = weights.shape
    split = np.abs(weights).reshape(-1, per_group, groups, co // groups)
    return split.max(axis=(0, 3)).T.reshape(-1)


def _scaled_inputs(
    work: Rewrite, node: Node, factors: Float64[np.ndarray, " ci"], groups: int
) -> Node:
    """The layer with the weights of each input channel multiplied."""
    x, name, *rest = node.inputs
    weights = work.constants[name]
    *kernel, per_group, co = weights.shape
    split = weights.astype(np.float64).reshape(*kernel, per_group, groups, -1)
    scaled = split * factors.reshape(groups, per_group).T[..., None]
    new = scaled.reshape(*kernel, per_group, co).astype(np.float32)
    return replace(node, inputs=(x, work.constant(f"{name}:balanced", new), *rest))


def _scaled_outputs(
    work: Rewrite, node: Node, factors: Float64[np.ndarray, " co"]
) -> Node:
    """The layer with the weights and bias of each output channel multiplied."""
    x, *constants = node.inputs
    made = []
    for name in constants:
        new = (work.constants[name].astype(np.float64) * factors).astype(np.float32)
        made.append(work.constant(f"{name}:balanced", new))
    return replace(node, inputs=(x, *made))
