"""Slice, Tile and Reverse by lists of indices, for the interpreter."""

from collections.abc import Callable
from typing import Any, Final

import numpy as np

from emu import ops

Array = np.ndarray[Any, Any]


def slice_(op: ops.Slice, x: Array) -> Array:
    picked = [
        range(start, size, step)
        if count < 0
        else [start + step * i for i in range(count)]
        for size, start, count, step in zip(
            x.shape, op.starts, op.sizes, op.steps, strict=True
        )
    ]
    return x[np.ix_(*picked)]


def tile(op: ops.Tile, x: Array) -> Array:
    for axis, count in enumerate(op.counts):
        x = np.concatenate([x] * count, axis=axis)
    return x


def reverse(op: ops.Reverse, x: Array) -> Array:
    return x.take(list(range(x.shape[op.axis] - 1, -1, -1)), axis=op.axis)


OPS: Final[dict[type[ops.Op], Callable[..., Array]]] = {
    ops.Slice: slice_,
    ops.Tile: tile,
    ops.Reverse: reverse,
}
