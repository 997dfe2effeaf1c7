"""What a Graph is made of: layers, MACs, parameters, and what a target cannot run."""

from collections import Counter
from dataclasses import asdict, dataclass
from enum import Enum
from math import prod
from typing import Any

import numpy as np

from emu.evaluate.compression import Compression, weight_compression
from emu.evaluate.kinds import Kind, kind_of
from emu.execute import accumulation_bound, choose_carriers
from emu.fixedpoint import Carrier, bits_needed
from emu.graph import (
    AROUND,
    Graph,
    MacShares,
    Node,
    fold_constants,
    mac_shares,
    node_macs,
)
from emu.ops import (
    Accumulating,
    BatchNormalization,
    Conv,
    Gemm,
)
from emu.optimize import run_passes
from emu.quantize import LOWERINGS
from emu.targets import Target


class Runs(Enum):
    """Where a layer runs: on the integer datapath, in float beside it, or nowhere yet.

    EDGE: the layer only changes between floats and integers.
    REFUSED: has no integer form; quantizing fails unless a recipe excludes it.
    """

    INTEGER = "integer"
    FLOAT = "float"
    EDGE = "edge"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sums:
    """The accumulators of a layer.

    Fields:
        bits, overflow: of the register that the graph states.
        worst_bits: signed bits that hold every partial sum whatever the input is,
            proved from the weights.
        carrier: the arithmetic that emulates it.
    """

    bits: int
    overflow: str
    worst_bits: int
    carrier: str

    @property
    def can_overflow(self) -> bool:
        """Whether some input could overflow the register."""
        return self.worst_bits > self.bits


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerInfo:
    """One layer; `shape` is that of its result for one sample.

    `dtype` is that of the result, for a float model with a target where it is real.
    `macs` are multiply-accumulates for one sample; `parameters` are weights and
    biases. `runs` is None for a float Graph without a target.
    """

    name: str
    op: str
    shape: tuple[int, ...]
    dtype: str
    macs: int
    parameters: int
    runs: Runs | None = None
    reason: str = ""
    sums: Sums | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TensorInfo:
    """A tensor of one sample."""

    name: str
    shape: tuple[int, ...]
    dtype: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Inspection:
    """What `emu inspect` tells.

    Fields:
        integer: whether this is an integer program.
        operators: how many nodes of each operator, most frequent first.
        tensors: how many tensors the nodes make.
        constant_bytes: size of weights, biases, factors and tables.
        largest: the tensor that takes most memory.
        target: that a program was made for, or that a float model was held against.
        shares: on which numbers a program multiplies; None for a float model.
        compression: of the weights, by codebooks.
    """

    name: str
    integer: bool
    inputs: tuple[TensorInfo, ...]
    outputs: tuple[TensorInfo, ...]
    operators: dict[str, int]
    layers: tuple[LayerInfo, ...]
    tensors: int
    constant_bytes: int
    largest: TensorInfo
    target: str | None
    compression: Compression
    shares: MacShares | None = None

    @property
    def macs(self) -> int:
        """Multiply-accumulates for one sample."""
        return sum(layer.macs for layer in self.layers)

    @property
    def parameters(self) -> int:
        """Weights and biases."""
        return sum(layer.parameters for layer in self.layers)

    def running(self, runs: Runs) -> tuple[LayerInfo, ...]:
        """The layers that run there."""
        return tuple(layer for layer in self.layers if layer.runs is runs)

    def to_json(self) -> dict[str, Any]:
        """The stable names of `emu inspect --json`."""
        return {
            "model": self.name,
            "kind": "integer" if self.integer else "float",
            "target": self.target,
            "inputs": [asdict(tensor) for tensor in self.inputs],
            "outputs": [asdict(tensor) for tensor in self.outputs],
            "operators": self.operators,
            "tensors": self.tensors,
            "largest_tensor": asdict(self.largest),
            "constant_bytes": self.constant_bytes,
            "macs": self.macs,
            **(self.shares.to_json() if self.shares else {}),
            "parameters": self.parameters,
            "weight_compression": self.compression.to_json(),
            "layers": [_layer_json(layer) for layer in self.layers],
        }


