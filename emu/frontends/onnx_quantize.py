"""Importers of QuantizeLinear, DequantizeLinear and DynamicQuantizeLinear."""

import math
from dataclasses import replace

import numpy as np
import onnx

from emu.errors import UnsupportedError
from emu.fixedpoint import UINT8, IntFormat, QParams
from emu.frontends.onnx_constants import Constants
from emu.frontends.onnx_layout import Coding, Perm, file_order, reshape_to
from emu.frontends.onnx_node import OnnxNode, normal_axis
from emu.frontends.onnx_scope import Scope
from emu.frontends.onnx_stated import (
    Stated,
    array_format,
    element_format,
    make_qparams,
    make_stated,
    moved,
)
from emu.graph import Shape
from emu.ops import (
    Dequantize,
    DynamicScale,
    DynamicZeroPoint,
    Op,
    Quantize,
    QuantizeBy,
    Transpose,
)


def read_qparams(
    constants: Constants, scale: str, zero_point: str, axis: int, shape: tuple[int, ...]
) -> QParams | None:
    """Parameters of a tensor of this shape; None for parameters of blocks.

    One scale is for the whole tensor, a vector for the indices of `axis`. An absent
    zero point (an empty name) is zero.
    """
    scales = constants.value(scale, "scale")
    points = (
        constants.value(zero_point, "zero point") if zero_point else np.zeros((), int)
    )
    if scales.ndim > 1 and scales.size > 1:
        return None
    if scales.size > 1:
        axis = normal_axis(axis, len(shape))
        if shape[axis] != scales.size:
            raise UnsupportedError(
                f"{scales.size} scales along axis {axis} of a tensor of shape {shape}"
            )
    return make_qparams(scales, points, axis)


def _refuse_float16(scope: Scope, node: OnnxNode, attribute: str) -> None:
    """The float type of the arithmetic is that of the scale, unless an attribute says."""
    scale = scope.constants.value(node.inputs[1], "scale")
    asked = node.integer(attribute, 0)
    default = onnx.helper.np_dtype_to_tensor_dtype(scale.dtype)
    if (asked or default) != onnx.TensorProto.FLOAT:
        raise UnsupportedError("arithmetic in other floats than float32")


def import_quantize_linear(scope: Scope, node: OnnxNode) -> None:
    """QuantizeLinear to integers: per tensor, per axis or in blocks.

    With a computed scale: QuantizeBy.
    """
    x, scale = node.inputs[:2]
    if scale not in scope.constants:
        _import_with_computed_scale(scope, node)
        return
    _refuse_float16(scope, node, "precision")
    fmt = _result_format(scope, node)
    shape = scope.shape(x)
    axis = node.integer("axis", 1)
    qparams = read_qparams(
        scope.constants, scale, node.operand(2), axis, tuple(s or 0 for s in shape)
    )
    if qparams is None:
        _import_blocks(scope, node, fmt)
        return
    scope.keeps_batch(qparams.axis != 0, "it has a scale for each of the batch")
    perm, held = scope.held(x)
    op = Quantize(format=fmt, qparams=moved(qparams, perm))
    coding = Coding(format=fmt, qparams=qparams)
    scope.emit(node, op, (held,), perm, coding=coding)


def _result_format(scope: Scope, node: OnnxNode) -> IntFormat:
    """Of the zero point, else as `output_dtype` says, else uint8."""
    if node.operand(2):
        zero_point = node.operand(2)
        if zero_point not in scope.constants:
            raise UnsupportedError("the zero point is computed, expected a constant")
        return array_format(scope.constants.value(zero_point, "zero point"))
    number = node.integer("output_dtype", 0)
    return element_format(number) if number else UINT8


def _import_with_computed_scale(scope: Scope, node: OnnxNode) -> None:
    x, scale, zero_point = node.inputs
    scope.shape(scale)
    coding = scope.codings.get(zero_point)
    if coding is None or scope.shape(scale) or scope.shape(zero_point):
        raise UnsupportedError("a computed scale that is no scalar beside integers")
    perm, held = scope.held(x)
    inputs = (held, scope.view(scale, ()), scope.view(zero_point, ()))
    plain = Coding(format=coding.format)
    scope.emit(node, QuantizeBy(format=coding.format), inputs, perm, coding=plain)


