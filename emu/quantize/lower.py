"""Lowering: where each tensor of a float Graph stands in the integer Graph being made.

Every tensor of the float Graph may exist in the result twice: as reals under its own
name, and as integers under `name:q`. Each layer asks for its operands in the form
that it needs; `quantize` and `dequantize` nodes appear where the forms meet. A
following Relu or Clip is lowered together with its producer, as accelerators do.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

import numpy as np

from emu.calibrate import Calibration, Range
from emu.errors import ConfigError, EmuError, GraphError
from emu.fixedpoint import Accumulator, IntFormat, QParams, encode_scale
from emu.graph import Graph, GraphBuilder, Node, consumers, producers
from emu.ops import (
    Add,
    Clamp,
    Clip,
    Conv,
    Dequantize,
    Gemm,
    HardSigmoid,
    Mul,
    Op,
    Quantize,
    Relu,
    Rescale,
    Sigmoid,
    Sub,
)
from emu.quantize.parameters import activation_qparams, to_integers
from emu.quantize.recipe import Recipe, layer_settings
from emu.targets import Target

# Layers whose result goes through a rescale, so that a clamp can follow at no cost.
_RESCALING: Final = (Conv, Gemm, Add, Sub, Mul)
# The range of these is known without looking.
_KNOWN_RANGES: Final[Mapping[type[Op], Range]] = MappingProxyType(
    {Sigmoid: Range(low=0.0, high=1.0), HardSigmoid: Range(low=0.0, high=1.0)}
)


class Lowering:
    """The state of one lowering: the graph so far, and where each tensor is."""

    def __init__(
        self,
        graph: Graph,
        calibration: Calibration,
        recipe: Recipe,
        target: Target,
    ) -> None:
        """Prepare; the graph inputs exist as reals."""
        self.graph = graph
        self.calibration = calibration
        self.target = target
        self.settings = layer_settings(recipe, graph)
        self.builder = GraphBuilder(graph.name)
        self.fused = fused_activations(graph)
        self.makers = producers(graph)
        self.reals = {
            name: self.builder.input(name, graph.tensors[name]) for name in graph.inputs
        }
        self.integers: dict[str, str] = {}
        self.constant_qparams: dict[str, QParams] = {}

    @property
    def format(self) -> IntFormat:
        """The format of activations."""
        return IntFormat(self.target.activation.bits, self.target.activation.signed)

    @property
    def weight_format(self) -> IntFormat:
        """The format of weights."""
        return IntFormat(self.target.weight.bits)

    @property
    def accumulator(self) -> Accumulator:
        """The accumulator of every sum of products."""
        found = self.target.accumulator
        return Accumulator(found.bits, found.overflow)

    def result(self, node: Node) -> str:
        """The tensor that a layer makes, its fused activation included."""
        return (
            self.fused[node.output].output if node.output in self.fused else node.output
        )

    def qparams_for(self, tensor: str) -> QParams:
        """Scale and zero point of a float tensor from its range and settings."""
        maker = self.makers.get(tensor)
        known = _KNOWN_RANGES.get(type(maker.op)) if maker else None
        choice = self.settings[tensor].activation
        symmetric = (
            choice == "symmetric" if choice else self.target.activation.symmetric
        )
        found = known or self.calibration.ranges.get(tensor)
        if found is None:
            raise ConfigError(f"calibration gave no range for tensor {tensor!r}")
        return activation_qparams(found, self.format, symmetric=symmetric)

    def qparams(self, integer: str) -> QParams:
        """Scale and zero point of an integer tensor made so far."""
        if integer in self.constant_qparams:
            return self.constant_qparams[integer]
        found = self.builder.tensors[integer].qparams
        if found is None:
            raise GraphError("an integer tensor without a scale", where=integer)
        return found

    def integer(self, tensor: str, layer: str) -> str:
        """The integer form of a float tensor, quantized on first demand."""
        if tensor in self.integers:
            return self.integers[tensor]
        if tensor in self.graph.constants:
            made = self._integer_constant(tensor)
        else:
            made = self.add(
                Quantize(
                    format=self.format,
                    qparams=self.qparams_for(tensor),
                    rounding=self.target.activation.rounding,
                ),
                (self.reals[tensor],),
                tensor,
                self.qparams_for(tensor),
                layer if tensor in self.makers else tensor,
            )
        self.integers[tensor] = made
        return made

    def _integer_constant(self, tensor: str) -> str:
        values = self.graph.constants[tensor]
        found = Range(low=float(values.min()), high=float(values.max()))
        qparams = activation_qparams(
            found, self.format, symmetric=self.target.activation.symmetric
        )
        name = self.builder.constant(
            f"{tensor}:q", to_integers(values, qparams, self.format)
        )
        self.constant_qparams[name] = qparams
        return name

    def real(self, tensor: str) -> str:
        """The float form of a tensor, dequantized on first demand."""
        if tensor in self.graph.constants:
            if tensor not in self.builder.constants:
                self.builder.constant(tensor, self.graph.constants[tensor])
            return tensor
        if tensor not in self.reals:
            source = self.integers[tensor]
            self.reals[tensor] = self.builder.add(
                Dequantize(qparams=self.qparams(source)),
                (source,),
                tensor,
                name=f"{tensor}:dequantize",
                golden=self.graph.tensors[tensor].golden,
            )
        return self.reals[tensor]

    def add(
        self,
        op: Op,
        inputs: tuple[str, ...],
        tensor: str,
        qparams: QParams,
        layer: str,
    ) -> str:
        """Append the node that makes the integer form `tensor:q` of a float tensor."""
        made = self.builder.add(
            op,
            inputs,
            f"{tensor}:q",
            layer=layer,
            format=self.format,
            qparams=qparams,
            golden=self.graph.tensors[tensor].golden,
        )
        self.integers[tensor] = made
        return made

    def scratch(self, op: Op, inputs: tuple[str, ...], node: Node, what: str) -> str:
        """Append a node making an intermediate tensor `result:what` of a layer."""
        return self.builder.add(
            op, inputs, f"{self.result(node)}:{what}", layer=node.name
        )

    def rescale_factors(self, name: str, scale: np.ndarray | float) -> tuple[str, str]:
        """Constants holding multiplier and shift of real factors, one or one a channel.

        This is the only place where a real factor (input scale times weight scale
        over output scale, in float64) becomes a multiplier and a shift.
        """
        try:
            multiplier, shift = encode_scale(
                np.atleast_1d(np.asarray(scale, np.float64)), self.target.rescale.scheme
            )
        except EmuError as error:
            raise ConfigError(error.message, where=name) from error
        return (
            self.builder.constant(f"{name}:multiplier", multiplier),
            self.builder.constant(f"{name}:shift", shift),
        )

    def rescaled(
        self,
        node: Node,
        accumulator: str,
        scale: np.ndarray | float,
        qparams: QParams,
        *,
        x_zero_point: int = 0,
    ) -> str:
        """Rescale to the result of a layer and clamp as its fused activation says."""
        result = self.result(node)
        op = Rescale(
            scheme=self.target.rescale.scheme,
            format=self.format,
            x_zero_point=x_zero_point,
            zero_point=qparams.zero_point[0],
        )
        operands = (accumulator, *self.rescale_factors(result, scale))
        limits = self._limits(node, qparams)
        if limits is None:
            return self.add(op, operands, result, qparams, node.name)
        wide = self.builder.add(
            op,
            operands,
            f"{result}:rescaled",
            layer=node.name,
            format=self.format,
            qparams=qparams,
        )
        return self.add(
            Clamp(low=limits[0], high=limits[1]), (wide,), result, qparams, node.name
        )

    def _limits(self, node: Node, qparams: QParams) -> tuple[int, int] | None:
        """Quantized limits of a fused activation, None if the format implies them."""
        if node.output not in self.fused:
            return None
        op = self.fused[node.output].op
        low, high = (op.low, op.high) if isinstance(op, Clip) else (0.0, np.inf)
        ends = np.clip([low, high], -1e30, 1e30)
        first, last = map(int, to_integers(ends, qparams, self.format))
        if (first, last) == (self.format.min, self.format.max):
            return None
        return first, last


def fused_activations(graph: Graph) -> dict[str, Node]:
    """Result of a rescaling layer -> the Relu or Clip that alone reads it."""
    readers = consumers(graph)
    found = {}
    for node in graph.nodes:
        after = readers.get(node.output, [])
        alone = len(after) == 1 and node.output not in graph.outputs
        if not (isinstance(node.op, _RESCALING) and alone):
            continue
        if isinstance(after[0].op, Relu | Clip):
            found[node.output] = after[0]
    return found
