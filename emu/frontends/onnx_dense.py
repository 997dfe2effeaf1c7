"""Importers of operators with parameters that are no windows.

Gemm, MatMul, BatchNormalization, PRelu and what takes two operands that broadcast.
"""

from collections.abc import Callable

import numpy as np

from emu.errors import UnsupportedError
from emu.frontends.onnx_layout import NHWC, file_order, inner_order
from emu.frontends.onnx_node import OnnxNode
from emu.frontends.onnx_scope import Scope
from emu.frontends.onnx_stated import Parameter, Stated
from emu.ops import (
    Add,
    BatchGemm,
    BatchNormalization,
    Div,
    Gemm,
    Maximum,
    Minimum,
    Mul,
    Op,
    PRelu,
    Select,
    Sub,
)


def import_gemm(scope: Scope, node: OnnxNode) -> None:
    """Gemm: alpha * x @ w + beta * bias, x not transposed, w and bias constants."""
    x, w = node.inputs[:2]
    if node.integer("transA", 0):
        raise UnsupportedError("transA")
    matrix = scope.constants.parameter(w, "weight")
    alpha, beta = node.real("alpha", 1.0), node.real("beta", 1.0)
    if matrix.ndim != 2 or len(scope.shape(x)) != 2:
        raise UnsupportedError(f"weights of rank {matrix.ndim}, expected 2")
    title = w
    if node.integer("transB", 0):
        matrix, title = matrix.transpose((1, 0)), f"{title}:io"
    if alpha != 1.0:
        matrix, title = _scaled(matrix, alpha), f"{title}*{alpha!r}"
    inputs = (scope.inner(x), scope.constants.add(title, matrix))
    bias = node.operand(2)
    if bias and beta != 0.0:
        inputs += (_gemm_bias(scope, bias, beta, matrix.shape[1]),)
    scope.emit(node, Gemm(), inputs)


def _scaled(array: Parameter, factor: float) -> np.ndarray:
    """The product in float32; what overflows is refused as a constant."""
    if isinstance(array, Stated):
        raise UnsupportedError(f"a factor of {factor!r} on quantized parameters")
    with np.errstate(over="ignore", invalid="ignore"):
        return array * np.float32(factor)


def _gemm_bias(scope: Scope, name: str, beta: float, size: int) -> str:
    """Beta times the constant, as one value per output."""
    bias = scope.constants.parameter(name, "bias")
    if bias.shape[-1:] not in ((), (1,), (size,)) or bias.size not in (1, size):
        raise UnsupportedError(f"bias of shape {bias.shape} fixes the batch size")
    title = name
    if beta != 1.0:
        bias, title = _scaled(bias, beta), f"{title}*{beta!r}"
    if bias.shape != (size,):
        if isinstance(bias, np.ndarray):
            bias = np.broadcast_to(bias.reshape(-1), (size,))
        bias, title = bias.reshape((size,)), f"{title}:{size}"
    return scope.constants.add(title, bias)


def import_matmul(scope: Scope, node: OnnxNode) -> None:
    """MatMul: with a constant matrix on the right Gemm without bias, else BatchGemm."""
    x, w = node.inputs[:2]
    if x in scope.constants or w not in scope.constants:
        _import_matmul_of_two(scope, node)
        return
    shape = scope.shape(x)
    matrix = scope.constants.parameter(w, "right operand")
    lead = matrix.shape[:-2]
    if set(lead) - {1} and len(shape) >= 2:
        _import_matmul_of_two(scope, node)
        return
    if matrix.ndim < 2 or matrix.ndim > len(shape):
        raise UnsupportedError(f"a right operand of shape {matrix.shape}")
    if len(shape) < 2:
        raise UnsupportedError(f"a left operand of rank {len(shape)}")
    title = f"{w}:io" if lead else w
    weights = scope.constants.add(title, matrix.reshape(matrix.shape[-2:]))
    order = file_order(len(shape))
    scope.emit(node, Gemm(), (scope.view(x, order), weights), order)


def _import_matmul_of_two(scope: Scope, node: OnnxNode) -> None:
    """MatMul of stacks of matrices, in the file's layout."""
    inputs, ranks = [], []
    for name in node.inputs:
        if name in scope.constants:
            array = scope.constants.parameter(name, "operand")
            inputs.append(scope.constants.add(name, array))
            ranks.append(array.ndim)
        else:
            ranks.append(len(scope.shape(name)))
            inputs.append(scope.view(name, file_order(ranks[-1])))
    if min(ranks) < 2 or len(set(ranks)) > 1:
        raise UnsupportedError(f"operands of ranks {ranks}, expected equal ones")
    scope.emit(node, BatchGemm(), tuple(inputs), file_order(max(ranks)))


