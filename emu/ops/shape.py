"""Operators that move values without changing them: float or any integer format."""

from dataclasses import dataclass

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Shaped


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """The operand itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reshape:
    """New shape of each sample; the batch axis stays first and free.

    Without `keep_batch` of the whole array: for static graphs.
    """

    shape: tuple[int, ...]
    keep_batch: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Transpose:
    """Output axis i is input axis perm[i]; perm[0] is 0."""

    perm: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Concat:
    """Join along an axis. Integer operands already share scale and zero point."""

    axis: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Pad:
    """Surround with a constant; on integers `value` is in quantized units."""

    padding: tuple[tuple[int, int], ...]
    value: float | int = 0.0


def identity(op: Identity, x: Shaped[Array, "..."]) -> Shaped[Array, "..."]:
    """The operand."""
    return x


def reshape(op: Reshape, x: Shaped[Array, "..."]) -> Shaped[Array, "..."]:
    """Reshape each sample, or all of x."""
    return x.reshape(*x.shape[:1], *op.shape) if op.keep_batch else x.reshape(op.shape)


def transpose(op: Transpose, x: Shaped[Array, "..."]) -> Shaped[Array, "..."]:
    """Permute the axes."""
    return jnp.transpose(x, op.perm)


def concat(op: Concat, *xs: Shaped[Array, "..."]) -> Shaped[Array, "..."]:
    """Join the operands."""
    return jnp.concatenate(xs, axis=op.axis)


def pad(op: Pad, x: Shaped[Array, "..."]) -> Shaped[Array, "..."]:
    """Pad (or crop, for negative amounts) each axis."""
    edges = [(low, high, 0) for low, high in op.padding]
    return lax.pad(x, jnp.asarray(op.value, x.dtype), edges)
