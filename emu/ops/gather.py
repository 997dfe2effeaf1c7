"""Gather and Scatter: rows of each batch entry by index, as TOSA has them."""

from dataclasses import dataclass

import jax.numpy as jnp
from jaxtyping import Array, Int32, Shaped


@dataclass(frozen=True, slots=True, kw_only=True)
class Gather:
    """y[n, w] = x[n, indices[n, w]]: TOSA GATHER.

    An index outside x, undefined in TOSA, counts as the nearest one inside.
    """


@dataclass(frozen=True, slots=True, kw_only=True)
class Scatter:
    """A copy of x in which row indices[n, w] is rows[n, w]: TOSA SCATTER.

    Undefined in TOSA: of several rows for one index the last counts, and an index
    outside x is passed over.
    """


def gather(
    op: Gather, x: Shaped[Array, "n k c"], indices: Int32[Array, "n w"]
) -> Shaped[Array, "n w c"]:
    """Rows in the order of the indices; clipped here, or -1 would be the last row."""
    inside = jnp.clip(indices, 0, x.shape[1] - 1)
    return jnp.take_along_axis(x, inside[:, :, None], axis=1, mode="clip")


def scatter(
    op: Scatter,
    x: Shaped[Array, "n k c"],
    indices: Int32[Array, "n w"],
    rows: Shaped[Array, "n w c"],
) -> Shaped[Array, "n k c"]:
    """Each row of x is told which of `rows` replaces it: a maximum, in any order."""
    n, k, _ = x.shape
    w = indices.shape[1]
    if w == 0:
        return x
    inside = (indices >= 0) & (indices < k)
    places = jnp.where(inside, indices, k)
    order = jnp.broadcast_to(jnp.arange(w, dtype=jnp.int32)[None], (n, w))
    batch = jnp.arange(n, dtype=jnp.int32)[:, None]
    nobody = jnp.full((n, k + 1), -1, jnp.int32)
    last = nobody.at[batch, places].max(order)[:, :k, None]
    replaced = jnp.take_along_axis(rows, last, axis=1, mode="clip")
    return jnp.where(last >= 0, replaced, x)
