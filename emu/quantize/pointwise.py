"""Layers of one value at a time: rectifiers, tables, requantization, softmax."""

import math
from typing import cast

import numpy as np

from emu.errors import ConfigError
from emu.fixedpoint import RescaleScheme
from emu.graph import Node
from emu.ops import ChannelTable, Concat, Rescale, Reshape, Slice, Softmax, Table
from emu.quantize.lower import Lowering
from emu.quantize.parameters import Form
from emu.quantize.reductions import LANES
from emu.quantize.tables import build_softmax, build_table
from emu.quantize.tables.litert import prelu
from emu.targets import RequantizeStyle


def lower_requantize(state: Lowering, node: Node) -> None:
    """Identity: the same values in another form."""
    operand = state.integer(node.inputs[0], node.name)
    form = state.source.form(state.result(node))
    x = state.form(operand)
    style = state.target.kernels.requantize
    if x == form:
        state.integers[state.result(node)] = operand
    elif style is RequantizeStyle.RESCALE:
        _to_result_scale(state, node)
    elif style is RequantizeStyle.LITERT_VECTOR and x.format.bits <= 8:
        _requantize_lanes(state, node, operand, form)
    else:
        lower_lookup(state, node)


def _requantize_lanes(state: Lowering, node: Node, operand: str, form: Form) -> None:
    """The last values of a sample, fewer than LANES, are rounded otherwise.

    Source: LiteRT tflite/kernels/internal/optimized/optimized_ops.h, Requantize.
    """
    x = state.form(operand)
    sample = [size or 1 for size in state.builder.tensors[operand].shape[1:]]
    count = math.prod(sample)
    flat = state.scratch(Reshape(shape=(count,)), (operand,), node, "flat")
    whole = count - count % LANES
    parts = []
    for start, size, scheme in (
        (0, whole, RescaleScheme.SRDHM_HALF_UP),
        (whole, count - whole, RescaleScheme.DOUBLE_ROUND),
    ):
        if not size:
            continue
        cut = Slice(starts=(0, start), sizes=(-1, size), steps=(1, 1))
        part = state.scratch(cut, (flat,), node, f"from{start}")
        op = Rescale(
            scheme=scheme,
            format=form.format,
            x_zero_point=x.zero_point,
            zero_point=form.zero_point,
        )
        name = f"{state.result(node)}:from{start}"
        factors = state.rescale_factors(name, x.scale / form.scale, scheme)
        parts.append(state.scratch(op, (part, *factors), node, f"from{start}:rescaled"))
    joined = parts[0]
    if len(parts) > 1:
        joined = state.scratch(Concat(axis=1), tuple(parts), node, "joined")
    state.clamped(node, Reshape(shape=tuple(sample)), (joined,), form)


def lower_rectifier(state: Lowering, node: Node) -> None:
    """Relu or Clip that is not fused: rescale, and clamp as if fused to itself."""
    state.fused[node.output] = node
    _to_result_scale(state, node)


def _to_result_scale(state: Lowering, node: Node) -> None:
    operand = state.integer(node.inputs[0], node.name)
    x, form = state.form(operand), state.source.form(state.result(node))
    state.rescaled(
        node,
        operand,
        state.factor(node, x, 1.0, form),
        form,
        x_zero_point=x.zero_point,
    )


def lower_lookup(state: Lowering, node: Node) -> None:
    """A function of one value as a table, rounded in the style of the target."""
    x = state.integer(node.inputs[0], node.name)
    source, result = state.form(x), state.result(node)
    form = state.source.form(result)
    entries = build_table(
        node.op,
        state.target.kernels.table,
        *(source.qparams, source.format, form.qparams, form.format),
    )
    operands = (x, state.builder.constant(f"{result}:table", entries))
    state.clamped(node, Table(x_min=source.format.min), operands, form)


def lower_prelu(state: Lowering, node: Node) -> None:
    """PRelu with a constant slope a channel: a table for each, as LiteRT rounds.

    Source: LiteRT tflite/kernels/internal/reference/prelu.h.
    """
    x = state.integer(node.inputs[0], node.name)
    source, result = state.form(x), state.result(node)
    form = state.source.form(result)
    slopes, slope = state.source.constant(node.inputs[1])
    channels = state.builder.tensors[x].shape[-1]
    centred = slopes.astype(np.int64) - slope.zero_point
    if centred.size not in (1, channels):
        raise ConfigError(
            f"slopes of shape {slopes.shape}, expected one a channel or one for all",
            where=node.name,
        )
    each = np.broadcast_to(centred.reshape(-1), (channels or 1,))
    entries = [
        prelu(
            int(value),
            slope.scale,
            *(source.qparams, source.format, form.qparams, form.format),
        )
        for value in each
    ]
    table = state.builder.constant(f"{result}:table", np.stack(entries))
    op = ChannelTable(x_min=source.format.min)
    state.clamped(node, op, (x, table), form)


def lower_softmax(state: Lowering, node: Node) -> None:
    """Softmax along the last axis, in the style of the target."""
    op = cast(Softmax, node.op)
    x = state.integer(node.inputs[0], node.name)
    shape = state.builder.tensors[x].shape
    if op.axis not in (-1, len(shape) - 1):
        raise ConfigError(
            f"an integer softmax runs along the last axis, not {op.axis}",
            where=node.name,
        )
    source, result = state.form(x), state.result(node)
    form = state.source.form(result)
    kernels = state.target.kernels
    style = kernels.softmax if source.format.bits <= 8 else kernels.wide_softmax
    if form.format.bits != source.format.bits:
        raise ConfigError(
            f"an integer softmax has {source.format.bits} bits on both sides, "
            f"not {form.format.bits}",
            where=node.name,
        )
    if style is None:
        raise ConfigError(
            f"target {state.target.name!r} names no softmax for "
            f"{source.format} (kernels.softmax)",
            where=node.name,
        )
    made, tables = build_softmax(
        style,
        *(source.qparams, source.format, form.qparams, form.format),
        length=shape[-1] or 1,
        beta=op.beta,
    )
    names = (f"{result}:exponentials", f"{result}:reciprocals")
    constants = [
        state.builder.constant(name, table)
        for name, table in zip(names, tables, strict=False)
    ]
    state.clamped(node, made, (x, *constants), form)
