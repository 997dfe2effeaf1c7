"""Where the numbers of a lowering come from: the protocol, and calibration as a source.

A lowering asks for the integer form of each float tensor. Calibration gives it from
observed ranges; a file that is already quantized states it (`emu.quantize.stated`).
"""

from collections.abc import Mapping
from functools import partial
from types import MappingProxyType
from typing import Final, Protocol, runtime_checkable

import numpy as np

from emu.calibrate import Calibration, Range
from emu.errors import ConfigError, UnsupportedError
from emu.fixedpoint import IntFormat, QParams
from emu.graph import Golden, Graph, Node, Tensor, consumers, producers
from emu.ops import (
    FloatType,
    HardSigmoid,
    Op,
    PRelu,
    Quantize,
    Sigmoid,
    Softmax,
)
from emu.quantize.bias import corrected_bias
from emu.quantize.fusion import RESCALING
from emu.quantize.parameters import (
    Form,
    QuantizedWeights,
    activation_qparams,
    fixed_point_weights,
    quantize_weights,
    to_integers,
)
from emu.quantize.recipe import Recipe, Settings, check_widths, layer_settings
from emu.quantize.recorded import NO_FACTORS, Factors, weights_of_scale
from emu.quantize.weights import WeightMethod
from emu.targets import ActivationFormat, Target


@runtime_checkable
class Source(Protocol):
    """What a lowering needs to know of a float Graph's numbers."""

    def form(self, tensor: str) -> Form:
        """The integer form of a float tensor; ConfigError if there is none."""
        ...

    def quantize(self, tensor: str) -> Quantize:
        """The operator that makes the integer form of a tensor from its reals."""
        ...

    def precision(self, node: Node, result: str) -> FloatType | None:
        """What a layer is to run in, None: integers; `result` is its last tensor."""
        ...

    def moved_form(self, tensor: str) -> Form | None:
        """The form that the result of a layer which moves values is to have.

        None: that of its operand.
        """
        ...

    def is_quantized(self, tensor: str) -> bool:
        """Whether the result of a float layer passes on through its integer form."""
        ...

    def constant(self, tensor: str) -> tuple[np.ndarray, Form]:
        """A float constant that is an operand like any other, as integers."""
        ...

    def weights(self, node: Node, x: Form) -> QuantizedWeights:
        """Integer weights and bias of a layer that sums products."""
        ...

    def integer_name(self, tensor: str) -> str:
        """What the integer form of a float tensor is called."""
        ...

    def real_name(self, tensor: str) -> str:
        """What the reals of a float tensor are called."""
        ...

    def golden(self, tensor: str) -> Golden | None:
        """The tensor of the source model that an integer form stands for."""
        ...

    def real_golden(self, tensor: str) -> Golden | None:
        """The tensor of the source model that a dequantized form stands for."""
        ...

    def fuses(self, node: Node, after: Node) -> bool:
        """Whether a layer merges with the Relu or Clip that alone reads it."""
        ...

    def integer_input(self, name: str) -> Tensor | None:
        """What an input of the result is if it is integers, else None."""
        ...


# The range of these is known without looking.
_KNOWN_RANGES: Final[Mapping[type[Op], Range]] = MappingProxyType(
    {
        Sigmoid: Range(low=0.0, high=1.0),
        HardSigmoid: Range(low=0.0, high=1.0),
        # Scale 1/256 in 8 bits, as LiteRT's softmax demands.
        Softmax: Range(low=0.0, high=255 / 256),
    }
)
# Scale 1/32768 in 16 bits.
_WIDE_SOFTMAX: Final = Range(low=0.0, high=32767 / 32768)


def edge_operator(form: Form, edge: ActivationFormat) -> Quantize:
    """Reals to integers as a target does it."""
    return Quantize(
        format=form.format,
        qparams=form.qparams,
        rounding=edge.rounding,
        overflow=form.overflow,
        rule=edge.rule,
    )


def _weight_bits(settings: Settings, target: Target) -> int:
    """Bits of a layer's weights: the target's, another width of it, or fewer."""
    bits, held = settings.weight_bits or target.weight.bits, target.weight
    if bits > held.bits and bits not in held.widths:
        raise ConfigError(
            f"weight_bits is {bits}; weights of {target.name} have at most "
            f"{max(held.bits, *held.widths)}"
        )
    return bits


def _refuse_choices(settings: Settings, target: Target) -> None:
    """Raise ConfigError for a choice that fixed-point weights do not leave."""
    if settings.weight_method not in (None, WeightMethod.MAX):
        found = f"weight_method is {settings.weight_method.value!r}"
    elif settings.weight_bits not in (None, target.weight.bits):
        found = f"weight_bits is {settings.weight_bits}"
    else:
        return
    raise ConfigError(f"{found}; {target.name} has weights of one fixed scale")


