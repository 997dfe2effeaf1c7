"""Reductions along one axis: the largest, smallest, product, all, any; ArgMax."""

from dataclasses import dataclass

import jax.numpy as jnp
from jaxtyping import Array, Bool, Int32, Integer, Num


@dataclass(frozen=True, slots=True, kw_only=True)
class ReduceMax:
    """Largest value along the axis, which stays with size 1: TOSA REDUCE_MAX."""

    axis: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ReduceMin:
    """Smallest value along the axis, which stays with size 1: TOSA REDUCE_MIN."""

    axis: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ReduceProduct:
    """Product along the axis, which stays with size 1; wraps as the dtype does.

    TOSA REDUCE_PRODUCT, which TOSA itself has for floats only.
    """

    axis: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ReduceAll:
    """Whether all along the axis are true: TOSA REDUCE_ALL."""

    axis: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ReduceAny:
    """Whether one along the axis is true: TOSA REDUCE_ANY."""

    axis: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ArgMax:
    """Index of the first largest value along the axis, which vanishes: TOSA ARGMAX."""

    axis: int


def reduce_max(op: ReduceMax, x: Num[Array, "..."]) -> Num[Array, "..."]:
    """Maximum."""
    return jnp.max(x, axis=op.axis, keepdims=True)


def reduce_min(op: ReduceMin, x: Num[Array, "..."]) -> Num[Array, "..."]:
    """Minimum."""
    return jnp.min(x, axis=op.axis, keepdims=True)


def reduce_product(
    op: ReduceProduct, x: Integer[Array, "..."]
) -> Integer[Array, "..."]:
    """Product modulo the dtype of x."""
    return jnp.prod(x, axis=op.axis, keepdims=True, dtype=x.dtype)


def reduce_all(op: ReduceAll, x: Bool[Array, "..."]) -> Bool[Array, "..."]:
    """Conjunction."""
    return jnp.all(x, axis=op.axis, keepdims=True)


def reduce_any(op: ReduceAny, x: Bool[Array, "..."]) -> Bool[Array, "..."]:
    """Disjunction."""
    return jnp.any(x, axis=op.axis, keepdims=True)


def argmax(op: ArgMax, x: Num[Array, "..."]) -> Int32[Array, "..."]:
    """Indices, int32."""
    return jnp.argmax(x, axis=op.axis).astype(jnp.int32)
