"""Layers that sum products: to accumulators, then a rescale per output channel."""

from dataclasses import replace
from typing import cast

import numpy as np

from emu.fixedpoint import IntFormat
from emu.graph import Node
from emu.ops import (
    BatchMatMul,
    Codebook,
    Conv,
    Conv2d,
    ConvTranspose,
    DepthwiseConv2d,
    MatMul,
    Op,
    TransposeConv2d,
)
from emu.quantize.lower import Lowering
from emu.quantize.parameters import Form, QuantizedWeights


def lower_weighted(state: Lowering, node: Node) -> None:
    """Conv or Gemm."""
    x = state.integer(node.inputs[0], node.name)
    quantized = state.source.weights(node, state.form(x))
    op, integers = _sum_of_products(state, node.op, state.form(x), quantized)
    _accumulate(state, node, x, op, replace(quantized, weights=integers))


def lower_transposed(state: Lowering, node: Node) -> None:
    """ConvTranspose: its padding cuts what TOSA's out_pad lengthens."""
    layer = cast(ConvTranspose, node.op)
    x = state.integer(node.inputs[0], node.name)
    form = state.form(x)
    quantized = state.source.weights(node, form)
    (top, bottom), (left, right) = layer.padding
    below, beside = layer.output_padding
    op = TransposeConv2d(
        stride=layer.stride,
        out_pad=((-top, below - bottom), (-left, beside - right)),
        dilation=layer.dilation,
        groups=layer.groups,
        x_zero_point=form.zero_point,
        w_zero_point=quantized.zero_point,
        accumulator=state.accumulator(_wider(form.format, quantized.format)),
    )
    _accumulate(state, node, x, op, quantized)


def lower_batch_product(state: Lowering, node: Node) -> None:
    """BatchGemm: the product of two computed tensors."""
    operands = tuple(state.integer(name, node.name) for name in node.inputs)
    x, y = (state.form(operand) for operand in operands)
    wider = _wider(x.format, y.format)
    op = BatchMatMul(
        x_zero_point=x.zero_point,
        y_zero_point=y.zero_point,
        accumulator=state.accumulator(wider),
    )
    acc = state.scratch(op, operands, node, "acc")
    form = state.source.form(state.result(node))
    factor = state.factor(node, x, y.scale, form)
    state.rescaled(node, acc, factor, form, operand=wider)


def _accumulate(
    state: Lowering, node: Node, x: str, op: Op, quantized: QuantizedWeights
) -> None:
    """The sum of products and what follows it."""
    result = state.result(node)
    fmt = quantized.format
    state.weight_scales[node.name] = {
        "scale": quantized.scale.tolist(),
        "bits": fmt.bits if fmt else 8 * quantized.weights.itemsize,
    }
    operands = (
        x,
        _weights(state, node, quantized),
        state.builder.constant(f"{result}:bias", quantized.bias),
    )
    acc = state.scratch(op, operands, node, "acc")
    form = state.source.form(result)
    operand = state.form(x)
    scale = state.factor(node, operand, quantized.scale, form)
    per_tensor = bool(np.all(scale == scale[0]))
    factor = scale[:1] if per_tensor else scale
    wider = _wider(operand.format, quantized.format)
    state.rescaled(node, acc, factor, form, operand=wider)


def _wider(x: IntFormat, weights: IntFormat | None) -> IntFormat:
    """The format of more bits; of weights it may be unknown, then they are bytes."""
    return weights if weights and weights.bits > x.bits else x


def _weights(state: Lowering, node: Node, quantized: QuantizedWeights) -> str:
    """The integer weights: a constant, or what a codebook makes of one."""
    name, levels = f"{state.result(node)}:weights", quantized.levels
    if levels is None:
        return state.builder.constant(name, quantized.weights)
    index = np.searchsorted(levels, quantized.weights).astype(np.uint8)
    operands = (
        state.builder.constant(f"{name}:index", index),
        state.builder.constant(f"{name}:levels", levels),
    )
    return state.builder.add(
        Codebook(), operands, name, layer=node.name, format=quantized.format
    )


def _sum_of_products(
    state: Lowering, op: Op, x: Form, quantized: QuantizedWeights
) -> tuple[Op, np.ndarray]:
    """The accumulating operator for a Conv or Gemm, and its weights' layout."""
    weights, w_zero_point = quantized.weights, quantized.zero_point
    accumulator = state.accumulator(_wider(x.format, quantized.format))
    if not isinstance(op, Conv):
        dense = MatMul(
            x_zero_point=x.zero_point,
            w_zero_point=w_zero_point,
            accumulator=accumulator,
        )
        return dense, weights
    kh, kw, per_group, co = weights.shape
    if per_group == 1 and op.groups > 1:
        depthwise = DepthwiseConv2d(
            stride=op.stride,
            padding=op.padding,
            dilation=op.dilation,
            x_zero_point=x.zero_point,
            w_zero_point=w_zero_point,
            accumulator=accumulator,
        )
        return depthwise, weights.reshape(kh, kw, op.groups, co // op.groups)
    ordinary = Conv2d(
        stride=op.stride,
        padding=op.padding,
        dilation=op.dilation,
        groups=op.groups,
        x_zero_point=x.zero_point,
        w_zero_point=w_zero_point,
        accumulator=accumulator,
    )
    return ordinary, weights