class Calibrated:
    """Parameters from observed ranges, a recipe and a target.

    `factors` are taken as they are where they are stated.
    """

    def __init__(
        self,
        graph: Graph,
        calibration: Calibration,
        recipe: Recipe,
        target: Target,
        factors: Factors = NO_FACTORS,
    ) -> None:
        """Nothing is computed before it is asked for.

        Raises ConfigError for a width that the target does not have.
        """
        check_widths(recipe, graph, target)
        self.factors = factors
        self.graph = graph
        self.calibration = calibration
        self.target = target
        self.settings = layer_settings(recipe, graph)
        self.makers = producers(graph)
        self.readers = consumers(graph)

    def _format(self, tensor: str) -> IntFormat:
        """The format of an activation: the width that its layer is given."""
        stated = self.settings[tensor].activation_bits
        bits = stated or self.target.activation.bits
        if tensor in self.factors.tensors:
            bits = self.factors.tensors[tensor].bits
        return IntFormat(bits, self.target.activation.signed)

    def form(self, tensor: str) -> Form:
        """From the range that was observed, or that the layer kind implies."""
        fmt = self._format(tensor)
        fraction = self.target.activation.fraction_bits
        if fraction is not None:
            return self._fixed_point(fmt, fraction)
        if tensor in self.factors.tensors:
            stated = self.factors.tensors[tensor]
            return Form(fmt, stated.qparams(fmt), self.target.activation.overflow)
        maker = self.makers.get(tensor)
        known = _KNOWN_RANGES.get(type(maker.op)) if maker else None
        if maker and isinstance(maker.op, Softmax) and fmt.bits > 8:
            known = _WIDE_SOFTMAX
        choice = self.settings[tensor].activation
        symmetric = (
            choice == "symmetric"
            if choice
            else self.target.activation.is_symmetric(fmt.bits)
        )
        found = known or self.calibration.ranges.get(tensor)
        if found is None:
            raise ConfigError(f"calibration gave no range for tensor {tensor!r}")
        qparams = activation_qparams(found, fmt, symmetric=symmetric)
        return Form(fmt, qparams, self.target.activation.overflow)

    def _fixed_point(self, fmt: IntFormat, fraction: int) -> Form:
        qparams = QParams((2.0**-fraction,), (0,))
        return Form(fmt, qparams, self.target.activation.overflow)

    def moved_form(self, tensor: str) -> Form | None:
        """One of the width that the recipe states, if it states one."""
        stated = self.settings[tensor].activation_bits
        return None if stated is None else self.form(tensor)

    def quantize(self, tensor: str) -> Quantize:
        """As the target has it."""
        form = self.form(tensor)
        return edge_operator(form, self.target.activation)

    def precision(self, node: Node, result: str) -> FloatType | None:
        """As the recipe says; what it only excludes, as the target runs such layers."""
        del result
        wish = self.settings[node.output].execute
        if wish == "float":
            return self.target.operators.excluded
        return None if wish in (None, "integer") else FloatType(wish)

    def is_quantized(self, tensor: str) -> bool:
        """Reals stay reals until a layer wants integers."""
        del tensor
        return False

    def constant(self, tensor: str) -> tuple[np.ndarray, Form]:
        """By the range of its values, if the target has no fixed scale."""
        values, edge = self.graph.constants[tensor], self.target.activation
        fmt = self._constant_format(tensor)
        if edge.fraction_bits is not None:
            form = self._fixed_point(fmt, edge.fraction_bits)
            return to_integers(values, form.qparams, form.format, edge.rounding), form
        found = Range(low=float(values.min()), high=float(values.max()))
        symmetric = edge.is_symmetric(fmt.bits)
        qparams = activation_qparams(found, fmt, symmetric=symmetric)
        form = Form(fmt, qparams)
        return to_integers(values, qparams, fmt), form

    def _constant_format(self, tensor: str) -> IntFormat:
        """As wide as the widest result of the layers that read it; slopes by default."""
        readers = self.readers.get(tensor, [])
        bits = [
            self._format(node.output).bits
            for node in readers
            if not isinstance(node.op, PRelu)
        ]
        edge = self.target.activation
        return IntFormat(max(bits, default=edge.bits), edge.signed)

    def weights(self, node: Node, x: Form) -> QuantizedWeights:
        """Symmetric weights as the target has them, with bias correction if asked."""
        source, *operands = node.inputs
        weights = self.graph.constants.get(operands[0])
        if weights is None:
            raise UnsupportedError("the weights must be constant", where=node.name)
        bias = self.graph.constants[operands[1]] if len(operands) > 1 else None
        settings, form = self.settings[node.output], self.target.weight
        if form.fraction_bits is not None:
            _refuse_choices(settings, self.target)
            return fixed_point_weights(
                weights,
                bias,
                x.scale,
                Form(IntFormat(form.bits), QParams((2.0**-form.fraction_bits,), (0,))),
                form.rounding,
            )
        accumulator = self.target.accumulator.of(x.format.bits)
        bias_bits = min(self.target.bias.bits, accumulator.bits)
        common = {"x_scale": x.scale, "narrow": form.narrow, "bias_bits": bias_bits}
        choice = settings.weights
        quantize = partial(
            quantize_weights,
            fmt=IntFormat(_weight_bits(settings, self.target)),
            per_channel=choice == "per-channel" if choice else form.per_channel,
            style=settings.weight_style,
            **common,
        )
        levels = settings.weight_method is WeightMethod.NUQ
        if node.name in self.factors.weights and not levels:
            stated = self.factors.weights[node.name]
            quantize = partial(weights_of_scale, stated=stated, **common)
        quantized = quantize(weights, bias)
        if settings.bias_correction:
            mean = self.calibration.means[source]
            bias = corrected_bias(node.op, mean, weights, bias, quantized)
            quantized = quantize(weights, bias)
        return quantized

    def integer_name(self, tensor: str) -> str:
        """`tensor:q`."""
        return f"{tensor}:q"

    def real_name(self, tensor: str) -> str:
        """The tensor's own name."""
        return tensor

    def golden(self, tensor: str) -> Golden | None:
        """That of the float tensor."""
        return self.graph.tensors[tensor].golden

    def real_golden(self, tensor: str) -> Golden | None:
        """The same: dequantized, a layer's result still stands for the float one."""
        return self.graph.tensors[tensor].golden

    def fuses(self, node: Node, after: Node) -> bool:
        """Where a rescale ends the layer, if both are to run in the same way."""
        alike = self.precision(node, node.output) is self.precision(after, after.output)
        return isinstance(node.op, RESCALING) and alike

    def integer_input(self, name: str) -> Tensor | None:
        """Inputs stay float."""
        del name
