"""Operators that pick, repeat or reorder values: Slice, Tile, Reverse."""

from dataclasses import dataclass
from typing import Final

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Shaped

TO_THE_END: Final = -1


@dataclass(frozen=True, slots=True, kw_only=True)
class Slice:
    """Every steps[i]-th element of axis i from starts[i] on, sizes[i] of them.

    One entry an axis; a size of -1 takes all up to the end (for the free batch axis:
    start 0, size -1, step 1). With steps of 1 TOSA SLICE.
    """

    starts: tuple[int, ...]
    sizes: tuple[int, ...]
    steps: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tile:
    """The whole array repeated counts[i] times along axis i: TOSA TILE."""

    counts: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reverse:
    """The elements along one axis in the opposite order: TOSA REVERSE."""

    axis: int


def slice_(op: Slice, x: Shaped[Array, "..."]) -> Shaped[Array, "..."]:
    """Raises ValueError for a part that does not lie inside x."""
    limits = []
    for size, start, count, step in zip(
        x.shape, op.starts, op.sizes, op.steps, strict=True
    ):
        last = size - 1 if count == TO_THE_END else start + (count - 1) * step
        if min(start, count + 1) < 0 or step < 1 or last >= size:
            raise ValueError(f"no slice {start}, {count}, {step} of {size} elements")
        limits.append(max(last + 1, start))
    return lax.slice(x, op.starts, limits, op.steps)


def tile(op: Tile, x: Shaped[Array, "..."]) -> Shaped[Array, "..."]:
    """Raises ValueError unless each axis has a count of at least 1."""
    if len(op.counts) != x.ndim or min(op.counts, default=1) < 1:
        raise ValueError(f"counts {op.counts} for {x.ndim} axes")
    return jnp.tile(x, op.counts)


def reverse(op: Reverse, x: Shaped[Array, "..."]) -> Shaped[Array, "..."]:
    """Flip one axis."""
    return jnp.flip(x, op.axis)
