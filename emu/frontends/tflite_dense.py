"""Importers of matrix products and of operators of two operands that broadcast.

FULLY_CONNECTED, BATCH_MATMUL; ADD, SUB, MUL, MINIMUM, MAXIMUM, SQUARED_DIFFERENCE.
"""

from collections.abc import Callable
from typing import Final

from emu.errors import UnsupportedError
from emu.frontends.tflite_file import TfliteNode
from emu.frontends.tflite_scope import Scope, sample_size
from emu.frontends.tflite_weights import bias
from emu.ops import (
    Add,
    BatchGemm,
    Gemm,
    GemmKind,
    Maximum,
    Minimum,
    Mul,
    Op,
    Reshape,
    SquaredDifference,
    Sub,
    Transpose,
)

PLAIN_WEIGHTS: Final = 0


def import_fully_connected(scope: Scope, node: TfliteNode) -> None:
    """FULLY_CONNECTED: weights co ci; without keep_num_dims each sample is one row."""
    x, w = node.operand(0), node.operand(1)
    shape, sizes = scope.shape(x), scope.value(w, "weight").shape
    if node.options["WeightsFormat"] != PLAIN_WEIGHTS:
        raise UnsupportedError(f"weights of format {node.options['WeightsFormat']}")
    if len(sizes) != 2:
        raise UnsupportedError(f"weights of rank {len(sizes)}, expected 2")
    weights = scope.constant(node, w, "weight", (1, 0), letters="io")
    rows = scope.real(x)
    if not node.options["KeepNumDims"]:
        if sample_size(shape) != sizes[1]:
            raise UnsupportedError(
                f"weights {sizes} on samples of shape {shape[1:]} would mix the batch "
                "with other axes"
            )
        if len(shape) != 2:
            rows = scope.move(node, Reshape(shape=(sizes[1],)), rows, x, "row")
    inputs = (rows, weights, *bias(scope, node, 2, sizes[0]))
    scope.emit(node, Gemm(kind=_kind(scope, node)), inputs)


def _kind(scope: Scope, node: TfliteNode) -> GemmKind:
    """Integers of 16 bits take another kernel with a bias of 64 bits."""
    if scope.tensor(node.operand(0)).dtype != "INT16":
        return GemmKind.GEMM
    biases = [scope.tensor(index) for index in node.inputs[2:3] if index >= 0]
    wide = any(bias.dtype == "INT64" for bias in biases)
    return GemmKind.GEMM if wide else GemmKind.NARROW


def import_batch_matmul(scope: Scope, node: TfliteNode) -> None:
    """BATCH_MATMUL: of two activations, or of one and a constant matrix."""
    x, y = node.operand(0), node.operand(1)
    left = scope.real(x)
    if node.options["AdjX"]:
        left = scope.move(node, _swapped(len(scope.shape(x))), left, x, "left")
    if not scope.is_constant(y):
        right = scope.real(y)
        if len(scope.shape(y)) != len(scope.shape(x)):
            raise UnsupportedError("operands of different ranks")
        if node.options["AdjY"]:
            swap = _swapped(len(scope.shape(y)))
            right = scope.move(node, swap, right, y, "right")
        scope.emit(node, BatchGemm(), (left, right))
        return
    sizes = scope.value(y, "right operand").shape
    if len(sizes) < 2 or set(sizes[:-2]) - {1} or len(sizes) > len(scope.shape(x)):
        raise UnsupportedError(f"a constant right operand of shape {sizes}")
    matrix = _matrix(scope, node, y, len(sizes))
    scope.emit(node, Gemm(kind=GemmKind.MATMUL), (left, matrix))


def _matrix(scope: Scope, node: TfliteNode, index: int, rank: int) -> str:
    """A constant of leading sizes 1 as the matrix ci co."""
    shape = scope.value(index, "right operand").shape[-2:]
    if not node.options["AdjY"]:
        return scope.constant(node, index, "right operand", shape=shape, letters="io")
    lead = tuple(range(rank - 2))
    perm = (*lead, rank - 1, rank - 2)
    return scope.constant(
        node, index, "right operand", perm, shape=shape[::-1], letters="io"
    )


def _swapped(rank: int) -> Transpose:
    """The operator that swaps the last two axes."""
    if rank < 3:
        raise UnsupportedError(f"an operand of rank {rank}, expected at least 3")
    return Transpose(perm=(*range(rank - 2), rank - 1, rank - 2))


def _import_pairwise(op: Op) -> Callable[[Scope, TfliteNode], None]:
    """An importer of an operator of two operands that broadcast."""

    def importer(scope: Scope, node: TfliteNode) -> None:
        pair = node.inputs[:2]
        ranks = {len(scope.shape(i)) for i in pair if not scope.is_constant(i)}
        if len(pair) != 2 or len(ranks) != 1:
            raise UnsupportedError(
                f"operands of ranks {sorted(ranks)} would mix the batch with other axes"
            )
        rank = ranks.pop()
        inputs = tuple(
            broadcast_constant(scope, node, index, rank)
            if scope.is_constant(index)
            else scope.real(index)
            for index in pair
        )
        scope.emit(node, op, inputs)

    return importer


def broadcast_constant(scope: Scope, node: TfliteNode, index: int, rank: int) -> str:
    """A constant operand brought to the rank of the activation beside it."""
    shape = scope.value(index, "operand").shape
    wide = (1,) * (rank - len(shape)) + shape
    if len(wide) != rank or wide[0] != 1:
        raise UnsupportedError(
            f"a constant of shape {shape} beside an activation of rank {rank} fixes "
            "the batch size"
        )
    if shape == wide:
        return scope.constant(node, index, "operand")
    return scope.constant(node, index, "operand", shape=wide, letters=f"{rank}d")


import_add = _import_pairwise(Add())
import_sub = _import_pairwise(Sub())
import_mul = _import_pairwise(Mul())
import_minimum = _import_pairwise(Minimum())
import_maximum = _import_pairwise(Maximum())
import_squared_difference = _import_pairwise(SquaredDifference())
