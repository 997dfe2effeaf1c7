"""Importers of operators with parameters that are no windows.

Gemm, MatMul, BatchNormalization, Add, Sub, Mul.
"""

from collections.abc import Callable

import numpy as np

from emu.errors import UnsupportedError
from emu.frontends.onnx_layout import NHWC, Scope, file_order
from emu.frontends.onnx_node import OnnxNode
from emu.ops import Add, BatchNormalization, Gemm, Mul, Op, Sub


def import_gemm(scope: Scope, node: OnnxNode) -> None:
    """Gemm: alpha * x @ w + beta * bias, x not transposed, w and bias constants."""
    x, w = node.inputs[:2]
    if node.integer("transA", 0):
        raise UnsupportedError("transA")
    matrix = scope.value(w, "weight")
    alpha, beta = node.real("alpha", 1.0), node.real("beta", 1.0)
    if matrix.ndim != 2 or len(scope.shape(x)) != 2:
        raise UnsupportedError(f"weights of rank {matrix.ndim}, expected 2")
    title = w
    if node.integer("transB", 0):
        matrix, title = matrix.T, f"{title}:io"
    if alpha != 1.0:
        matrix, title = _scaled(matrix, alpha), f"{title}*{alpha!r}"
    inputs = (scope.inner(x), scope.constant(title, matrix))
    bias = node.operand(2)
    if bias and beta != 0.0:
        inputs += (_gemm_bias(scope, bias, beta, matrix.shape[1]),)
    scope.emit(node, Gemm(), inputs)


def _scaled(array: np.ndarray, factor: float) -> np.ndarray:
    """The product in float32; what overflows is refused as a constant."""
    with np.errstate(over="ignore", invalid="ignore"):
        return array * np.float32(factor)


def _gemm_bias(scope: Scope, name: str, beta: float, size: int) -> str:
    """Beta times the constant, as one value per output."""
    bias = scope.value(name, "bias")
    if bias.shape[-1:] not in ((), (1,), (size,)) or bias.size not in (1, size):
        raise UnsupportedError(f"bias of shape {bias.shape} fixes the batch size")
    title = name
    if beta != 1.0:
        bias, title = _scaled(bias, beta), f"{title}*{beta!r}"
    if bias.shape != (size,):
        bias, title = np.broadcast_to(bias.reshape(-1), (size,)), f"{title}:{size}"
    return scope.constant(title, bias)


def import_matmul(scope: Scope, node: OnnxNode) -> None:
    """MatMul of an activation and a constant matrix: Gemm without bias."""
    x, w = node.inputs[:2]
    shape = scope.shape(x)
    matrix = scope.value(w, "right operand")
    lead = matrix.shape[:-2]
    if matrix.ndim < 2 or set(lead) - {1} or matrix.ndim > len(shape):
        raise UnsupportedError(f"a right operand of shape {matrix.shape}")
    if len(shape) < 2:
        raise UnsupportedError(f"a left operand of rank {len(shape)}")
    title = f"{w}:io" if lead else w
    weights = scope.constant(title, matrix.reshape(matrix.shape[-2:]))
    order = file_order(len(shape))
    scope.emit(node, Gemm(), (scope.view(x, order), weights), order)


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
        scope.vector(name, shape[1], what)
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
        ranks = {len(scope.shape(n)) for n in node.inputs if n not in scope.constants}
        if len(ranks) != 1:
            raise UnsupportedError(
                f"operands of ranks {sorted(ranks)} would mix the batch with other axes"
            )
        rank = ranks.pop()
        inputs = tuple(
            _broadcast_constant(scope, name, rank)
            if name in scope.constants
            else scope.inner(name)
            for name in node.inputs
        )
        perm = NHWC if rank == 4 else file_order(rank)
        scope.emit(node, op, inputs, perm)

    return importer


def _broadcast_constant(scope: Scope, name: str, rank: int) -> str:
    """A constant operand brought to the rank, in the inner layout."""
    array = scope.constants[name]
    if array.ndim > rank:
        raise UnsupportedError(
            f"a constant of rank {array.ndim} beside an activation of rank {rank}"
        )
    shape = (1,) * (rank - array.ndim) + array.shape
    if shape[0] != 1:
        raise UnsupportedError(
            f"a constant of shape {array.shape} fixes the batch size to {shape[0]}"
        )
    wide, title = array.reshape(shape), name
    if shape != array.shape:
        title = f"{title}:{rank}d"
    if rank == 4:
        wide, title = np.transpose(wide, NHWC), f"{name}:nhwc"
    return scope.constant(title, wide)


import_add = _import_arithmetic(Add())
import_sub = _import_arithmetic(Sub())
import_mul = _import_arithmetic(Mul())