def inspect_graph(graph: Graph, target: Target | None = None) -> Inspection:
    """Describe an integer Graph, or a float one as quantization sees it.

    A float Graph is described after the passes that come before quantization (batch
    norms folded, layout changes merged), so that its layers have the names that
    recipes use; `target` then tells which of them run in integers.
    """
    recorded = graph.provenance.get("target")
    integer = kind_of(graph) is Kind.INTEGER
    name = str(recorded.get("name")) if isinstance(recorded, dict) else None
    shown = graph if integer else run_passes(graph)
    layers = (
        _program_layers(fold_constants(graph))
        if integer
        else _float_layers(shown, target)
    )
    made = [_tensor(shown, node.output) for node in shown.nodes]
    inputs = tuple(_tensor(shown, tensor) for tensor in shown.inputs)
    counts = Counter(type(node.op).__name__ for node in shown.nodes)
    return Inspection(
        name=graph.name,
        integer=integer,
        inputs=inputs,
        outputs=tuple(_tensor(shown, tensor) for tensor in shown.outputs),
        operators=dict(counts.most_common()),
        layers=layers,
        tensors=len(made),
        constant_bytes=sum(array.nbytes for array in shown.constants.values()),
        largest=max((*inputs, *made), key=_bytes),
        target=target.name if target else name,
        shares=mac_shares(graph) if integer else None,
        compression=weight_compression(graph),
    )


def _float_layers(graph: Graph, target: Target | None) -> tuple[LayerInfo, ...]:
    layers = []
    precision = target.operators.precision.value if target else ""
    for node in graph.nodes:
        runs, reason = (None, "") if target is None else _placed(graph, node, target)
        result = _tensor(graph, node.output)
        layers.append(
            LayerInfo(
                name=node.name,
                op=type(node.op).__name__,
                shape=result.shape,
                dtype=precision if runs is Runs.FLOAT else result.dtype,
                macs=node_macs(graph, node),
                parameters=_parameters(graph, node),
                runs=runs,
                reason=reason,
            )
        )
    return tuple(layers)


def _placed(graph: Graph, node: Node, target: Target) -> tuple[Runs, str]:
    """Where the target runs a float layer, and why not in integers."""
    kind = type(node.op).__name__
    if kind in target.operators.float:
        precision = target.operators.precision.value
        return Runs.FLOAT, f"{target.name} runs {kind} in {precision}"
    if type(node.op) not in LOWERINGS:
        return Runs.REFUSED, f"{kind} has no integer form; a recipe may exclude it"
    if isinstance(node.op, Conv | Gemm) and node.inputs[1] not in graph.constants:
        return Runs.REFUSED, "the weights are not constant; a recipe may exclude it"
    return Runs.INTEGER, ""


def _program_layers(graph: Graph) -> tuple[LayerInfo, ...]:
    """The layers of an integer Graph, each of several nodes, in execution order."""
    carriers = choose_carriers(graph)
    members: dict[str, list[Node]] = {}
    for node in graph.nodes:
        members.setdefault(node.layer or node.name, []).append(node)
    return tuple(
        _program_layer(graph, name, nodes, carriers) for name, nodes in members.items()
    )


def _program_layer(
    graph: Graph, name: str, nodes: list[Node], carriers: dict[str, Carrier]
) -> LayerInfo:
    core = [node for node in nodes if not isinstance(node.op, AROUND)]
    result = _tensor(graph, nodes[-1].output)
    in_float = result.dtype.startswith("float")
    sums = [_sums(graph, node, carriers) for node in core]
    return LayerInfo(
        name=name,
        op=type((core or nodes)[0].op).__name__,
        shape=result.shape,
        dtype=result.dtype,
        macs=sum(node_macs(graph, node) for node in core),
        parameters=sum(_parameters(graph, node) for node in core),
        runs=Runs.EDGE if not core else Runs.FLOAT if in_float else Runs.INTEGER,
        sums=next((found for found in sums if found), None),
    )


def _sums(graph: Graph, node: Node, carriers: dict[str, Carrier]) -> Sums | None:
    if not isinstance(node.op, Accumulating):
        return None
    bound = accumulation_bound(graph, node)
    accumulator = node.op.accumulator
    return Sums(
        bits=accumulator.bits,
        overflow=accumulator.overflow.value,
        worst_bits=bits_needed(-bound, bound),
        carrier=carriers[node.name].value,
    )


def _parameters(graph: Graph, node: Node) -> int:
    if not isinstance(node.op, Conv | Gemm | Accumulating | BatchNormalization):
        return 0
    held = (graph.constants.get(name) for name in node.inputs)
    return sum(array.size for array in held if array is not None)


def _tensor(graph: Graph, name: str) -> TensorInfo:
    if name in graph.constants:
        array = graph.constants[name]
        return TensorInfo(name=name, shape=array.shape, dtype=str(array.dtype))
    tensor = graph.tensors[name]
    shape = tuple(size for size in tensor.shape if size is not None)
    return TensorInfo(name=name, shape=shape, dtype=tensor.dtype)


def _bytes(tensor: TensorInfo) -> int:
    return prod(tensor.shape) * np.dtype(tensor.dtype).itemsize


def _layer_json(layer: LayerInfo) -> dict[str, Any]:
    found = asdict(layer)
    found["runs"] = layer.runs.value if layer.runs else None
    return found
