"""Multiply-accumulates: how many each node does, and on which numbers a Graph does them."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from typing import Any, Final

import numpy as np

from emu.graph.graph import Graph, Node, Tensor
from emu.ops import (
    Accumulating,
    BatchGemm,
    BatchMatMul,
    Clamp,
    Conv,
    ConvTranspose,
    Dequantize,
    FloatCast,
    Gemm,
    Quantize,
    Rescale,
    TransposeConv2d,
)

# What surrounds the operator that a layer is about.
AROUND: Final = (Rescale, Quantize, Dequantize, FloatCast, Clamp)
_SUMMING = Accumulating | Conv | ConvTranspose | Gemm | BatchGemm
# Widths in which weights are stored.
_WIDTHS: Final = (2, 4, 8, 16, 32, 64)


@dataclass(frozen=True, slots=True, kw_only=True)
class MacShares:
    """Multiply-accumulates for one sample, by the numbers that are multiplied.

    Fields:
        integer: those on integers, by bits of activations and of weights. Weights
            count with the least of 2, 4, 8, 16 bits that holds them.
        floating: those on reals, by dtype (float16, float32).
        float_layers: names of the layers whose result is real, in execution order,
            layers without products among them; not the changes between formats.
    """

    integer: Mapping[tuple[int, int], int]
    floating: Mapping[str, int]
    float_layers: tuple[str, ...]

    @property
    def integer_macs(self) -> int:
        """Multiply-accumulates on integers."""
        return sum(self.integer.values())

    @property
    def macs(self) -> int:
        """All multiply-accumulates."""
        return self.integer_macs + sum(self.floating.values())

    @property
    def integer_share(self) -> float:
        """Share of all that runs on integers, 0..1; 1 where there is none at all."""
        return self.integer_macs / self.macs if self.macs else 1.0

    @property
    def by_width(self) -> dict[str, int]:
        """Counts by name: a16w8 (bits of activations and weights), float16, float32."""
        widths = sorted(self.integer.items(), reverse=True)
        return {f"a{a}w{w}": count for (a, w), count in widths} | dict(self.floating)

    def to_json(self) -> dict[str, Any]:
        """The stable names."""
        return {
            "integer_mac_share": self.integer_share,
            "macs_by_width": self.by_width,
            "float_layers": list(self.float_layers),
        }


def mac_shares(graph: Graph) -> MacShares:
    """Count the multiply-accumulates of a Graph, float or integer."""
    integer, floating = Counter[tuple[int, int]](), Counter[str]()
    ends: dict[str, str] = {}
    about: set[str] = set()
    for node in graph.nodes:
        layer = node.layer or node.name
        ends[layer] = graph.tensors[node.output].dtype
        if not isinstance(node.op, AROUND):
            about.add(layer)
        count = node_macs(graph, node)
        if isinstance(node.op, Accumulating):
            integer[_bits(graph, node.inputs[0]), _bits(graph, node.inputs[1])] += count
        elif count:
            floating[str(_operand(graph, node.inputs[0]).dtype)] += count
    return MacShares(
        integer=integer,
        floating=dict(sorted(floating.items())),
        float_layers=tuple(
            name
            for name, dtype in ends.items()
            if name in about and dtype.startswith("float")
        ),
    )


def node_macs(graph: Graph, node: Node) -> int:
    """Multiply-accumulates for one sample; 0 for a node that sums no products.

    Each weight meets each position of the result; of the operand, where a convolution
    is transposed. Padding counts.
    """
    if not isinstance(node.op, _SUMMING):
        return 0
    x, w = (_shape(graph, name) for name in node.inputs[:2])
    result = _shape(graph, node.output)
    if isinstance(node.op, BatchGemm | BatchMatMul):
        # Two activations: rows of the first by columns of the second.
        return prod(result) * x[-1]
    transposed = isinstance(node.op, ConvTranspose | TransposeConv2d)
    positions = x if transposed else result
    return prod(positions) // positions[-1] * prod(w)


def _operand(graph: Graph, name: str) -> Tensor | np.ndarray:
    found = graph.constants.get(name)
    return graph.tensors[name] if found is None else found


def _shape(graph: Graph, name: str) -> tuple[int, ...]:
    """The shape of one sample."""
    return tuple(size for size in _operand(graph, name).shape if size is not None)


def _bits(graph: Graph, name: str) -> int:
    """Bits of the integers of an operand."""
    found = _operand(graph, name)
    if isinstance(found, Tensor):
        dtype = np.dtype(found.dtype)
        return found.format.bits if found.format else 8 * dtype.itemsize
    if not found.size:
        return _WIDTHS[0]
    ends = (int(found.min()), int(found.max()))
    signed = found.dtype.kind == "i"
    needed = max(v.bit_length() if v >= 0 else (~v).bit_length() for v in ends) + signed
    return next(width for width in _WIDTHS if width >= needed)
