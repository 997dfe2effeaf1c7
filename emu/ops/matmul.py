"""Dense layers: Gemm in float; MatMul on integers."""

from dataclasses import dataclass

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float32, Integer

from emu.fixedpoint import Accumulator, Carrier, dot, overflow_accumulator
from emu.ops.conv import WRAPPING_32, centred, fold_zero_point


@dataclass(frozen=True, slots=True, kw_only=True)
class Gemm:
    """Float dense layer on the last axis: x @ w + bias, weights ci co."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MatMul:
    """Integer dense layer to accumulators: TOSA MATMUL with a bias.

    acc = overflow(bias + sum over ci of (x - x_zero_point) * w).
    """

    x_zero_point: int = 0
    accumulator: Accumulator = WRAPPING_32


def gemm(
    op: Gemm,
    x: Float32[Array, "*n ci"],
    w: Float32[Array, "ci co"],
    bias: Float32[Array, " co"] | None = None,
) -> Float32[Array, "*n co"]:
    """Float matrix product plus bias."""
    y = jnp.matmul(x, w, precision=lax.Precision.HIGHEST)
    return y if bias is None else y + bias.reshape((1,) * (y.ndim - 1) + (-1,))


def matmul(
    op: MatMul,
    x: Integer[Array, "*n ci"],
    w: Integer[Array, "ci co"],
    bias: Integer[Array, " co"],
    *,
    carrier: Carrier = Carrier.INT64,
) -> Integer[Array, "*n co"]:
    """Accumulators, int32 (int64 for accumulators wider than 32 bits).

    The zero point is folded into the bias as in `conv2d`.
    """
    values, zero_point = centred(x.reshape(-1, x.shape[-1]), op.x_zero_point)
    acc = dot(values, w, carrier)
    folded = fold_zero_point(bias, w, (0,), zero_point, acc.dtype)
    acc = overflow_accumulator(acc + folded.reshape(1, -1), op.accumulator)
    return acc.reshape(*x.shape[:-1], w.shape[1])
