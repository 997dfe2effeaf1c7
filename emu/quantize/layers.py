"""How each float layer becomes integer nodes, one function a kind; quantize_graph."""

from collections.abc import Callable, Mapping
from functools import partial
from types import MappingProxyType
from typing import Final, cast

import numpy as np

from emu.calibrate import Calibration
from emu.errors import UnsupportedError
from emu.fixedpoint import INT32, QParams
from emu.graph import Graph, Node, verify
from emu.ops import (
    Add,
    AveragePool,
    AvgPool2d,
    Clip,
    Concat,
    Conv,
    Conv2d,
    DepthwiseConv2d,
    Gemm,
    HardSigmoid,
    HardSwish,
    LeakyRelu,
    MatMul,
    MaxPool,
    Mul,
    Op,
    Pad,
    ReduceMean,
    ReduceSum,
    Relu,
    Rescale,
    Reshape,
    Sigmoid,
    Sub,
    Table,
    Transpose,
)
from emu.quantize.bias import corrected_bias
from emu.quantize.lower import Lowering
from emu.quantize.parameters import quantize_weights, to_integers
from emu.quantize.recipe import Recipe, check_recipe
from emu.quantize.tables import REAL_FUNCTIONS
from emu.targets import Target


def quantize_graph(
    graph: Graph,
    calibration: Calibration,
    recipe: Recipe,
    target: Target,
    provenance: Mapping[str, object] | None = None,
) -> Graph:
    """The integer Graph that `target` runs for a float Graph.

    `calibration` holds the range of every float tensor and the mean sample of those
    that bias corrections need. Graph inputs and outputs stay float and keep their
    names. `provenance` is added to the float graph's own. Raises ConfigError for a recipe that does not fit the model,
    UnsupportedError for layers that can run neither way.
    """
    check_recipe(recipe, graph)
    state = Lowering(graph, calibration, recipe, target)
    done: set[str] = set()
    for node in graph.nodes:
        if node.name in done:
            continue
        if runs_in_float(state, node):
            _keep_float(state, node, done)
            continue
        LOWERINGS[type(node.op)](state, node)
        if node.output in state.fused:
            done.add(state.fused[node.output].name)
    for name in graph.outputs:
        state.real(name)
    return verify(
        state.builder.build(graph.outputs, {**graph.provenance, **(provenance or {})})
    )


def runs_in_float(state: Lowering, node: Node) -> bool:
    """Whether recipe, target or kind keep a layer in float."""
    name = type(node.op).__name__
    settings = state.settings[node.output]
    if settings.execute == "float" or name in state.target.operators.float:
        return True
    if type(node.op) not in LOWERINGS:
        raise UnsupportedError(
            f"{name} has no integer form for target {state.target.name!r}; exclude it "
            "to run it in float",
            where=node.name,
        )
    return False


def _keep_float(state: Lowering, node: Node, done: set[str]) -> None:
    """The layer and its fused activation as they are, on reals."""
    chain = [node]
    if node.output in state.fused:
        chain.append(state.fused[node.output])
    for part in chain:
        operands = tuple(state.real(name) for name in part.inputs)
        state.reals[part.output] = state.builder.add(
            part.op,
            operands,
            part.output,
            name=part.name,
            layer=node.name,
            golden=state.graph.tensors[part.output].golden,
        )
        done.add(part.name)


def _weighted(state: Lowering, node: Node) -> None:
    """Conv or Gemm: sum into accumulators, then rescale per output channel."""
    source = node.inputs[0]
    x = state.integer(source, node.name)
    x_qparams = state.qparams(x)
    weights = state.graph.constants.get(node.inputs[1])
    if weights is None:
        raise UnsupportedError("the weights must be constant", where=node.name)
    bias = state.graph.constants[node.inputs[2]] if len(node.inputs) > 2 else None
    choice = state.settings[node.output].weights
    form = state.target.weight
    quantize = partial(
        quantize_weights,
        x_scale=x_qparams.scale[0],
        fmt=state.weight_format,
        narrow=form.narrow,
        per_channel=choice == "per-channel" if choice else form.per_channel,
        bias_bits=min(state.target.bias.bits, state.accumulator.bits),
    )
    quantized = quantize(weights, bias)
    if state.settings[node.output].bias_correction:
        mean = state.calibration.means[source]
        bias = corrected_bias(node.op, mean, weights, bias, quantized)
        quantized = quantize(weights, bias)
    op, integers = _sum_of_products(state, node.op, x_qparams, quantized.weights)
    result = state.result(node)
    operands = (
        x,
        state.builder.constant(f"{result}:weights", integers),
        state.builder.constant(f"{result}:bias", quantized.bias),
    )
    acc = state.scratch(op, operands, node, "acc")
    qparams = state.qparams_for(result)
    scale = x_qparams.scale[0] * quantized.scale / qparams.scale[0]
    per_tensor = bool(np.all(scale == scale[0]))
    state.rescaled(node, acc, scale[:1] if per_tensor else scale, qparams)


