"""Lowering: where each tensor of a float Graph stands in the integer Graph being made.

Every tensor of the float Graph may exist in the result three times: as float32, as
float16 and as integers. Each layer asks for its operands in the form that it needs;
`quantize`, `dequantize` and `float_cast` nodes appear where the forms meet. A following Relu or Clip is lowered
together with its producer, as accelerators do.
"""

from typing import Final

import jax.numpy as jnp
import numpy as np

from emu.errors import ConfigError, EmuError, GraphError
from emu.fixedpoint import Accumulator, IntFormat, RescaleScheme, encode_scale
from emu.graph import Graph, GraphBuilder, Node
from emu.ops import (
    Clamp,
    Clip,
    Conv,
    Dequantize,
    FloatCast,
    FloatType,
    Gemm,
    Op,
    Rescale,
    to_half,
)
from emu.quantize.forms import Source
from emu.quantize.fusion import activations_after
from emu.quantize.parameters import Form, to_integers
from emu.targets import ScaleProduct, Target, find_target

_TO_HALF: Final = FloatCast(dtype=FloatType.FLOAT16)
_TO_SINGLE: Final = FloatCast(dtype=FloatType.FLOAT32)


class Lowering:
    """The state of one lowering: the graph so far, and where each tensor is."""

    def __init__(
        self, graph: Graph, source: Source, target: Target, *, uniform: bool = False
    ) -> None:
        """Prepare; the graph inputs exist as reals, or as integers if so stated.

        `uniform`: fused activations clamp also where their format does it for them.
        """
        self.graph = graph
        self.source = source
        self.uniform = uniform
        self.narrow = self.wide = self.target = target
        if target.operators.wide:
            self.wide = find_target(target.operators.wide)
        self.builder = GraphBuilder(graph.name)
        self.fused = fused_activations(graph, source)
        self.reals: dict[str, str] = {}
        self.halves: dict[str, str] = {}
        self.integers: dict[str, str] = {}
        self.constant_forms: dict[str, Form] = {}
        self.weight_scales: dict[str, object] = {}
        for name in graph.inputs:
            stated = source.integer_input(name)
            known = self.reals if stated is None else self.integers
            tensor = graph.tensors[name] if stated is None else stated
            known[name] = self.builder.input(name, tensor)

    def result(self, node: Node) -> str:
        """The tensor that a layer makes, its fused activation included."""
        return (
            self.fused[node.output].output if node.output in self.fused else node.output
        )

    def choose_target(self, node: Node) -> None:
        """Let `target` be the one that computes a layer: it depends on the widths."""
        forms = [self.source.form(self.result(node))]
        forms += [
            self.form(self.integers[x]) for x in node.inputs if x in self.integers
        ]
        is_wide = any(form.format.bits > 8 for form in forms)
        self.target = self.wide if is_wide else self.narrow

    def accumulator(self, node: Node, operand: IntFormat) -> Accumulator:
        """The accumulator for a layer's products whose wider operand has that format."""
        own = self.target.rescale.layer.get(_kind(node))
        register = self.target.accumulator
        if own and own.wide_bits:
            register = register.model_copy(update={"wide_bits": own.wide_bits})
        return register.of(operand.bits)

    def form(self, integer: str) -> Form:
        """The form of an integer tensor made so far."""
        if integer in self.constant_forms:
            return self.constant_forms[integer]
        found = self.builder.tensors[integer]
        if found.qparams is None or found.format is None:
            raise GraphError("an integer tensor without a scale", where=integer)
        return Form(found.format, found.qparams)

    def integer(self, tensor: str, layer: str) -> str:
        """The integer form of a float tensor, quantized on first demand."""
        if tensor in self.integers:
            return self.integers[tensor]
        if tensor in self.graph.constants:
            made = self._integer_constant(tensor)
        else:
            form = self.source.form(tensor)
            op = self.source.quantize(tensor)
            owner = tensor if tensor in self.graph.inputs else layer
            real = self.reals.get(tensor) or self.halves[tensor]
            made = self.add(op, (real,), tensor, form, owner)
        self.integers[tensor] = made
        return made

    def _integer_constant(self, tensor: str) -> str:
        values, form = self.source.constant(tensor)
        name = self.builder.constant(self.source.integer_name(tensor), values)
        self.constant_forms[name] = form
        return name

    def real(
        self, tensor: str, layer: str = "", precision: FloatType = FloatType.FLOAT32
    ) -> str:
        """A float form of a tensor, made on first demand of `layer`."""
        if precision is FloatType.FLOAT16 and self._is_real(tensor):
            return self._half(tensor, layer)
        if tensor in self.graph.constants:
            if tensor not in self.builder.constants:
                self.builder.constant(tensor, self.graph.constants[tensor])
            return tensor
        if tensor not in self.reals:
            self.reals[tensor] = self._single(tensor)
        return self.reals[tensor]

    def _is_real(self, tensor: str) -> bool:
        """Whether a tensor of the float Graph holds reals, not counts or conditions."""
        described = self.graph.constants.get(tensor)
        dtype = (
            self.graph.tensors[tensor].dtype if described is None else described.dtype
        )
        return str(dtype) == "float32"

    def _single(self, tensor: str) -> str:
        """The node that makes float32 of another form."""
        name = self.source.real_name(tensor)
        if tensor in self.halves:
            source, op, what = self.halves[tensor], _TO_SINGLE, "float32"
        else:
            source = self.integers[tensor]
            op, what = Dequantize(qparams=self.form(source).qparams), "dequantize"
        return self.builder.add(
            op,
            (source,),
            name,
            name=f"{name}:{what}",
            golden=self.source.real_golden(tensor),
        )

    def _half(self, tensor: str, layer: str) -> str:
        """The float16 form of a tensor."""
        if tensor not in self.halves:
            name = self.half_name(tensor)
            if tensor in self.graph.constants:
                values = self._half_constant(tensor, layer)
                self.halves[tensor] = self.builder.constant(name, values)
            else:
                self.halves[tensor] = self.builder.add(
                    _TO_HALF,
                    (self.real(tensor),),
                    name,
                    golden=self.source.real_golden(tensor),
                )
        return self.halves[tensor]

    def half_name(self, tensor: str) -> str:
        """What the float16 form of a float tensor is called."""
        return f"{self.source.real_name(tensor)}:float16"

    def _half_constant(self, tensor: str, layer: str) -> np.ndarray:
        values = self.graph.constants[tensor]
        half = np.asarray(to_half(jnp.asarray(values)))
        lost = np.isfinite(values) & ~np.isfinite(half)
        if lost.any():
            raise ConfigError(
                f"constant {tensor!r} holds {values[lost][0]:g}, float16 ends at 65504; "
                'execute = "float32" keeps it',
                where=layer,
            )
        return half

    def add(
        self, op: Op, inputs: tuple[str, ...], tensor: str, form: Form, layer: str
    ) -> str:
        """Append the node that makes the integer form of a float tensor."""
        made = self.builder.add(
            op,
            inputs,
            self.source.integer_name(tensor),
            layer=layer,
            format=form.format,
            qparams=form.qparams,
            golden=self.source.golden(tensor),
        )
        self.integers[tensor] = made
        return made

    def scratch(self, op: Op, inputs: tuple[str, ...], node: Node, what: str) -> str:
        """Append a node making an intermediate tensor `result:what` of a layer."""
        return self.builder.add(
            op, inputs, f"{self.result(node)}:{what}", layer=node.name
        )

    def scheme(self, node: Node, form: Form) -> RescaleScheme:
        """The scheme that the target rescales this kind of layer by."""
        return self._rule(node, form.format)[0]

    def product(self, node: Node, form: Form) -> ScaleProduct:
        """How the target multiplies scales for this kind of layer."""
        return self._rule(node, form.format)[1]

    def _rule(self, node: Node, fmt: IntFormat) -> tuple[RescaleScheme, ScaleProduct]:
        return self.target.rescale.of(_kind(node), fmt)

    def factor(
        self, node: Node, x: Form, weights: np.ndarray | float, y: Form
    ) -> np.ndarray:
        """The real factor x scale * weight scale / y scale as the target computes it."""
        product = self.product(node, y)
        wide = np.atleast_1d(np.asarray(weights, np.float64))
        if product is ScaleProduct.FLOAT32_PER_TENSOR:
            one = wide.size == 1
            product = ScaleProduct.FLOAT32_INPUT if one else ScaleProduct.FLOAT64
        if product is ScaleProduct.FLOAT64:
            return x.scale * wide / y.scale
        narrow = np.float32(x.scale) * wide.astype(np.float32)
        if product is ScaleProduct.FLOAT32:
            narrow = narrow / np.float32(y.scale)
            return narrow.astype(np.float64)
        return narrow.astype(np.float64) / y.scale

    def rescale_factors(
        self, name: str, scale: np.ndarray | float, scheme: RescaleScheme
    ) -> tuple[str, str]:
        """Constants holding multiplier and shift of real factors, one or one a channel."""
        try:
            multiplier, shift = encode_scale(
                np.atleast_1d(np.asarray(scale, np.float64)), scheme
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
        form: Form,
        *,
        x_zero_point: int = 0,
        operand: IntFormat | None = None,
    ) -> str:
        """Rescale to the result of a layer and clamp as its fused activation says.

        `operand` is that of `accumulator`, where products were summed.
        """
        result = self.result(node)
        scheme = self._rule(node, operand or form.format)[0]
        op = Rescale(
            scheme=scheme,
            format=form.format,
            x_zero_point=x_zero_point,
            zero_point=form.zero_point,
            overflow=form.overflow,
            rounding=self.target.rescale.rounding,
        )
        operands = (accumulator, *self.rescale_factors(result, scale, scheme))
        return self.clamped(node, op, operands, form)

    def clamped(self, node: Node, op: Op, operands: tuple[str, ...], form: Form) -> str:
        """The operator that ends a layer, then its fused activation if it has one."""
        result = self.result(node)
        limits = self._limits(node, form)
        if limits is None:
            return self.add(op, operands, result, form, node.name)
        wide = self.builder.add(
            op,
            operands,
            f"{result}:rescaled",
            layer=node.name,
            format=form.format,
            qparams=form.qparams,
        )
        clamp = Clamp(low=limits[0], high=limits[1])
        return self.add(clamp, (wide,), result, form, node.name)

    def _limits(self, node: Node, form: Form) -> tuple[int, int] | None:
        """Quantized limits of a fused activation, None if the format implies them."""
        if node.output not in self.fused:
            return None
        op = self.fused[node.output].op
        low, high = (op.low, op.high) if isinstance(op, Clip) else (0.0, np.inf)
        ends = np.clip([low, high], -1e30, 1e30)
        rounding = self.target.kernels.limit_rounding
        first, last = map(int, to_integers(ends, form.qparams, form.format, rounding))
        implied = (first, last) == (form.format.min, form.format.max)
        if implied and not self.uniform:
            return None
        return first, last


def _kind(node: Node) -> str:
    """What the rescale rules of a target call this layer."""
    if isinstance(node.op, Gemm):
        return node.op.kind.value
    grouped = isinstance(node.op, Conv) and node.op.groups > 1
    return "GroupedConv" if grouped else type(node.op).__name__


def fused_activations(graph: Graph, source: Source) -> dict[str, Node]:
    """Result of a layer -> the Relu or Clip that is lowered together with it."""
    ends = activations_after(graph)
    return {
        node.output: ends[node.output]
        for node in graph.nodes
        if node.output in ends and source.fuses(node, ends[node.output])
    }
