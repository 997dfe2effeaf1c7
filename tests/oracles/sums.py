"""Sums of products for the oracle: every product an array, added one after the other.

Nothing is folded, turned into a matrix or summed in another order than the
accumulator states.
"""

from collections.abc import Callable, Iterator
from itertools import product
from typing import Any, Final, NamedTuple

import numpy as np

from emu import ops
from emu.fixedpoint import Accumulator, BiasStage, Stage
from tests.oracles.arithmetic import fit_bits

Array = np.ndarray[Any, Any]
# The index of a product along each reduction axis, and its value in every output.
Products = Iterator[tuple[dict[str, int], Array]]


class History(NamedTuple):
    """The end of a register, the extremes that came to it, and its overflows."""

    held: Array
    low: Array
    high: Array
    overflows: Array


def history(products: Products, bias: Array, accumulator: Accumulator) -> History:
    """Every addition of every register; the first is to 0."""
    added = _additions(products, bias, accumulator)
    held: Any = 0
    overflows: Any = 0
    seen = []
    for value in added:
        seen.append(held + value)
        held = fit_bits(seen[-1], accumulator.bits, accumulator.overflow)
        limit = 1 << (accumulator.bits - 1)
        overflows = overflows + ((seen[-1] < -limit) | (seen[-1] >= limit))
    return History(
        held=held.astype(np.int32 if accumulator.bits <= 32 else np.int64),
        low=np.minimum.reduce(seen),
        high=np.maximum.reduce(seen),
        overflows=overflows,
    )


def _additions(
    products: Products, bias: Array, accumulator: Accumulator
) -> list[Array]:
    """What is added to the register, one thing after the other."""
    if accumulator.saturate is Stage.END:
        return [sum((p for _, p in products), start=bias)]
    named = accumulator.order
    order = named if "kd" in named else ("kd", *named)
    keyed = [(tuple(at.get(axis, 0) for axis in order), p) for at, p in products]
    ordered = [p for _, p in sorted(keyed, key=lambda entry: entry[0])]
    size = accumulator.tile if accumulator.saturate is Stage.TILE else 1
    starts = range(0, len(ordered), size)
    tiles = [np.sum(ordered[i : i + size], axis=0) for i in starts]
    biases = bias + 0 * tiles[0]
    if accumulator.bias is BiasStage.PRELOADED:
        return [biases, *tiles]
    return [*tiles, biases]


def _padded(x: Array, padding: tuple[tuple[int, int], ...]) -> Array:
    """Zeros around every axis but the first and the last."""
    return np.pad(x, [(0, 0), *padding, (0, 0)])


def _seen(size: int, kernel: int, stride: int, dilation: int, tap: int) -> Array:
    """Which pixels of a padded axis a tap sees."""
    starts = range(0, size - dilation * (kernel - 1), stride)
    return np.array([start + tap * dilation for start in starts])


def _convolution(
    x: Array, w: Array, op: Any, channels: Callable[[int], Array], names: list[str]
) -> Products:
    """Windows in any number of dimensions; `channels(c)` feed the outputs at tap c."""
    image = _padded(x, op.padding)
    for at in product(*map(range, w.shape[:-1])):
        pixels = image[..., channels(at[-1])]
        for axis, tap in enumerate(at[:-1]):
            chosen = _seen(
                image.shape[1 + axis],
                w.shape[axis],
                op.stride[axis],
                op.dilation[axis],
                tap,
            )
            pixels = np.take(pixels, chosen, axis=1 + axis)
        yield dict(zip(names, at, strict=True)), pixels * w[at]


def conv2d(op: ops.Conv2d, x: Array, w: Array) -> Products:
    depth, outputs = w.shape[2], w.shape[3]
    group = np.arange(outputs) // (outputs // op.groups)
    return _convolution(x, w, op, lambda c: group * depth + c, ["kh", "kw", "ci"])


def conv3d(op: ops.Conv3d, x: Array, w: Array) -> Products:
    outputs = w.shape[4]
    names = ["kd", "kh", "kw", "ci"]
    return _convolution(x, w, op, lambda c: np.full(outputs, c), names)


