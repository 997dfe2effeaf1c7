"""The float layers of functions, and resizing, in NumPy float64."""

import math
from typing import Any

import numpy as np

from emu import ops

Array = np.ndarray[Any, Any]

_erf = np.vectorize(math.erf, otypes=[np.float64])


def gelu(op: ops.Gelu, x: Array) -> Array:
    if op.approximate:
        inner = math.sqrt(2 / math.pi) * (x + 0.044715 * x * x * x)
        return x * (1 + np.tanh(inner)) / 2
    return x * (1 + _erf(x / math.sqrt(2))) / 2


def silu(op: ops.Silu, x: Array) -> Array:
    return x / (1 + np.exp(-x))


def elu(op: ops.Elu, x: Array) -> Array:
    return np.where(x > 0, x, op.alpha * (np.exp(np.minimum(x, 0)) - 1))


def prelu(op: ops.PRelu, x: Array, slope: Array) -> Array:
    return np.where(x < 0, x * slope, x)


def identity(op: ops.Identity, x: Array) -> Array:
    return x.copy()


def _position(op: ops.Resize, axis: int, o: int, size: int) -> float:
    """The coordinate that pixel o of the result has in the operand."""
    result = op.size[axis]
    scale = op.scale[axis] if op.scale else result / size
    way = op.coordinates.value
    if way == "align-corners":
        return 0.0 if result == 1 else o * (size - 1) / (result - 1)
    if way == "asymmetric":
        return o / scale
    if way == "tf-half-pixel":
        return (o + 0.5) / scale
    if way == "pytorch-half-pixel" and result == 1:
        return 0.0
    return (o + 0.5) / scale - 0.5


def _nearest(op: ops.Resize, at: float) -> int:
    rule = op.nearest.value
    if rule == "floor":
        return math.floor(at)
    if rule == "ceil":
        return math.ceil(at)
    tie_up = rule == "round-prefer-ceil"
    below = math.floor(at)
    rest = at - below
    return below + int(rest > 0.5 or (rest == 0.5 and tie_up))


def _pixel(op: ops.Resize, x: Array, axis: int, o: int) -> Array:
    size = x.shape[0]
    at = _position(op, axis, o, size)
    if op.mode.value == "nearest":
        return x[min(max(_nearest(op, at), 0), size - 1)]
    at = min(max(at, 0.0), size - 1.0)
    low = math.floor(at)
    high = min(low + 1, size - 1)
    return x[low] + (x[high] - x[low]) * (at - low)


def resize(op: ops.Resize, x: Array) -> Array:
    """Pixel by pixel, rows and then columns."""
    reals = x.astype(np.float64)
    for axis in (0, 1):
        lines = np.moveaxis(reals, axis + 1, 0)
        made = np.stack([_pixel(op, lines, axis, o) for o in range(op.size[axis])])
        reals = np.moveaxis(made, 0, axis + 1)
    return reals.astype(np.float32)
