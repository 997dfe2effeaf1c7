"""How much smaller codebooks make the weights of a program."""

from dataclasses import dataclass
from typing import Any

from emu.graph import Graph, Node, Tensor, producers
from emu.ops import Accumulating, Codebook


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerWeights:
    """The weights of one layer; `steps` levels in its codebook, None without one.

    `weight_bits` are those of all its weights as integers, `stored_bits` those of
    what is kept: an index of just enough bits for each weight, and the levels.
    """

    name: str
    steps: int | None
    weight_bits: int
    stored_bits: int

    @property
    def ratio(self) -> float:
        """How many times smaller."""
        return self.weight_bits / self.stored_bits


@dataclass(frozen=True, slots=True, kw_only=True)
class Compression:
    """The weights of every layer that sums products with constant ones."""

    layers: tuple[LayerWeights, ...]

    @property
    def compressed(self) -> tuple[LayerWeights, ...]:
        """The layers with a codebook."""
        return tuple(layer for layer in self.layers if layer.steps)

    @property
    def weight_bits(self) -> int:
        """Bits of all weights as integers."""
        return sum(layer.weight_bits for layer in self.layers)

    @property
    def stored_bits(self) -> int:
        """Bits of all weights as they are kept."""
        return sum(layer.stored_bits for layer in self.layers)

    @property
    def ratio(self) -> float:
        """How many times smaller the weights of the whole program are."""
        return self.weight_bits / self.stored_bits if self.stored_bits else 1.0

    def to_json(self) -> dict[str, Any] | None:
        """The stable names; None where no layer has a codebook."""
        if not self.compressed:
            return None
        return {
            "weight_bits": self.weight_bits,
            "stored_bits": self.stored_bits,
            "ratio": self.ratio,
            "layers": [
                {
                    "name": layer.name,
                    "steps": layer.steps,
                    "weight_bits": layer.weight_bits,
                    "stored_bits": layer.stored_bits,
                    "ratio": layer.ratio,
                }
                for layer in self.compressed
            ],
        }


def weight_compression(graph: Graph) -> Compression:
    """Count the bits of the weights of an integer Graph.

    A weight without a codebook counts with the bits of its dtype, one with a codebook
    with those of the format that its levels come from.
    """
    makers = producers(graph)
    found = []
    for node in graph.nodes:
        if isinstance(node.op, Accumulating):
            layer = _layer(graph, makers, node)
            found += [] if layer is None else [layer]
    return Compression(layers=tuple(found))


def _layer(graph: Graph, makers: dict[str, Node], node: Node) -> LayerWeights | None:
    name, weights = node.layer or node.name, node.inputs[1]
    held, maker = graph.constants.get(weights), makers.get(weights)
    if held is not None:
        bits = 8 * held.nbytes
        return LayerWeights(name=name, steps=None, weight_bits=bits, stored_bits=bits)
    if maker is None or not isinstance(maker.op, Codebook):
        return None
    index, levels = (graph.constants.get(operand) for operand in maker.inputs)
    if index is None or levels is None:
        return None
    own = _bits(graph.tensors[weights])
    return LayerWeights(
        name=name,
        steps=levels.size,
        weight_bits=own * index.size,
        stored_bits=(levels.size - 1).bit_length() * index.size + own * levels.size,
    )


def _bits(tensor: Tensor) -> int:
    if tensor.format:
        return tensor.format.bits
    return int(tensor.dtype.removeprefix("u").removeprefix("int"))
