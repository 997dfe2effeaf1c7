"""Dense layers: Gemm and BatchGemm in float; MatMul and BatchMatMul on integers."""

from dataclasses import dataclass
from enum import Enum

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float32, Integer

from emu.fixedpoint import Accumulator, Carrier, Register
from emu.ops.sums import WRAPPING_32, Axes, sum_products, watch_products


class GemmKind(Enum):
    """What a file calls a dense layer: engines have a kernel for each.

    GEMM: a dense layer. NARROW: TFLite FULLY_CONNECTED of int16 without a bias of 64
    bits. MATMUL: TFLite BATCH_MATMUL by a constant matrix. Targets name their rescale
    rules by the values.
    """

    GEMM = "Gemm"
    NARROW = "NarrowGemm"
    MATMUL = "MatMul"


@dataclass(frozen=True, slots=True, kw_only=True)
class Gemm:
    """Float dense layer on the last axis: x @ w + bias, weights ci co."""

    kind: GemmKind = GemmKind.GEMM


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchGemm:
    """Float product x @ y of two computed tensors, matrices in their last two axes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MatMul:
    """Integer dense layer to accumulators: TOSA MATMUL with a bias.

    acc = overflow(bias + sum over ci of (x - x_zero_point) * (w - w_zero_point)).
    """

    x_zero_point: int = 0
    w_zero_point: int = 0
    accumulator: Accumulator = WRAPPING_32


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchMatMul:
    """Integer product of two computed tensors to accumulators: TOSA MATMUL.

    acc = overflow(sum over k of (x - x_zero_point) * (y - y_zero_point)); matrices
    are in the last two axes, the axes before them agree. k is the axis "ci".
    """

    x_zero_point: int = 0
    y_zero_point: int = 0
    accumulator: Accumulator = WRAPPING_32

    @property
    def w_zero_point(self) -> int:
        """The zero point of the second operand, as other sums call it."""
        return self.y_zero_point


def gemm(
    op: Gemm,
    x: Float32[Array, "*n ci"],
    w: Float32[Array, "ci co"],
    bias: Float32[Array, " co"] | None = None,
) -> Float32[Array, "*n co"]:
    """Float matrix product plus bias."""
    y = jnp.matmul(x, w, precision=lax.Precision.HIGHEST)
    return y if bias is None else y + bias.reshape((1,) * (y.ndim - 1) + (-1,))


def batch_gemm(
    op: BatchGemm, x: Float32[Array, "*b m k"], y: Float32[Array, "*b k n"]
) -> Float32[Array, "*b m n"]:
    """Float products of matrices."""
    return jnp.matmul(x, y, precision=lax.Precision.HIGHEST)


def matmul(
    op: MatMul,
    x: Integer[Array, "*n ci"],
    w: Integer[Array, "ci co"],
    bias: Integer[Array, " co"],
    *,
    carrier: Carrier | None = None,
) -> Integer[Array, "*n co"]:
    """Accumulators, int32 (int64 for accumulators wider than 32 bits)."""
    acc = sum_products(op, *_matrices(x, w, bias), carrier)
    return acc.reshape(*x.shape[:-1], w.shape[1])


def watch_matmul(
    op: MatMul,
    x: Integer[Array, "*n ci"],
    w: Integer[Array, "ci co"],
    bias: Integer[Array, " co"],
) -> Register:
    """What happens in the registers of `matmul`."""
    register = watch_products(op, *_matrices(x, w, bias))
    return Register(*(a.reshape(*x.shape[:-1], w.shape[1]) for a in register))


def _matrices(x: Array, w: Array, bias: Array) -> tuple[Array, Array, Array, Axes]:
    return x.reshape(-1, x.shape[-1]), w, bias.reshape(1, -1), (("ci", w.shape[0]),)


def batch_matmul(
    op: BatchMatMul,
    x: Integer[Array, "*b m k"],
    y: Integer[Array, "*b k n"],
    *,
    carrier: Carrier | None = None,
) -> Integer[Array, "*b m n"]:
    """Accumulators, int32 (int64 for accumulators wider than 32 bits)."""
    return sum_products(op, x, y, _no_bias(x), (("ci", x.shape[-1]),), carrier)


def watch_batch_matmul(
    op: BatchMatMul, x: Integer[Array, "*b m k"], y: Integer[Array, "*b k n"]
) -> Register:
    """What happens in the registers of `batch_matmul`."""
    return watch_products(op, x, y, _no_bias(x), (("ci", x.shape[-1]),))


def _no_bias(x: Array) -> Integer[Array, "..."]:
    return jnp.zeros((1,) * x.ndim, jnp.int32)