def depthwise_conv2d(op: ops.DepthwiseConv2d, x: Array, w: Array) -> Products:
    kh, kw, channels, count = w.shape
    flat = w.reshape(kh, kw, 1, channels * count)
    inputs = np.arange(channels * count) // count
    return _convolution(x, flat, op, lambda _: inputs, ["kh", "kw", "ci"])


def transpose_conv2d(op: ops.TransposeConv2d, x: Array, w: Array) -> Products:
    """Each pixel spreads its products; the register meets the window turned round."""
    kh, kw, depth, outputs = w.shape
    group = np.arange(outputs) // (outputs // op.groups)
    sizes = [
        (x.shape[1 + axis] - 1) * op.stride[axis]
        + (w.shape[axis] - 1) * op.dilation[axis]
        + 1
        + sum(op.out_pad[axis])
        for axis in (0, 1)
    ]
    for i, j, c in product(range(kh), range(kw), range(depth)):
        image = np.zeros((len(x), *sizes, outputs), x.dtype)
        for y, z in product(range(x.shape[1]), range(x.shape[2])):
            row = y * op.stride[0] + i * op.dilation[0] + op.out_pad[0][0]
            column = z * op.stride[1] + j * op.dilation[1] + op.out_pad[1][0]
            if 0 <= row < sizes[0] and 0 <= column < sizes[1]:
                image[:, row, column] = x[:, y, z][:, group * depth + c] * w[i, j, c]
        yield {"kh": kh - 1 - i, "kw": kw - 1 - j, "ci": c}, image


def matmul(op: ops.MatMul, x: Array, w: Array) -> Products:
    for c in range(w.shape[0]):
        yield {"ci": c}, x[..., c, None] * w[c]


def batch_matmul(op: ops.BatchMatMul, x: Array, y: Array) -> Products:
    for k in range(x.shape[-1]):
        yield {"ci": k}, x[..., :, k, None] * y[..., k, None, :]


PRODUCTS: Final[dict[type[ops.Accumulating], Callable[..., Products]]] = {
    ops.Conv2d: conv2d,
    ops.DepthwiseConv2d: depthwise_conv2d,
    ops.Conv3d: conv3d,
    ops.TransposeConv2d: transpose_conv2d,
    ops.MatMul: matmul,
    ops.BatchMatMul: batch_matmul,
}


def watch(op: Any, x: Array, w: Array, bias: Array | None = None) -> History:
    """What happens in the registers of an operator that sums products."""
    small = max(x.dtype.itemsize, w.dtype.itemsize) <= 2
    # Fewer than 2**16 products of 17 bits each way fit an int64.
    dtype = np.int64 if small else object
    centred = x.astype(dtype) - op.x_zero_point, w.astype(dtype) - op.w_zero_point
    added = np.zeros(1, dtype) if bias is None else bias.astype(dtype)
    return history(PRODUCTS[type(op)](op, *centred), added, op.accumulator)


def sums(op: Any, *operands: Array) -> Array:
    """The accumulators."""
    return watch(op, *operands).held


# -- float ----------------------------------------------------------------------------


def conv_transpose(
    op: ops.ConvTranspose, x: Array, w: Array, bias: Array | None = None
) -> Array:
    """Transposed convolution of reals: crop what the integer one would lengthen."""
    (top, bottom), (left, right) = op.padding
    below, beside = op.output_padding
    spread = ops.TransposeConv2d(
        stride=op.stride,
        dilation=op.dilation,
        groups=op.groups,
        out_pad=((-top, below - bottom), (-left, beside - right)),
    )
    products = transpose_conv2d(spread, x.astype(np.float64), w.astype(np.float64))
    y: Any = sum(value for _, value in products)
    return (y if bias is None else y + bias).astype(np.float32)


def batch_gemm(op: ops.BatchGemm, x: Array, y: Array) -> Array:
    return np.matmul(x.astype(np.float64), y.astype(np.float64)).astype(np.float32)


OPS: Final[dict[type[ops.Op], Callable[..., Array]]] = {
    **dict.fromkeys(PRODUCTS, sums),
    ops.ConvTranspose: conv_transpose,
    ops.BatchGemm: batch_gemm,
}
