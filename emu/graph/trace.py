"""trace: run a Graph's kernels in order on JAX arrays; the body of every jitted program."""

from collections.abc import Iterable, Mapping

from jax import Array

from emu.fixedpoint import Carrier
from emu.graph.graph import Graph
from emu.ops import KERNELS


def trace(
    graph: Graph,
    constants: Mapping[str, Array],
    inputs: Mapping[str, Array],
    carriers: Mapping[str, Carrier] | None = None,
) -> dict[str, Array]:
    """Every tensor of the graph by name, inputs included.

    `carriers` names the carrier of accumulating nodes; without an entry they run on
    int64, which is always exact. Under jit, what nobody reads is never computed.
    """
    chosen = carriers or {}
    tensors = dict(inputs)
    for node in graph.nodes:
        operands = [
            constants[name] if name in constants else tensors[name]
            for name in node.inputs
        ]
        options = {"carrier": chosen[node.name]} if node.name in chosen else {}
        tensors[node.output] = KERNELS[type(node.op)](node.op, *operands, **options)
    return tensors


def select(tensors: Mapping[str, Array], names: Iterable[str]) -> dict[str, Array]:
    """The named tensors only."""
    return {name: tensors[name] for name in names}