def import_batch_normalization(scope: Scope, node: OnnxNode) -> None:
    """BatchNormalization at inference: constant statistics of each channel."""
    x = node.inputs[0]
    if node.integer("training_mode", 0) or any(node.outputs[1:]):
        raise UnsupportedError("training mode")
    if not node.integer("spatial", 1):
        raise UnsupportedError("spatial 0")
    shape = scope.shape(x)
    if len(shape) < 2 or shape[1] is None:
        raise UnsupportedError(f"rank {len(shape)}, expected at least 2")
    names = ("scale", "B", "mean", "var")
    parameters = tuple(
        scope.constants.vector(name, shape[1], what)
        for name, what in zip(node.inputs[1:5], names, strict=True)
    )
    # The channel axis, 1 in the file, comes last.
    perm = (0, *range(2, len(shape)), 1)
    op = BatchNormalization(epsilon=node.real("epsilon", 1e-5))
    scope.emit(node, op, (scope.view(x, perm), *parameters), perm)


def _import_arithmetic(op: Op) -> Callable[[Scope, OnnxNode], None]:
    """An importer of an operator of two operands that broadcast."""

    def importer(scope: Scope, node: OnnxNode) -> None:
        if len(node.inputs) != 2:
            raise UnsupportedError(f"{len(node.inputs)} operands, expected 2")
        inputs, perm = broadcast(scope, node.inputs)
        scope.emit(node, op, inputs, perm)

    return importer


def _import_several(op: Op) -> Callable[[Scope, OnnxNode], None]:
    """An importer of an associative operator of one operand or more."""

    def importer(scope: Scope, node: OnnxNode) -> None:
        if len(node.inputs) == 1:
            scope.shape(node.inputs[0])
            scope.alias(node)
            return
        (first, *rest, last), perm = broadcast(scope, node.inputs)
        for i, operand in enumerate(rest):
            first = scope.step(node, op, (first, operand), f"first-{i + 2}")
        scope.emit(node, op, (first, last), perm)

    return importer


def broadcast(
    scope: Scope, names: tuple[str, ...]
) -> tuple[tuple[str, ...], tuple[int, ...]]:
    """Operands that broadcast against each other, and the form of the result."""
    ranks = {len(scope.shape(n)) for n in names if n not in scope.constants}
    if not ranks:
        raise UnsupportedError("operands that are all constant")
    scope.keeps_batch(
        len(ranks) == 1,
        f"operands of ranks {sorted(ranks)} would mix the batch with other axes",
    )
    arrays = [scope.constants.parameter(n, "") for n in names if n in scope.constants]
    rank = max(*ranks, *(array.ndim for array in arrays), 0)
    if scope.static and ranks != {rank}:
        # numpy's rule for ranks that differ holds in the file's own layout.
        return tuple(_in_file_order(scope, name) for name in names), file_order(rank)
    return (
        tuple(
            _broadcast_constant(scope, name, *ranks)
            if name in scope.constants
            else scope.inner(name)
            for name in names
        ),
        inner_order(rank),
    )


def _in_file_order(scope: Scope, name: str) -> str:
    if name in scope.constants:
        return scope.constants.add(name, scope.constants.parameter(name, "operand"))
    return scope.view(name, file_order(len(scope.shape(name))))


def _broadcast_constant(scope: Scope, name: str, rank: int) -> str:
    """A constant operand brought to the rank, in the inner layout."""
    array = scope.constants.parameter(name, "operand")
    if array.ndim > rank:
        raise UnsupportedError(
            f"a constant of rank {array.ndim} beside an activation of rank {rank}"
        )
    shape = (1,) * (rank - array.ndim) + array.shape
    lead = shape[0] if shape else 1
    scope.keeps_batch(
        lead == 1, f"a constant of shape {array.shape} fixes the batch size to {lead}"
    )
    wide, title = array.reshape(shape), name
    if shape != array.shape:
        title = f"{title}:{rank}d"
    if rank == 4:
        wide, title = wide.transpose(NHWC), f"{name}:nhwc"
    return scope.constants.add(title, wide)


def import_prelu(scope: Scope, node: OnnxNode) -> None:
    """PRelu: the slope broadcasts to the activation, not the other way round."""
    x, slope = node.inputs
    shape = scope.shape(x)
    if len(scope.constants.parameter(slope, "slope").shape) > len(shape):
        raise UnsupportedError("a slope of higher rank than the activation")
    scope.emit(node, PRelu(), *broadcast(scope, (x, slope)))


def import_where(scope: Scope, node: OnnxNode) -> None:
    """Where: all three operands broadcast."""
    if len(node.inputs) != 3:
        raise UnsupportedError(f"{len(node.inputs)} operands, expected 3")
    inputs, perm = broadcast(scope, node.inputs)
    scope.emit(node, Select(), inputs, perm)


import_add = _import_arithmetic(Add())
import_sub = _import_arithmetic(Sub())
import_mul = _import_arithmetic(Mul())
import_mul_alone = _import_arithmetic(Mul(alone=True))
import_div = _import_arithmetic(Div())
import_min = _import_several(Minimum())
import_max = _import_several(Maximum())
