"""Which tensors of an integer Graph are compared with which golden tensors.

Two rewrites give Graphs whose inputs are the golden tensors: `cumulative` keeps the
whole integer network, `isolated` feeds every layer with the golden inputs, so that
only this layer's own quantization shows.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from emu.execute import accumulation_bound, safe_accumulator_bits
from emu.fixedpoint import Accumulator, IntFormat, QParams, Stage
from emu.graph import (
    Graph,
    GraphBuilder,
    Node,
    Tensor,
    fold_constants,
    producers,
)
from emu.ops import (
    Accumulating,
    FloatCast,
    FloatType,
    Quantize,
    Reshape,
    Transpose,
)

GOLDEN = "golden:"


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """One row of the comparison.

    `tensor` is the integer result; `golden` the input that holds its golden values;
    `sums` the accumulators before any overflow, if the layer sums products;
    `watched` instead the node whose register overflows on the way; `safe_bits` the
    width of a register that no input could overflow (0 without sums).
    """

    name: str
    op: str
    tensor: str
    golden: str
    format: IntFormat
    qparams: QParams
    sums: str | None = None
    watched: Node | None = None
    accumulator: Accumulator | None = None
    safe_bits: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """A Graph over golden inputs, and its layers in execution order."""

    graph: Graph
    layers: tuple[Layer, ...]


def results(graph: Graph) -> dict[str, str]:
    """Layer name -> its result: the last quantized tensor of it with a golden.

    Layers that only move values (Reshape, Transpose) have nothing to compare.
    """
    found: dict[str, str] = {}
    for node in graph.nodes:
        tensor = graph.tensors[node.output]
        moves = isinstance(node.op, Reshape | Transpose)
        if tensor.qparams and tensor.golden and node.layer and not moves:
            found[node.layer] = node.output
    order = {node.output: index for index, node in enumerate(graph.nodes)}
    return dict(sorted(found.items(), key=lambda item: order[item[1]]))


def cumulative(graph: Graph) -> Comparison:
    """The whole integer network; every layer's result beside its golden values."""
    graph = fold_constants(graph)
    builder = _Rewriter(graph)
    names = {name: builder.input(name) for name in graph.inputs}
    for node in graph.nodes:
        names[node.output] = builder.copy(node, names)
    layers = [
        builder.layer(layer, tensor, names[tensor], graph.nodes)
        for layer, tensor in results(graph).items()
    ]
    return builder.finish(layers)


def isolated(graph: Graph) -> Comparison:
    """Each layer alone on golden inputs.

    A layer without golden values of its own (a transposition between layouts, say)
    counts as part of the layers that read it.
    """
    graph = fold_constants(graph)
    builder = _Rewriter(graph)
    makers = producers(graph)
    layers = []
    for layer, tensor in results(graph).items():
        needed = _own_nodes(graph, makers, layer, tensor)
        names: dict[str, str] = {}
        for node in needed:
            for operand in node.inputs:
                if operand not in names and operand not in graph.constants:
                    names[operand] = builder.golden_operand(operand)
            names[node.output] = builder.copy(node, names)
        layers.append(builder.layer(layer, tensor, names[tensor], needed))
    return builder.finish(layers)


def _own_nodes(
    graph: Graph, makers: dict[str, Node], layer: str, tensor: str
) -> list[Node]:
    """Nodes of a layer, and of golden-less layers before it, in execution order."""
    wanted, needed = [tensor], set()
    while wanted:
        name = wanted.pop()
        node = makers.get(name)
        if node is None or name in needed:
            continue
        if node.layer != layer and graph.tensors[name].golden:
            continue
        needed.add(name)
        wanted.extend(node.inputs)
    return [node for node in graph.nodes if node.output in needed]


def characteristic(members: list[Node]) -> str:
    """The operator that a layer is about: the first that is not a change of scale."""
    names = [type(node.op).__name__ for node in members]
    return next((n for n in names if n not in ("Rescale", "Quantize")), names[-1])