def _sum_of_products(
    state: Lowering, op: Op, x_qparams: QParams, weights: np.ndarray
) -> tuple[Op, np.ndarray]:
    """The accumulating operator for a Conv or Gemm, and its weights' layout."""
    zero_point = x_qparams.zero_point[0]
    if not isinstance(op, Conv):
        return MatMul(x_zero_point=zero_point, accumulator=state.accumulator), weights
    kh, kw, per_group, co = weights.shape
    if per_group == 1 and op.groups > 1:
        depthwise = DepthwiseConv2d(
            stride=op.stride,
            padding=op.padding,
            dilation=op.dilation,
            x_zero_point=zero_point,
            accumulator=state.accumulator,
        )
        return depthwise, weights.reshape(kh, kw, op.groups, co // op.groups)
    ordinary = Conv2d(
        stride=op.stride,
        padding=op.padding,
        dilation=op.dilation,
        groups=op.groups,
        x_zero_point=zero_point,
        accumulator=state.accumulator,
    )
    return ordinary, weights


def _sum(state: Lowering, node: Node) -> None:
    """Add or Sub: both operands to one fine scale in 32 bits, then one rescale.

    The common scale is 2 * max(scales) / 2**(28 - bits), which leaves the sum two
    bits of room: for int8 LiteRT's left shift of 20 (its quantized ADD kernel).
    """
    operands = [state.integer(name, node.name) for name in node.inputs]
    scales = [state.qparams(name).scale[0] for name in operands]
    common = 2.0 * max(scales) / 2.0 ** (28 - state.format.bits)
    result = state.result(node)
    wide = []
    for side, operand, scale in zip("ab", operands, scales, strict=True):
        factors = state.rescale_factors(f"{result}:{side}", scale / common)
        wide.append(_to_int32(state, node, operand, factors, side))
    total = state.scratch(node.op, tuple(wide), node, "acc")
    qparams = state.qparams_for(result)
    state.rescaled(node, total, common / qparams.scale[0], qparams)


def _product(state: Lowering, node: Node) -> None:
    """Mul: zero points off in 32 bits, multiply, one rescale (TOSA's MUL idiom)."""
    operands = [state.integer(name, node.name) for name in node.inputs]
    scales = [state.qparams(name).scale[0] for name in operands]
    result = state.result(node)
    wide = []
    for side, operand in zip("ab", operands, strict=True):
        factors = state.rescale_factors(f"{result}:{side}", 1.0)
        wide.append(_to_int32(state, node, operand, factors, side))
    total = state.scratch(node.op, tuple(wide), node, "acc")
    qparams = state.qparams_for(result)
    state.rescaled(node, total, scales[0] * scales[1] / qparams.scale[0], qparams)


def _to_int32(
    state: Lowering, node: Node, operand: str, factors: tuple[str, str], side: str
) -> str:
    op = Rescale(
        scheme=state.target.rescale.scheme,
        format=INT32,
        x_zero_point=state.qparams(operand).zero_point[0],
    )
    return state.scratch(op, (operand, *factors), node, side)


def _to_result_scale(state: Lowering, node: Node, operand: str) -> None:
    """Relu or Clip standing alone: rescale, and clamp as if fused to itself."""
    result = node.output
    qparams = state.qparams_for(result)
    source = state.qparams(operand)
    state.fused[result] = node
    state.rescaled(
        node,
        operand,
        source.scale[0] / qparams.scale[0],
        qparams,
        x_zero_point=source.zero_point[0],
    )


def _rectifier(state: Lowering, node: Node) -> None:
    """Relu or Clip that is not fused to the layer before it."""
    _to_result_scale(state, node, state.integer(node.inputs[0], node.name))


def _lookup(state: Lowering, node: Node) -> None:
    """A function of one value as a table: exact float64 reals, rounded half to even."""
    x = state.integer(node.inputs[0], node.name)
    source, fmt = state.qparams(x), state.format
    qparams = state.qparams_for(node.output)
    levels = np.arange(fmt.min, fmt.max + 1, dtype=np.float64)
    reals = (levels - source.zero_point[0]) * source.scale[0]
    entries = to_integers(REAL_FUNCTIONS[type(node.op)](node.op, reals), qparams, fmt)
    operands = (x, state.builder.constant(f"{node.output}:table", entries))
    state.add(Table(x_min=fmt.min), operands, node.output, qparams, node.name)


def _same_scale(state: Lowering, node: Node) -> None:
    """Layers that only move or choose values keep scale and zero point."""
    x = state.integer(node.inputs[0], node.name)
    qparams = state.qparams(x)
    op = node.op
    if isinstance(op, Pad):
        value = to_integers(np.array([op.value]), qparams, state.format)[0]
        op = Pad(padding=op.padding, value=int(value))
    state.add(op, (x,), node.output, qparams, node.name)


def _concat(state: Lowering, node: Node) -> None:
    """Operands of another scale are rescaled to the result's, then joined."""
    result = state.result(node)
    qparams = state.qparams_for(result)
    parts = []
    for index, name in enumerate(node.inputs):
        part = state.integer(name, node.name)
        source = state.qparams(part)
        if source != qparams:
            factors = state.rescale_factors(
                f"{result}:{index}", source.scale[0] / qparams.scale[0]
            )
            op = Rescale(
                scheme=state.target.rescale.scheme,
                format=state.format,
                x_zero_point=source.zero_point[0],
                zero_point=qparams.zero_point[0],
            )
            part = state.scratch(op, (part, *factors), node, str(index))
        parts.append(part)
    state.add(node.op, tuple(parts), result, qparams, node.name)


def _average(state: Lowering, node: Node) -> None:
    """AveragePool: over the whole image a mean, else TOSA's pool on one scale."""
    op = cast("AveragePool", node.op)
    shape = state.graph.tensors[node.inputs[0]].shape
    if op.kernel == shape[1:3] and op.padding == ((0, 0), (0, 0)):
        _mean(state, node, (1, 2), keepdims=True)
        return
    x = state.integer(node.inputs[0], node.name)
    qparams = state.qparams(x)
    pool = AvgPool2d(
        kernel=op.kernel,
        stride=op.stride,
        padding=op.padding,
        count_include_pad=op.count_include_pad,
        zero_point=qparams.zero_point[0],
        format=state.format,
    )
    state.add(pool, (x,), node.output, qparams, node.name)


def _reduce_mean(state: Lowering, node: Node) -> None:
    """ReduceMean over any axes but the batch."""
    op = cast("ReduceMean", node.op)
    _mean(state, node, op.axes, keepdims=op.keepdims)


def _mean(
    state: Lowering, node: Node, axes: tuple[int, ...], *, keepdims: bool
) -> None:
    """Sum in 32 bits; scale and division by the count are one rescale."""
    x = state.integer(node.inputs[0], node.name)
    source = state.qparams(x)
    shape = state.graph.tensors[node.inputs[0]].shape
    count = int(np.prod([shape[axis] or 1 for axis in axes]))
    op = ReduceSum(axes=axes, keepdims=keepdims, x_zero_point=source.zero_point[0])
    total = state.scratch(op, (x,), node, "acc")
    qparams = state.qparams_for(node.output)
    scale = source.scale[0] / (qparams.scale[0] * count)
    state.rescaled(node, total, scale, qparams)


# Every kind of float layer that has an integer form, and how it gets it.
LOWERINGS: Final[Mapping[type[Op], Callable[[Lowering, Node], None]]] = (
    MappingProxyType(
        {
            Conv: _weighted,
            Gemm: _weighted,
            Add: _sum,
            Sub: _sum,
            Mul: _product,
            Relu: _rectifier,
            Clip: _rectifier,
            Sigmoid: _lookup,
            HardSigmoid: _lookup,
            HardSwish: _lookup,
            LeakyRelu: _lookup,
            MaxPool: _same_scale,
            Reshape: _same_scale,
            Transpose: _same_scale,
            Pad: _same_scale,
            Concat: _concat,
            AveragePool: _average,
            ReduceMean: _reduce_mean,
        }
    )
)
