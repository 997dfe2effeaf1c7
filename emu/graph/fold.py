"""fold_constants: what depends on no input is computed once, before a program is made."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np

from emu.graph.graph import Graph, Node, without_dead
from emu.ops import KERNELS


def fold_constants(graph: Graph) -> Graph:
    """Replace each integer node that reads only constants by the constant it makes.

    The constant has the name of the node's result, so readers and outputs stay as
    they are. Weights that a codebook holds thus cost nothing when a program runs, and
    bounds on its sums come from their values. Nodes that read or make reals stay:
    alone they might round otherwise than inside a program. So does a graph without
    inputs, which would vanish whole. The same object comes back if nothing changes.
    """
    constants = dict(graph.constants)
    kept = []
    for node in graph.nodes:
        if graph.inputs and _is_constant(graph, node, constants):
            constants[node.output] = _result(node, constants)
        else:
            kept.append(node)
    if len(kept) == len(graph.nodes):
        return graph
    folded = constants.keys() - graph.constants.keys()
    tensors = {k: v for k, v in graph.tensors.items() if k not in folded}
    changed = replace(graph, nodes=tuple(kept), constants=constants, tensors=tensors)
    return without_dead(changed)


def _is_constant(graph: Graph, node: Node, constants: dict[str, np.ndarray]) -> bool:
    kinds = [constants[n].dtype.kind if n in constants else "?" for n in node.inputs]
    kinds.append(np.dtype(graph.tensors[node.output].dtype).kind)
    return all(kind in "iub" for kind in kinds)


def _result(node: Node, constants: dict[str, np.ndarray]) -> np.ndarray:
    with jax.enable_x64(True):
        operands = [jnp.asarray(constants[name]) for name in node.inputs]
        # A copy of our own: what JAX lends is read only for good.
        return np.array(KERNELS[type(node.op)](node.op, *operands))
