"""Which activations end the layer before them, as accelerators compute the two."""

from typing import Final

from emu.graph import Graph, Node, consumers
from emu.ops import Add, Clip, Conv, Gemm, Mul, Relu, Sub

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
