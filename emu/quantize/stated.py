"""Programs that are already quantized: from Quantize/Dequantize pairs to integers.

A frontend gives a quantized file as float layers between `Quantize` and `Dequantize`
nodes. `split` takes these away and keeps what they state, as a source of numbers for
the same lowering that calibrated models go through; the target then says how the
integers are computed. A layer with an operand or a result without stated form runs
in float, as the file says.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import jax
import jax.numpy as jnp
import numpy as np

from emu.errors import ConfigError, UnsupportedError
from emu.fixedpoint import IntFormat, Overflow, QParams, dequantize
from emu.graph import Golden, Graph, GraphBuilder, Node, Tensor, consumers, verify
from emu.ops import (
    Concat,
    Conv,
    ConvTranspose,
    Dequantize,
    FloatType,
    Gemm,
    Identity,
    MaxPool,
    Pad,
    Quantize,
    ReduceMax,
    ReduceMin,
    Reshape,
    Reverse,
    Slice,
    Transpose,
)
from emu.quantize.forms import edge_operator
from emu.quantize.layers import WEIGHT_SCALES, lower
from emu.quantize.parameters import Form, QuantizedWeights
from emu.targets import ActivationFormat, Target

_WEIGHTED = (Conv, ConvTranspose, Gemm)
# Layers that keep the integers of their operand: one form before and after.
_MOVES = MaxPool | Reshape | Transpose | Pad | Slice | Reverse | ReduceMax | ReduceMin


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """The integer tensor that a file states for a float one."""

    name: str
    form: Form
    golden: Golden | None
    made_by: Quantize | None = None


@dataclass(slots=True, kw_only=True, eq=False)
class Stated:
    """What a quantized file says of the tensors of its float Graph (a Source).

    `floats` is what layers run in that the file has in reals. `outputs` tells by which
    names the file's outputs leave, and whether as integers; `integers` holds the names
    of all integer tensors.
    """

    graph: Graph
    edge: ActivationFormat
    floats: FloatType = FloatType.FLOAT32
    entries: dict[str, Entry] = field(default_factory=dict)
    constants: dict[str, tuple[np.ndarray, QParams]] = field(default_factory=dict)
    inputs: dict[str, Tensor] = field(default_factory=dict)
    dequantized: dict[str, Golden | None] = field(default_factory=dict)
    outputs: list[tuple[str, str, bool]] = field(default_factory=list)
    integers: set[str] = field(default_factory=set)

    def form(self, tensor: str) -> Form:
        """As the file has it."""
        if tensor not in self.entries:
            raise ConfigError(f"the file states no form of tensor {tensor!r}")
        return self.entries[tensor].form

    def quantize(self, tensor: str) -> Quantize:
        """The file's own operator; TFLite leaves its rounding to the kernels."""
        entry = self.entries[tensor]
        if entry.made_by is None or self.graph.provenance.get("format") == "tflite":
            return edge_operator(entry.form, self.edge)
        return entry.made_by

    def is_quantized(self, tensor: str) -> bool:
        """Wherever the file has integers."""
        return tensor in self.entries

    def constant(self, tensor: str) -> tuple[np.ndarray, Form]:
        """As the file has it."""
        values, qparams = self.constants[tensor]
        return values, Form(_format_of(values), qparams)

    def weights(self, node: Node, x: Form) -> QuantizedWeights:
        """The file's integers; weights whose zero points differ lose them."""
        del x
        values, qparams = self.constants[node.inputs[1]]
        co = values.shape[-1]
        bias = np.zeros(co, np.int32)
        if len(node.inputs) > 2:
            bias = self.constants[node.inputs[2]][0]
        zero_point = qparams.zero_point[0]
        if any(z != zero_point for z in qparams.zero_point):
            points = np.array(qparams.zero_point, np.int16)
            values, zero_point = values.astype(np.int16) - points, 0
        scale = np.array(qparams.scale, np.float64)
        return QuantizedWeights(
            weights=values, bias=bias, scale=scale, zero_point=zero_point
        )

    def precision(self, node: Node, result: str) -> FloatType | None:
        """As the target runs layers in float, if the file has reals in them."""
        return None if self._is_integer(node, result) else self.floats

    def moved_form(self, tensor: str) -> Form | None:
        """The file has them all."""
        del tensor

    def _is_integer(self, node: Node, result: str) -> bool:
        """Whether every operand and the result have integers in the file."""
        if result not in self.entries:
            return False
        operands = node.inputs[:1] if isinstance(node.op, _WEIGHTED) else node.inputs
        if not all(n in self.entries or n in self.constants for n in operands):
            return False
        if isinstance(node.op, _WEIGHTED):
            return self._has_integer_weights(node)
        if isinstance(node.op, _MOVES):
            return self._form_of(operands[0]) == self.entries[result].form
        return True

    def _form_of(self, tensor: str) -> Form:
        if tensor in self.entries:
            return self.entries[tensor].form
        return self.constant(tensor)[1]

    def _has_integer_weights(self, node: Node) -> bool:
        """Constant integers, with per-channel scales on the output channels only."""
        if not all(name in self.constants for name in node.inputs[1:]):
            return False
        values, qparams = self.constants[node.inputs[1]]
        return qparams.axis is None or qparams.axis % values.ndim == values.ndim - 1

    def integer_name(self, tensor: str) -> str:
        """The file's own name of the integers."""
        return self.entries[tensor].name if tensor in self.entries else f"{tensor}:q"

    def real_name(self, tensor: str) -> str:
        """A name that no integers have."""
        leaves = (
            out for made, out, whole in self.outputs if made == tensor and not whole
        )
        name = next(leaves, tensor)
        return f"{name}:real" if name in self.integers else name

    def golden(self, tensor: str) -> Golden | None:
        """That of the integer tensor."""
        return self.entries[tensor].golden if tensor in self.entries else None

    def real_golden(self, tensor: str) -> Golden | None:
        """That of the file's own dequantized tensor, not of the reals before it."""
        return self.dequantized.get(tensor)

    def fuses(self, node: Node, after: Node) -> bool:
        """Where the file has no integers between the two layers."""
        del after
        return node.output not in self.entries

    def integer_input(self, name: str) -> Tensor | None:
        """Inputs that the file has as integers."""
        return self.inputs.get(name)


