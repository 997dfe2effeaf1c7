"""The cells of a detector's levels, where its boxes start from."""

from collections.abc import Sequence

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Float32, Int64

from emu.errors import UnsupportedError


def level_shapes(
    size: tuple[int, int], strides: Sequence[int]
) -> tuple[tuple[int, int], ...]:
    """Return rows and columns of each level; a cell that is cut off counts."""
    return tuple((-(-size[0] // s), -(-size[1] // s)) for s in strides)


def cells(
    size: tuple[int, int], strides: tuple[int, ...]
) -> Int64[np.ndarray, "cells 3"]:
    """Return column, row and stride of every cell: level by level, row by row."""
    levels = []
    for (rows, columns), stride in zip(
        level_shapes(size, strides), strides, strict=True
    ):
        y, x = np.mgrid[:rows, :columns]
        levels.append(np.stack([x, y, np.full_like(x, stride)], axis=-1).reshape(-1, 3))
    return np.concatenate(levels)


def rows_of(
    output: Float[Array, "..."], rows: int, columns: int, what: str
) -> Float32[Array, "n {rows} {columns}"]:
    """Return an output as [n, rows, columns]; a model may put it out as two axes.

    Raises:
        UnsupportedError: the output has other rows or columns.
    """
    shape = output.shape
    fits = shape[-2] % rows == 0 if len(shape) == 2 else shape[1:-1] == (rows,)
    if not fits or shape[-1] != columns:
        raise UnsupportedError(
            f"{what} has shape {list(shape)}; expected [n, {rows}, {columns}]"
        )
    return jnp.reshape(output, (-1, rows, columns)).astype(jnp.float32)