def import_dequantize_linear(scope: Scope, node: OnnxNode) -> None:
    """DequantizeLinear of computed integers; readers get the layout they ask for."""
    x, scale = node.inputs[:2]
    _refuse_float16(scope, node, "output_dtype")
    shape = scope.shape(x)
    if scope.builder.tensors[scope.held(x)[1]].dtype == "float32":
        raise UnsupportedError("it reads no integers")
    qparams = read_qparams(
        scope.constants,
        scale,
        node.operand(2),
        node.integer("axis", 1),
        tuple(s or 0 for s in shape),
    )
    if qparams is None:
        _import_blocks(scope, node, None)
        return
    scope.keeps_batch(qparams.axis != 0, "it has a scale for each of the batch")
    scope.decode(node.outputs[0], x, qparams)


def fold_dequantize_linear(constants: Constants, node: OnnxNode) -> Stated | None:
    """DequantizeLinear of a constant; None where its parameters are of blocks."""
    x, scale = node.inputs[:2]
    array = constants.value(x, "operand")
    qparams = read_qparams(
        constants, scale, node.operand(2), node.integer("axis", 1), array.shape
    )
    if qparams is None:
        return None
    return make_stated(node.outputs[0], x, array, qparams)


def _import_blocks(scope: Scope, node: OnnxNode, fmt: IntFormat | None) -> None:
    """Parameters of blocks along one axis: each block a row, and rows the axis.

    To integers of `fmt`, or from integers where it is None.
    """
    scope.keeps_batch(False, "parameters of blocks fix the batch size")
    x, scale = node.inputs[:2]
    shape, scales = scope.shape(x), scope.constants.value(scale, "scale")
    axis = normal_axis(node.integer("axis", 1), len(shape))
    split, perm = _blocks(shape, scales.shape, axis)
    parts = tuple(split[i] for i in perm)
    rows = math.prod(size or 0 for size in parts[:-1])
    points = (
        scope.constants.value(node.operand(2), "zero point")
        if node.operand(2)
        else np.zeros((), int)
    )
    qparams = make_qparams(scales, points, 0)
    op: Op = Dequantize(qparams=qparams)
    if fmt:
        op = Quantize(format=fmt, qparams=qparams)
    back = tuple(perm.index(i) for i in range(len(perm)))
    held = scope.in_file_order(x)
    for suffix, step in (
        ("split", reshape_to(split)),
        ("turned", Transpose(perm=perm)),
        ("rows", reshape_to((rows, parts[-1]))),
        ("converted", op),
        ("blocks", reshape_to(parts)),
        ("turned-back", Transpose(perm=back)),
    ):
        held = scope.step(node, step, (held,), suffix)
    coding = Coding(format=fmt) if fmt else None
    perm = file_order(len(shape))
    scope.emit(node, reshape_to(shape), (held,), perm, coding=coding)


def _blocks(shape: Shape, scales: tuple[int, ...], axis: int) -> tuple[Shape, Perm]:
    """The shape with its axis split into blocks, and the axes with the block last."""
    size, count = shape[axis] or 0, scales[axis] if axis < len(scales) else 0
    expected = (*shape[:axis], count, *shape[axis + 1 :])
    if scales != expected or not count or size % count:
        raise UnsupportedError(f"scales {scales} in blocks of {shape} along {axis}")
    split = (*shape[:axis], count, size // count, *shape[axis + 1 :])
    others = (i for i in range(len(split)) if i != axis + 1)
    return split, (*others, axis + 1)


def import_dynamic_quantize_linear(scope: Scope, node: OnnxNode) -> None:
    """DynamicQuantizeLinear: the scale, the zero point, the integers."""
    perm, held = scope.held(node.inputs[0])
    scope.keeps_batch(False, "its scale depends on the whole batch")
    _, scale, zero_point = node.outputs
    coding = Coding(format=UINT8)
    scope.emit(node, DynamicScale(format=UINT8), (held,), (), output=1)
    found = scope.view(scale, ())
    op = DynamicZeroPoint(format=UINT8)
    scope.emit(node, op, (held, found), (), output=2, coding=coding)
    inputs = (held, found, scope.view(zero_point, ()))
    scope.emit(node, QuantizeBy(format=UINT8), inputs, perm, coding=coding)


def relaid(constants: Constants, node: OnnxNode) -> Stated | None:
    """A stated constant after an operator that moves nothing but axes."""
    old = constants.stated.get(node.inputs[0])
    if old is None:
        return None
    if node.kind == "Transpose":
        perm = node.integers("perm") or tuple(reversed(range(old.ndim)))
        old = old.transpose(perm)
    name = node.outputs[0]
    return replace(old, name=name, source=constants.derived(f"{name}:quantized"))
