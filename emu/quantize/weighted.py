"""Layers that sum products: to accumulators, then a rescale per output channel."""

import math
from collections.abc import Callable
from dataclasses import replace
from typing import cast

import numpy as np

from emu.fixedpoint import IntFormat, RescaleScheme
from emu.graph import Node
from emu.ops import (
    BatchMatMul,
    Codebook,
    Concat,
    Conv,
    Conv2d,
    ConvTranspose,
    DepthwiseConv2d,
    MatMul,
    Op,
    Rescale,
    Reshape,
    Slice,
    TransposeConv2d,
)
from emu.quantize.lower import Lowering
from emu.quantize.parameters import Form, QuantizedWeights
from emu.quantize.reductions import LANES
from emu.targets import TransposedStyle


def lower_weighted(state: Lowering, node: Node) -> None:
    """Conv or Gemm."""
    x = state.integer(node.inputs[0], node.name)
    quantized = state.source.weights(node, state.form(x))
    op, integers = _sum_of_products(state, node, state.form(x), quantized)
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
        accumulator=state.accumulator(node, _wider(form.format, quantized.format)),
    )
    vectors = state.target.kernels.transposed is TransposedStyle.LITERT_VECTOR
    end = _rescaled_in_vectors if vectors and form.format.bits <= 8 else _rescaled
    _accumulate(state, node, x, op, quantized, end)


def lower_batch_product(state: Lowering, node: Node) -> None:
    """BatchGemm: the product of two computed tensors."""
    operands = tuple(state.integer(name, node.name) for name in node.inputs)
    x, y = (state.form(operand) for operand in operands)
    wider = _wider(x.format, y.format)
    op = BatchMatMul(
        x_zero_point=x.zero_point,
        y_zero_point=y.zero_point,
        accumulator=state.accumulator(node, wider),
    )
    acc = state.scratch(op, operands, node, "acc")
    form = state.source.form(state.result(node))
    factor = state.factor(node, x, y.scale, form)
    state.rescaled(node, acc, factor, form, operand=wider)


# What ends a layer: its accumulators, their factors and the format of its operand.
End = Callable[[Lowering, Node, str, np.ndarray, IntFormat], None]


def _rescaled(
    state: Lowering, node: Node, acc: str, factor: np.ndarray, operand: IntFormat
) -> None:
    """In the scheme of the target."""
    form = state.source.form(state.result(node))
    state.rescaled(node, acc, factor, form, operand=operand)


def _rescaled_in_vectors(
    state: Lowering, node: Node, acc: str, factor: np.ndarray, operand: IntFormat
) -> None:
    """Channels by 8, or of uint8 the values of a sample by 16, and those left over.

    Source: LiteRT tflite/kernels/internal/optimized/optimized_ops.h, Quantize.
    """
    form = state.source.form(state.result(node))
    sample = [size or 1 for size in state.builder.tensors[acc].shape[1:]]
    lanes, values = 8, acc
    if not operand.signed:
        lanes, flat = LANES, (math.prod(sample),)
        values = state.scratch(Reshape(shape=flat), (acc,), node, "flat")
    *outer, count = (size or 1 for size in state.builder.tensors[values].shape[1:])
    whole = count - count % lanes
    parts = []
    for start, size, scheme in (
        (0, whole, RescaleScheme.SRDHM_HALF_UP),
        (whole, count - whole, RescaleScheme.DOUBLE_ROUND),
    ):
        if not size:
            continue
        cut = Slice(
            starts=(0,) * (len(outer) + 1) + (start,),
            sizes=(-1, *outer, size),
            steps=(1,) * (len(outer) + 2),
        )
        part = state.scratch(cut, (values,), node, f"from{start}")
        each = factor[start : start + size] if len(factor) > 1 else factor
        name = f"{state.result(node)}:from{start}"
        factors = state.rescale_factors(name, each, scheme)
        op = Rescale(scheme=scheme, format=form.format, zero_point=form.zero_point)
        parts.append(state.scratch(op, (part, *factors), node, f"from{start}:rescaled"))
    joined = parts[0]
    if len(parts) > 1:
        joined = state.scratch(
            Concat(axis=len(outer) + 1), tuple(parts), node, "joined"
        )
    state.clamped(node, Reshape(shape=tuple(sample)), (joined,), form)


def _accumulate(
    state: Lowering,
    node: Node,
    x: str,
    op: Op,
    quantized: QuantizedWeights,
    end: End = _rescaled,
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
    end(state, node, acc, factor, _wider(operand.format, quantized.format))


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
    state: Lowering, node: Node, x: Form, quantized: QuantizedWeights
) -> tuple[Op, np.ndarray]:
    """The accumulating operator for a Conv or Gemm, and its weights' layout."""
    op = node.op
    weights, w_zero_point = quantized.weights, quantized.zero_point
    accumulator = state.accumulator(node, _wider(x.format, quantized.format))
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
