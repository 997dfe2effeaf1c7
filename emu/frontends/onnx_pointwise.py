"""Importers of operators that take one value at a time, and of Softmax and Identity."""

import math
from collections.abc import Callable
from typing import Final

import numpy as np

from emu.errors import UnsupportedError
from emu.frontends.onnx_layout import file_order, inner_order, reshape_to
from emu.frontends.onnx_node import OnnxNode, normal_axis
from emu.frontends.onnx_scope import Scope
from emu.ops import (
    Clip,
    Elu,
    Exp,
    Gelu,
    HardSigmoid,
    HardSwish,
    LeakyRelu,
    Op,
    Relu,
    Round,
    Sigmoid,
    Softmax,
    Tanh,
)

LARGEST_FLOAT: Final = float(np.finfo(np.float32).max)


def _import_pointwise(
    make: Callable[[Scope, OnnxNode], Op],
) -> Callable[[Scope, OnnxNode], None]:
    """An importer of an operator on one activation that keeps its layout."""

    def importer(scope: Scope, node: OnnxNode) -> None:
        scope.shape(node.inputs[0])
        scope.emit(node, make(scope, node), (scope.inner(node.inputs[0]),))

    return importer


def _make_clip(scope: Scope, node: OnnxNode) -> Clip:
    """Limits as attributes before opset 11, as constant operands after."""
    low, high = node.real("min", -math.inf), node.real("max", math.inf)
    if node.operand(1):
        low = _scalar(scope, node.operand(1), "lower limit")
    if node.operand(2):
        high = _scalar(scope, node.operand(2), "upper limit")
    # The largest floats are how files write "no limit".
    return Clip(
        low=-math.inf if low <= -LARGEST_FLOAT else low,
        high=math.inf if high >= LARGEST_FLOAT else high,
    )


def _scalar(scope: Scope, name: str, what: str) -> float:
    array = scope.constants.value(name, what)
    if array.size != 1:
        raise UnsupportedError(
            f"the {what} has shape {array.shape}, expected one value"
        )
    return float(array.reshape(()))


import_clip = _import_pointwise(_make_clip)
import_relu = _import_pointwise(lambda _scope, _node: Relu())
import_sigmoid = _import_pointwise(lambda _scope, _node: Sigmoid())
import_hard_swish = _import_pointwise(lambda _scope, _node: HardSwish())
import_tanh = _import_pointwise(lambda _scope, _node: Tanh())
import_round = _import_pointwise(lambda _scope, _node: Round())
import_exp = _import_pointwise(lambda _scope, _node: Exp())
import_elu = _import_pointwise(lambda _scope, node: Elu(alpha=node.real("alpha", 1.0)))
import_leaky_relu = _import_pointwise(
    lambda _scope, node: LeakyRelu(alpha=node.real("alpha", 0.01))
)
import_hard_sigmoid = _import_pointwise(
    lambda _scope, node: HardSigmoid(
        alpha=node.real("alpha", 0.2), beta=node.real("beta", 0.5)
    )
)


def _make_gelu(_scope: Scope, node: OnnxNode) -> Gelu:
    way = node.text("approximate", "none")
    if way not in ("none", "tanh"):
        raise UnsupportedError(f"approximate {way}")
    return Gelu(approximate=way == "tanh")


import_gelu = _import_pointwise(_make_gelu)


def import_softmax(scope: Scope, node: OnnxNode) -> None:
    """Softmax along one axis; before opset 13 over all axes from `axis` on."""
    x = node.inputs[0]
    shape = scope.shape(x)
    rank = len(shape)
    axis = normal_axis(node.integer("axis", -1 if node.opset >= 13 else 1), rank)
    scope.keeps_batch(axis != 0, "axis 0 is the batch")
    if node.opset >= 13 or all(size == 1 for size in shape[axis + 1 :]):
        # The last axis in memory: the one that integer kernels work along.
        order = inner_order(rank)
        if order[-1] != axis:
            order = (*(i for i in range(rank) if i != axis), axis)
        scope.emit(node, Softmax(axis=-1), (scope.view(x, order),), order)
        return
    rest = math.prod(size or 1 for size in shape[axis:])
    flatten = reshape_to((*shape[:axis], rest))
    flat = scope.step(node, flatten, (scope.in_file_order(x),), "flat")
    soft = scope.step(node, Softmax(axis=-1), (flat,), "softmax")
    scope.emit(node, reshape_to(shape), (soft,), file_order(rank))


def import_identity(scope: Scope, node: OnnxNode) -> None:
    """Identity: its readers read its operand."""
    scope.shape(node.inputs[0])
    scope.alias(node)


def import_dropout(scope: Scope, node: OnnxNode) -> None:
    """Dropout at inference: removed; its mask must not be asked for."""
    scope.shape(node.inputs[0])
    if any(node.outputs[1:]):
        raise UnsupportedError("the output mask is used")
    mode = node.operand(2)
    if mode and scope.constants.value(mode, "training mode").any():
        raise UnsupportedError("training mode")
    scope.alias(node)
