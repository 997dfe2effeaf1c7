"""Real edges: a Graph with integer inputs or outputs, made to take and give reals."""

from collections.abc import Container, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Final

from emu.fixedpoint import Rounding
from emu.graph.graph import Graph, Node, Tensor
from emu.ops import Dequantize, Quantize

# ONNX rounds to even everywhere; LiteRT's QUANTIZE rounds halves away from zero
# (lite/kernels/internal/reference/quantize.h, TfLiteRound).
_ROUNDING: Final[Mapping[str, Rounding]] = MappingProxyType(
    {"tflite": Rounding.HALF_AWAY}
)


def with_real_edges(graph: Graph) -> Graph:
    """Quantize each integer input from reals, dequantize each integer output to them.

    Only tensors that say what their integers mean (`qparams`) get such an edge. The
    integer tensors keep their names; the new input is called `name:real`, the new
    output `name:dequantized`. A graph without integer edges comes back as it is.
    """
    tensors = dict(graph.tensors)
    taken = graph.tensors.keys() | graph.constants.keys()
    rounding = _ROUNDING.get(str(graph.provenance.get("format")), Rounding.HALF_EVEN)
    before, after = {}, {}
    for name in graph.inputs:
        fmt, qparams = graph.tensors[name].format, graph.tensors[name].qparams
        if fmt and qparams:
            op = Quantize(format=fmt, qparams=qparams, rounding=rounding)
            real = _unused(f"{name}:real", taken)
            before[name] = _node(graph, op, name, real, name)
            tensors[real] = Tensor(shape=graph.tensors[name].shape)
    for name in graph.outputs:
        tensor = graph.tensors.get(name)
        if tensor and tensor.qparams:
            real = _unused(f"{name}:dequantized", taken)
            after[name] = _node(
                graph, Dequantize(qparams=tensor.qparams), name, name, real
            )
            tensors[real] = Tensor(shape=tensor.shape)
    if not before and not after:
        return graph
    return replace(
        graph,
        inputs=tuple(before[n].inputs[0] if n in before else n for n in graph.inputs),
        outputs=tuple(after[n].output if n in after else n for n in graph.outputs),
        nodes=(*before.values(), *graph.nodes, *after.values()),
        tensors=tensors,
    )


def _node(
    graph: Graph, op: Quantize | Dequantize, layer: str, source: str, made: str
) -> Node:
    name = f"{layer}:{type(op).__name__.lower()}"
    name = _unused(name, {node.name for node in graph.nodes})
    return Node(name=name, op=op, inputs=(source,), output=made, layer=layer)


def _unused(name: str, taken: Container[str]) -> str:
    while name in taken:
        name += "'"
    return name