def is_stated(graph: Graph) -> bool:
    """Whether a Graph is a quantized file's: float layers between integer tensors."""
    edges = any(isinstance(node.op, Quantize | Dequantize) for node in graph.nodes)
    return edges and "target" not in graph.provenance


def lower_stated(
    graph: Graph, target: Target, provenance: Mapping[str, object] | None = None
) -> Graph:
    """The integer Graph that `target` runs for a quantized file.

    Integer inputs and outputs of the file stay integers.
    """
    stated = split(graph, target.activation)
    stated.floats = target.operators.precision
    state = lower(stated.graph, stated, target)
    outputs = tuple(
        state.integer(name, name) if whole else state.real(name)
        for name, _, whole in stated.outputs
    )
    record = {
        "target": target.model_dump(mode="json"),
        WEIGHT_SCALES: state.weight_scales,
        **(provenance or {}),
    }
    return verify(state.builder.build(outputs, {**graph.provenance, **record}))


def split(graph: Graph, edge: ActivationFormat) -> Stated:
    """The float layers of a stated Graph alone, and what it states of their tensors.

    `edge` says how a target makes integers of reals.
    """
    return _Splitter(graph, edge).split()


class _Splitter:
    """Names of the stated Graph -> names of the float Graph being made."""

    def __init__(self, graph: Graph, edge: ActivationFormat) -> None:
        self.graph = graph
        self.edge = edge
        self.builder = GraphBuilder(graph.name)
        self.readers = consumers(graph)
        self.names: dict[str, str] = {}
        self.entries: dict[str, Entry] = {}
        self.constants: dict[str, tuple[np.ndarray, QParams]] = {}
        self.inputs: dict[str, Tensor] = {}
        self.dequantized: dict[str, Golden | None] = {}
        self.integers: set[str] = set()

    def split(self) -> Stated:
        for name in self.graph.inputs:
            self._input(name)
        for node in self.graph.nodes:
            if isinstance(node.op, Quantize):
                self._quantize(node, node.op)
            elif isinstance(node.op, Dequantize):
                self._dequantize(node, node.op)
            else:
                self._layer(node)
        outputs = [
            (self.names[name], name, name in self.integers)
            for name in self.graph.outputs
        ]
        names = tuple(dict.fromkeys(made for made, _, _ in outputs))
        return Stated(
            graph=verify(self.builder.build(names, self.graph.provenance)),
            edge=self.edge,
            entries=self.entries,
            constants=self.constants,
            inputs=self.inputs,
            dequantized=self.dequantized,
            outputs=outputs,
            integers=self.integers,
        )

    def _input(self, name: str) -> None:
        tensor = self.graph.tensors[name]
        if tensor.qparams is None or tensor.format is None:
            self.names[name] = self.builder.input(name, tensor)
            return
        self.names[name] = self.builder.input(name, Tensor(shape=tensor.shape))
        self.inputs[name] = tensor
        self._state(name, name, tensor)

    def _state(
        self, real: str, name: str, tensor: Tensor, op: Quantize | None = None
    ) -> None:
        if tensor.format is None or tensor.qparams is None:
            raise UnsupportedError("integers without a scale", where=name)
        overflow = op.overflow if op else Overflow.SATURATE
        form = Form(tensor.format, tensor.qparams, overflow)
        self.entries[real] = Entry(
            name=name, form=form, golden=tensor.golden, made_by=op
        )
        self.integers.add(name)

    def _quantize(self, node: Node, op: Quantize) -> None:
        """Attach the form to the real tensor; a second form makes a layer of its own."""
        source = node.inputs[0]
        real, tensor = self.names[source], self.graph.tensors[node.output]
        shared = len(self.readers[source]) > 1 or source in self.graph.outputs
        if real in self.entries or shared or real in self.builder.constants:
            golden = self.graph.tensors[source].golden
            name = f"{node.output}:real"
            layer = node.layer or node.name
            real = self.builder.add(
                Identity(), (real,), name, name=node.name, layer=layer, golden=golden
            )
        self._state(real, node.output, tensor, op)
        self.names[node.output] = real

    def _dequantize(self, node: Node, op: Dequantize) -> None:
        source = node.inputs[0]
        if source in self.graph.constants:
            values = self.graph.constants[source]
            with jax.enable_x64(True):
                reals = np.asarray(dequantize(jnp.asarray(values), op.qparams))
            name = self.builder.constant(node.output, reals)
            self.constants[name] = (values, op.qparams)
            self.names[node.output] = name
            return
        real = self.names.get(source)
        if real is None or real not in self.entries:
            raise UnsupportedError(
                f"integers {source!r} that no Quantize node makes", where=node.name
            )
        if self.entries[real].form.qparams != op.qparams:
            raise UnsupportedError(
                f"{source!r} is read by another scale or zero point than it was "
                "written with",
                where=node.name,
            )
        self.names[node.output] = real
        if real not in self.dequantized or node.output in self.graph.outputs:
            self.dequantized[real] = self.graph.tensors[node.output].golden

    def _layer(self, node: Node) -> None:
        """A float layer, or one that moves integers: the same move of their reals."""
        moves = any(name in self.integers for name in node.inputs)
        if moves and not isinstance(node.op, _MOVES | Concat):
            raise UnsupportedError(
                f"{type(node.op).__name__} reads the integers of {node.inputs[0]!r} "
                "without a Dequantize",
                where=node.name,
            )
        operands = tuple(self._operand(name) for name in node.inputs)
        tensor = self.graph.tensors[node.output]
        op = node.op
        if moves and isinstance(op, Pad):
            form = self.entries[operands[0]].form
            op = replace(op, value=(op.value - form.zero_point) * form.scale)
        made = self.builder.add(
            op,
            operands,
            f"{node.output}:real" if moves else node.output,
            name=node.name,
            layer=node.layer,
            golden=None if moves else tensor.golden,
        )
        self.names[node.output] = made
        if moves:
            self._state(made, node.output, tensor)

    def _operand(self, name: str) -> str:
        if name in self.graph.constants and name not in self.names:
            values = self.graph.constants[name]
            self.names[name] = self.builder.constant(name, values)
        return self.names[name]


def _format_of(values: np.ndarray) -> IntFormat:
    return IntFormat(values.dtype.itemsize * 8, values.dtype.kind == "i")
