"""Layers that move or choose values: moves, pooling, resizes."""

from typing import cast

import numpy as np

from emu.graph import Node
from emu.ops import (
    AveragePool,
    AverageStyle,
    AvgPool2d,
    DequantizedAvgPool2d,
    Op,
    Pad,
    Resize,
)
from emu.quantize.lower import Lowering
from emu.quantize.parameters import Form, to_integers
from emu.quantize.reductions import mean_over
from emu.quantize.tables import build_resize
from emu.targets import AverageKernel


def lower_move(state: Lowering, node: Node) -> None:
    """Layers that only move or choose values keep scale and zero point."""
    x = state.integer(node.inputs[0], node.name)
    form = state.form(x)
    op = node.op
    if isinstance(op, Pad):
        value = to_integers(np.array([op.value]), form.qparams, form.format)[0]
        op = Pad(padding=op.padding, value=int(value))
    _ended(state, node, op, (x,), form)


def _ended(
    state: Lowering, node: Node, op: Op, operands: tuple[str, ...], form: Form
) -> None:
    """The result in the form of the operand, or in the width that is asked for."""
    wish = state.source.moved_form(state.result(node))
    if wish is None or wish.format == form.format:
        state.clamped(node, op, operands, form)
        return
    moved = state.builder.add(
        op,
        operands,
        f"{state.result(node)}:moved",
        layer=node.name,
        format=form.format,
        qparams=form.qparams,
    )
    factor = state.factor(node, form, 1.0, wish)
    state.rescaled(node, moved, factor, wish, x_zero_point=form.zero_point)


def lower_average(state: Lowering, node: Node) -> None:
    """AveragePool, in the style of the target."""
    op = cast(AveragePool, node.op)
    style = state.target.kernels.average
    shape = state.graph.tensors[node.inputs[0]].shape
    whole = op.kernel == shape[1:3] and op.padding == ((0, 0), (0, 0))
    if whole and style in (AverageKernel.MEAN, AverageKernel.FLOAT32):
        mean_over(state, node, (1, 2), keepdims=True)
        return
    x = state.integer(node.inputs[0], node.name)
    form = state.form(x)
    window = {
        "kernel": op.kernel,
        "stride": op.stride,
        "padding": op.padding,
        "count_include_pad": op.count_include_pad,
    }
    if style is AverageKernel.FLOAT32:
        result = state.source.form(state.result(node))
        real = DequantizedAvgPool2d(
            **window, x=form.qparams, y=result.qparams, format=result.format
        )
        state.clamped(node, real, (x,), result)
        return
    away = style is AverageKernel.HALF_AWAY
    pool = AvgPool2d(
        **window,
        zero_point=0 if away else form.zero_point,
        format=form.format,
        style=AverageStyle.HALF_AWAY if away else AverageStyle.TOSA,
    )
    _ended(state, node, pool, (x,), form)


def lower_resize(state: Lowering, node: Node) -> None:
    """Resize, with pixels and shares in the style of the target."""
    op = cast(Resize, node.op)
    x = state.integer(node.inputs[0], node.name)
    form, result = state.form(x), state.result(node)
    _, height, width, _ = state.builder.tensors[x].shape
    made, constants = build_resize(
        op,
        state.target.kernels.resize,
        (height or 1, width or 1),
        unsigned=form.format.bits == 8 and not form.format.signed,
    )
    operands = (
        x,
        *(
            state.builder.constant(f"{result}:{name}", array)
            for name, array in constants.items()
        ),
    )
    _ended(state, node, made, operands, form)
