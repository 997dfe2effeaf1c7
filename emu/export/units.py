"""The parts of an integer program that a test bench checks one at a time.

A unit is one integer node, or an accumulating one with the rescale and the clamp that
alone follow it: what hardware builds as one block.
"""

import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, get_args

import numpy as np

from emu.export.hexfile import Coding, WordFormat
from emu.graph import Graph, Node, consumers
from emu.ops import KERNELS, Accumulating, Clamp, Op, Rescale

# What a kernel calls an operand -> what its file is called; others keep their name.
_FILE_NAMES: Final[Mapping[str, str]] = MappingProxyType(
    {"x": "input", "y": "input_2", "w": "weight", "entries": "table"}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Port:
    """One array of a unit: its file's name, the tensor or constant, and its axes."""

    role: str
    tensor: str
    axes: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Unit:
    """Nodes that run as one block, and the arrays that go in, through and out.

    `number` counts all units of the program, so that it names the same unit whatever
    is selected.
    """

    number: int
    layer: str
    nodes: tuple[Node, ...]
    ports: tuple[Port, ...]


def op_name(op: Op) -> str:
    """The operator's name as in TOSA: conv2d, avg_pool2d."""
    return KERNELS[type(op)].__name__.rstrip("_")  # slice_ spares Python's own


def split(graph: Graph) -> tuple[tuple[Unit, ...], tuple[Node, ...]]:
    """The units of a program in order, and the nodes that compute in float."""
    readers = consumers(graph)
    taken: set[str] = set()
    units: list[Unit] = []
    floats = []
    for node in graph.nodes:
        if node.name in taken:
            continue
        if not _is_integer(graph, node):
            floats.append(node)
            continue
        chain = _chain(graph, node, readers)
        taken.update(part.name for part in chain)
        units.append(
            Unit(
                number=len(units),
                layer=node.layer or node.name,
                nodes=chain,
                ports=_ports(chain),
            )
        )
    return tuple(units), tuple(floats)


def _is_integer(graph: Graph, node: Node) -> bool:
    """Whether a node takes and makes integers (constants may be float multipliers)."""
    names = [n for n in (*node.inputs, node.output) if n not in graph.constants]
    return all(np.dtype(graph.tensors[n].dtype).kind in "iub" for n in names)


def _chain(
    graph: Graph, node: Node, readers: Mapping[str, list[Node]]
) -> tuple[Node, ...]:
    """The node, and after an accumulating one its rescale and its clamp."""
    chain = [node]
    if not isinstance(node.op, Accumulating):
        return (node,)
    for kind in (Rescale, Clamp):
        last = chain[-1].output
        after = readers.get(last, [])
        if (
            len(after) != 1
            or last in graph.outputs
            or not isinstance(after[0].op, kind)
        ):
            break
        chain.append(after[0])
    return tuple(chain)


def _ports(chain: tuple[Node, ...]) -> tuple[Port, ...]:
    """Operands of the chain, the accumulator inside it, and what must come out."""
    first, *others = chain
    axes = _axes(inspect.signature(KERNELS[type(first.op)]).return_annotation)
    ports = _operands(first)
    if others:
        ports.append(Port(role="accumulator", tensor=first.output, axes=axes))
    inner = {node.output for node in chain}
    for node in others:
        ports += [port for port in _operands(node) if port.tensor not in inner]
    ports.append(Port(role="expected", tensor=chain[-1].output, axes=axes))
    return tuple(ports)


def _operands(node: Node) -> list[Port]:
    """Each operand of a node, named and laid out as the kernel's signature says."""
    _, *parameters = inspect.signature(KERNELS[type(node.op)]).parameters.values()
    named = [p for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD]
    rest = [p for p in parameters if p.kind is p.VAR_POSITIONAL]
    ports = []
    for i, operand in enumerate(node.inputs):
        if i < len(named):
            name = _FILE_NAMES.get(named[i].name, named[i].name)
            annotation = named[i].annotation
        else:
            name, annotation = f"input_{i + 1}", rest[0].annotation
        ports.append(Port(role=name, tensor=operand, axes=_axes(annotation)))
    return ports


def _axes(annotation: object) -> str:
    """The axis letters of a jaxtyping annotation, or of the first of a union."""
    member = (get_args(annotation) or (annotation,))[0]
    return str(getattr(member, "dim_str", "...")).strip()


def word_format(graph: Graph, unit: Unit, port: Port) -> WordFormat:
    """The declared width of an array: what the hardware stores, not what we store.

    In this order: the format of a quantized tensor; the width of an accumulator; for
    weights the width that the target has; else the dtype.
    """
    tensor = graph.tensors.get(port.tensor)
    if tensor is not None and tensor.format is not None:
        coding = Coding.INT if tensor.format.signed else Coding.UINT
        return WordFormat(tensor.format.bits, coding)
    maker = unit.nodes[0]
    if port.tensor == maker.output and isinstance(maker.op, Accumulating):
        return WordFormat(maker.op.accumulator.bits)
    if tensor is not None:
        return WordFormat.of_dtype(np.dtype(tensor.dtype))
    values = graph.constants[port.tensor]
    held = WordFormat.of_dtype(values.dtype)
    if port.role != "weight":
        return held
    narrow = WordFormat(_weight_bits(graph) or held.bits, held.coding)
    return narrow if narrow.holds(values) else held


def _weight_bits(graph: Graph) -> int | None:
    """Bits of a weight as the program's target records them."""
    target = graph.provenance.get("target")
    weight = target.get("weight") if isinstance(target, dict) else None
    bits = weight.get("bits") if isinstance(weight, dict) else None
    return bits if isinstance(bits, int) and 1 <= bits <= 64 else None
