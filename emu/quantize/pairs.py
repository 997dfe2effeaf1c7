"""Layers of two tensors: sums, products, extremes, squared differences."""

from types import MappingProxyType
from typing import Final

import numpy as np

from emu.errors import ConfigError
from emu.fixedpoint import INT32, RescaleScheme
from emu.graph import Node
from emu.ops import BinaryTable, Concat, Mul, Rescale, Sub, Table
from emu.quantize.lower import Lowering
from emu.quantize.parameters import Form
from emu.quantize.tables import (
    build_binary_table,
    build_table,
    xnnpack_sum_factors,
)
from emu.targets import ProductStyle, RequantizeStyle, SumStyle


def lower_sum(state: Lowering, node: Node) -> None:
    """Add or Sub, in the style of the target."""
    _SUMS[state.target.kernels.sum](state, node)


def _sum_left_shift(state: Lowering, node: Node) -> None:
    """Both operands to one fine scale in 32 bits, then one rescale.

    The common scale is 2 * max(scales) / 2**left, which leaves the sum two bits of
    room (LiteRT tflite/kernels/add.cc).
    """
    form = state.source.form(state.result(node))
    bits = max(form.format.bits, *_widths(state, node))
    left = state.target.kernels.left_shift(bits)
    wide, largest = _common_scale(state, node, left)
    total = state.scratch(node.op, wide, node, "acc")
    state.rescaled(node, total, largest / 2.0**left / form.scale, form)


def _widths(state: Lowering, node: Node) -> list[int]:
    """Bits of the operands of a layer."""
    operands = [state.integer(name, node.name) for name in node.inputs]
    return [state.form(operand).format.bits for operand in operands]


def lower_squared_difference(state: Lowering, node: Node) -> None:
    """As a sum with a left shift of 7: the square needs the room.

    Source: LiteRT tflite/kernels/squared_difference.cc.
    """
    if max(_widths(state, node)) > 8:
        _wide_squared_difference(state, node)
        return
    wide, largest = _common_scale(state, node, 7)
    total = state.scratch(node.op, wide, node, "acc")
    form = state.source.form(state.result(node))
    state.rescaled(node, total, largest * largest / 2.0**14 / form.scale, form)


def _wide_squared_difference(state: Lowering, node: Node) -> None:
    """The difference as of a sum, then a product that keeps its high bits.

    Operands of 16 bits, zero points off, are below 2**16, half of that in units of the
    common scale, and below 2**27 shifted: their difference squared is at most 2**56.
    """
    left, cut = 12, 26
    wide, largest = _common_scale(state, node, left)
    difference = state.scratch(Sub(), wide, node, "difference")
    total = state.scratch(Mul(shift=cut), (difference, difference), node, "acc")
    form = state.source.form(state.result(node))
    step = largest / 2.0**left
    state.rescaled(node, total, step * step * 2.0**cut / form.scale, form)


def _common_scale(
    state: Lowering, node: Node, left: int
) -> tuple[tuple[str, ...], float]:
    """Both operands in units of `largest` / 2**left, and twice the largest scale."""
    operands = [state.integer(name, node.name) for name in node.inputs]
    largest = 2.0 * max(state.form(name).scale for name in operands)
    wide = []
    for side, operand in zip("ab", operands, strict=True):
        form = state.form(operand)
        scheme = state.scheme(node, form)
        op = Rescale(
            scheme=scheme,
            format=INT32,
            x_zero_point=form.zero_point,
            x_left_shift=left,
        )
        name = f"{state.result(node)}:{side}"
        factors = state.rescale_factors(name, form.scale / largest, scheme)
        wide.append(state.scratch(op, (operand, *factors), node, side))
    return tuple(wide), largest


def _sum_factors(state: Lowering, node: Node) -> None:
    """Each operand times an integer, their sum shifted right, half up (XNNPACK)."""
    operands = [state.integer(name, node.name) for name in node.inputs]
    x, y = (state.form(operand) for operand in operands)
    result = state.result(node)
    form = state.source.form(result)
    *factors, shift = xnnpack_sum_factors(x.scale, y.scale, form.scale)
    wide = []
    for side, operand, factor in zip("ab", operands, factors, strict=True):
        centred = _centred(state, node, operand, side)
        rank = len(state.builder.tensors[centred].shape)
        constant = np.full((1,) * rank, factor, np.int32)
        name = state.builder.constant(f"{result}:{side}:factor", constant)
        wide.append(state.scratch(Mul(), (centred, name), node, f"{side}:scaled"))
    total = state.scratch(node.op, tuple(wide), node, "acc")
    op = Rescale(
        scheme=RescaleScheme.POWER_OF_TWO,
        format=form.format,
        zero_point=form.zero_point,
    )
    halving = (np.ones(1, np.int32), np.array([shift], np.int32))
    names = [
        state.builder.constant(f"{result}:{what}", values)
        for what, values in zip(("multiplier", "shift"), halving, strict=True)
    ]
    state.clamped(node, op, (total, *names), form)


