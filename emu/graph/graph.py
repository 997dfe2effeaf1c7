"""Graph: an immutable list of nodes over named tensors, float or integer.

Nodes stand in execution order and each makes one tensor. Whatever the model's
numbers mean is in the graph: an integer Graph states all that the accelerator
computes.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

import numpy as np

from emu.fixedpoint import IntFormat, QParams
from emu.ops import Op

Shape = tuple[int | None, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Golden:
    """Which tensor of the source model equals this one.

    `name` is the tensor's name there; transposing it by `perm` gives our layout.
    """

    name: str
    perm: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tensor:
    """What is known of a tensor. In `shape` None is the free batch axis, always first.

    A graph whose inputs have none is static: it runs on whole arrays of one shape.

    `format` and `qparams` tell what the integers of a quantized tensor mean; both are
    None for float tensors and for accumulators.
    """

    shape: Shape
    dtype: str = "float32"
    format: IntFormat | None = None
    qparams: QParams | None = None
    golden: Golden | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """One operator: operands by name, one result, the layer it was made for.

    `name` is unique. `layer` is the name of the float node an integer node belongs
    to; several integer nodes (conv2d, rescale, clamp) make one layer.
    """

    name: str
    op: Op
    inputs: tuple[str, ...]
    output: str
    layer: str = ""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Graph:
    """Inputs, nodes in execution order, constants, outputs.

    `tensors` describes inputs and results of nodes; `constants` holds the arrays
    (weights, multipliers, tables), read only. `provenance` is JSON data: source
    file and digest, target, recipe, calibration, versions.
    """

    name: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    nodes: tuple[Node, ...]
    tensors: Mapping[str, Tensor]
    constants: Mapping[str, np.ndarray]
    provenance: Mapping[str, object] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Make the mappings and the arrays read only."""
        for mapping in ("tensors", "constants", "provenance"):
            frozen = MappingProxyType(dict(getattr(self, mapping)))
            object.__setattr__(self, mapping, frozen)
        for array in self.constants.values():
            array.flags.writeable = False


def is_static(graph: Graph) -> bool:
    """Whether no input has a free batch axis (so for a graph without inputs)."""
    return all(None not in graph.tensors[name].shape for name in graph.inputs)


def producers(graph: Graph) -> dict[str, Node]:
    """Tensor name -> the node that makes it."""
    return {node.output: node for node in graph.nodes}


def consumers(graph: Graph) -> dict[str, list[Node]]:
    """Tensor name -> the nodes that read it, in order (no entry: nobody)."""
    found: dict[str, list[Node]] = {}
    for node in graph.nodes:
        for name in dict.fromkeys(node.inputs):
            found.setdefault(name, []).append(node)
    return found


def without_dead(graph: Graph, outputs: Iterable[str] | None = None) -> Graph:
    """Keep only what the outputs need; inputs stay, names stay.

    `outputs` replaces the graph's outputs when given.
    """
    wanted = tuple(graph.outputs if outputs is None else outputs)
    needed, kept = set(wanted), []
    for node in reversed(graph.nodes):
        if node.output in needed:
            kept.append(node)
            needed.update(node.inputs)
    needed.update(graph.inputs)
    return Graph(
        name=graph.name,
        inputs=graph.inputs,
        outputs=wanted,
        nodes=tuple(reversed(kept)),
        tensors={k: v for k, v in graph.tensors.items() if k in needed},
        constants={k: v for k, v in graph.constants.items() if k in needed},
        provenance=graph.provenance,
    )
