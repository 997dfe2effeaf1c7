"""Importers of operators that take one value at a time; SOFTMAX; QUANTIZE, DEQUANTIZE."""

from collections.abc import Callable

import numpy as np

from emu.errors import UnsupportedError
from emu.frontends.tflite_dense import broadcast_constant
from emu.frontends.tflite_file import TfliteNode
from emu.frontends.tflite_scope import ACTIVATIONS, Scope
from emu.ops import (
    Clip,
    Dequantize,
    Elu,
    Exp,
    Gelu,
    HardSwish,
    LeakyRelu,
    Op,
    PRelu,
    Relu,
    Sigmoid,
    Softmax,
    Tanh,
)


def _import_pointwise(
    make: Callable[[TfliteNode], Op],
) -> Callable[[Scope, TfliteNode], None]:
    """An importer of an operator on one activation."""

    def importer(scope: Scope, node: TfliteNode) -> None:
        scope.emit(node, make(node), (scope.real(node.operand(0)),))

    return importer


import_relu = _import_pointwise(lambda _: Relu())
import_relu6 = _import_pointwise(lambda _: Clip(low=0.0, high=6.0))
import_relu_n1_to_1 = _import_pointwise(lambda _: Clip(low=-1.0, high=1.0))
import_relu_0_to_1 = _import_pointwise(lambda _: Clip(low=0.0, high=1.0))
import_logistic = _import_pointwise(lambda _: Sigmoid())
import_tanh = _import_pointwise(lambda _: Tanh())
import_exp = _import_pointwise(lambda _: Exp())
import_elu = _import_pointwise(lambda _: Elu())
import_hard_swish = _import_pointwise(lambda _: HardSwish())
import_gelu = _import_pointwise(
    lambda node: Gelu(approximate=bool(node.options["Approximate"]))
)
import_leaky_relu = _import_pointwise(
    lambda node: LeakyRelu(alpha=float(node.options["Alpha"]))
)


def import_prelu(scope: Scope, node: TfliteNode) -> None:
    """PRELU: constant slopes that broadcast."""
    x, slope = node.operand(0), node.operand(1)
    scope.value(slope, "slope")
    slopes = broadcast_constant(scope, node, slope, len(scope.shape(x)))
    scope.emit(node, PRelu(), (scope.real(x), slopes))


def import_softmax(scope: Scope, node: TfliteNode) -> None:
    """SOFTMAX of beta * x along the last axis."""
    x, beta = node.operand(0), float(np.float32(node.options["Beta"]))
    shape = scope.shape(x)
    if len(shape) < 2:
        raise UnsupportedError("a softmax over the batch")
    scope.emit(node, Softmax(axis=len(shape) - 1, beta=beta), (scope.real(x),))


def import_quantize(scope: Scope, node: TfliteNode) -> None:
    """QUANTIZE: reals to integers, or integers to others of the same reals."""
    scope.finish_quantized(node, scope.real(node.operand(0)))


def import_dequantize(scope: Scope, node: TfliteNode) -> None:
    """DEQUANTIZE: the reals under the file's name for them."""
    x = node.operand(0)
    held = scope.builder.tensors[scope.held(x)]
    if held.qparams is None or ACTIVATIONS.get(scope.tensor(node.result).dtype):
        raise UnsupportedError("DEQUANTIZE that does not lead from integers to reals")
    scope.emit(node, Dequantize(qparams=held.qparams), (scope.held(x),))