def _pair_table(state: Lowering, node: Node) -> None:
    """A table over all pairs of operands, as the target's table style rounds them."""
    operands = [state.integer(name, node.name) for name in node.inputs]
    x, y = (state.form(operand) for operand in operands)
    result = state.result(node)
    form = state.source.form(result)
    if max(x.format.bits, y.format.bits) > 8:
        raise ConfigError("a table of pairs needs 8-bit operands", where=node.name)
    entries = build_binary_table(
        node.op,
        state.target.kernels.table,
        *(x.qparams, x.format, y.qparams, y.format, form.qparams, form.format),
    )
    name = state.builder.constant(f"{result}:table", entries)
    op = BinaryTable(x_min=x.format.min, y_min=y.format.min)
    state.clamped(node, op, (*operands, name), form)


_SUMS: Final = MappingProxyType(
    {
        SumStyle.LEFT_SHIFT: _sum_left_shift,
        SumStyle.FACTORS: _sum_factors,
        SumStyle.TABLE: _pair_table,
    }
)


def lower_product(state: Lowering, node: Node) -> None:
    """Mul: zero points off in 32 bits, multiply, one rescale (TOSA's MUL idiom)."""
    if state.target.kernels.product is ProductStyle.TABLE:
        _pair_table(state, node)
        return
    operands = [state.integer(name, node.name) for name in node.inputs]
    wide = [
        _centred(state, node, operand, side)
        for side, operand in zip("ab", operands, strict=True)
    ]
    form = state.source.form(state.result(node))
    first, second = (state.form(operand) for operand in operands)
    # What does not fit 32 bits loses its low bits (the shift of TOSA's MUL).
    excess = max((first.reach * second.reach).bit_length() - 31, 0)
    total = state.scratch(Mul(shift=excess), tuple(wide), node, "acc")
    factor = state.factor(node, first, second.scale, form) * 2.0**excess
    state.rescaled(node, total, factor, form)


def _centred(state: Lowering, node: Node, operand: str, side: str) -> str:
    """An operand without its zero point, int32: a rescale by one."""
    form = state.form(operand)
    scheme = RescaleScheme.POWER_OF_TWO
    op = Rescale(scheme=scheme, format=INT32, x_zero_point=form.zero_point)
    factors = state.rescale_factors(f"{state.result(node)}:{side}", 1.0, scheme)
    return state.scratch(op, (operand, *factors), node, side)


def lower_join(state: Lowering, node: Node) -> None:
    """Concat, Minimum, Maximum: operands in the form of the result, then the layer."""
    form = state.source.form(state.result(node))
    parts = tuple(
        in_form(state, node, state.integer(name, node.name), form, str(index))
        for index, name in enumerate(node.inputs)
    )
    state.clamped(node, node.op, parts, form)


def in_form(state: Lowering, node: Node, operand: str, form: Form, side: str) -> str:
    """An operand in another form: itself, or rescaled, or through a table."""
    x = state.form(operand)
    if x == form:
        return operand
    name = f"{state.result(node)}:{side}"
    if state.target.kernels.requantize is not RequantizeStyle.RESCALE:
        entries = build_table(
            Concat(axis=-1),
            state.target.kernels.table,
            *(x.qparams, x.format, form.qparams, form.format),
        )
        table = state.builder.constant(f"{name}:table", entries)
        return state.scratch(Table(x_min=x.format.min), (operand, table), node, side)
    scheme = state.scheme(node, form)
    op = Rescale(
        scheme=scheme,
        format=form.format,
        x_zero_point=x.zero_point,
        zero_point=form.zero_point,
    )
    factors = state.rescale_factors(name, state.factor(node, x, 1.0, form), scheme)
    return state.scratch(op, (operand, *factors), node, side)