class _Rewriter:
    """Copies nodes of a Graph into a new one, with golden tensors as inputs."""

    def __init__(self, graph: Graph) -> None:
        self.source = graph
        self.builder = GraphBuilder(graph.name)
        self.quantized: dict[str, str] = {}
        self.halves: dict[str, str] = {}
        self.outputs: list[str] = []

    def input(self, name: str) -> str:
        return self.builder.input(name, self.source.tensors[name])

    def golden_input(self, tensor: str) -> str:
        """The input with the golden values of a tensor, in our layout."""
        described = self.source.tensors[tensor]
        name = f"{GOLDEN}{tensor}"
        if described.golden:
            axes = "".join(map(str, described.golden.perm))
            name = f"{GOLDEN}{described.golden.name}@{axes}"
        if name not in self.builder.tensors:
            self.builder.input(
                name, Tensor(shape=described.shape, golden=described.golden)
            )
        return name

    def golden_operand(self, tensor: str) -> str:
        """The golden values of an operand, quantized or halved if the operand is."""
        described = self.source.tensors[tensor]
        golden = self.golden_input(tensor)
        if described.dtype == "float16":
            return self._halved(golden)
        if not (described.format and described.qparams):
            return golden
        if tensor not in self.quantized:
            op = Quantize(format=described.format, qparams=described.qparams)
            self.quantized[tensor] = self.builder.add(op, (golden,), f"{golden}:q")
        return self.quantized[tensor]

    def _halved(self, golden: str) -> str:
        if golden not in self.halves:
            op = FloatCast(dtype=FloatType.FLOAT16)
            self.halves[golden] = self.builder.add(op, (golden,), f"{golden}:float16")
        return self.halves[golden]

    def copy(self, node: Node, names: dict[str, str]) -> str:
        """Add a node with renamed operands; the name of its new result."""
        operands = tuple(self._operand(name, names) for name in node.inputs)
        tensor = self.source.tensors[node.output]
        return self.builder.add(
            node.op,
            operands,
            node.output,
            name=node.name,
            layer=node.layer,
            format=tensor.format,
            qparams=tensor.qparams,
            golden=tensor.golden,
        )

    def _operand(self, name: str, names: dict[str, str]) -> str:
        if name in self.source.constants:
            self.builder.constants.setdefault(name, self.source.constants[name])
            return name
        return names[name]

    def layer(
        self, name: str, tensor: str, copied: str, nodes: Iterable[Node]
    ) -> Layer:
        """Describe a row, and make its exact sums an output."""
        described = self.source.tensors[tensor]
        if described.format is None or described.qparams is None:
            raise KeyError(tensor)
        members = [node for node in nodes if node.layer == name]
        summing = [node for node in members if isinstance(node.op, Accumulating)]
        golden = self.golden_input(tensor)
        self.outputs += [copied, golden]
        found: dict[str, Any] = {}
        if summing:
            found = self._sums(copied, summing[-1])
        return Layer(
            name=name,
            op=characteristic(members),
            tensor=copied,
            golden=golden,
            format=described.format,
            qparams=described.qparams,
            **found,
        )

    def _sums(self, result: str, node: Node) -> dict[str, Any]:
        """The fields of a row that tell of its sums, and make them outputs."""
        makers = {n.output: n for n in self.builder.nodes}
        copy = makers[result]
        while not isinstance(copy.op, Accumulating):
            copy = makers[copy.inputs[0]]
        accumulator = copy.op.accumulator
        found = {
            "accumulator": accumulator,
            "safe_bits": safe_accumulator_bits(self.source, node),
        }
        if accumulator.saturate is not Stage.END:
            self.outputs += copy.inputs
            return {**found, "watched": copy}
        exact = copy.output
        if accumulation_bound(self.source, node) > accumulator.max:
            wide = replace(copy.op, accumulator=Accumulator(bits=48))
            exact = self.builder.add(wide, copy.inputs, f"{copy.output}:exact")
        self.outputs.append(exact)
        return {**found, "sums": exact}

    def finish(self, layers: list[Layer]) -> Comparison:
        outputs = tuple(dict.fromkeys(self.outputs))
        return Comparison(graph=self.builder.build(outputs), layers=tuple(layers))
