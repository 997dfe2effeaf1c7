"""A second implementation of integer Graphs, in plain NumPy, to check emu against.

Written for being evidently right: every integer is an int64 or a Python integer, no
zero point is folded, no window is turned into a matrix. From emu come only the
descriptions (operators, Graph, enums). The float operators around the integer part
are computed in float64, so they agree with emu's to rounding only.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

import numpy as np

from emu import ops
from emu.fixedpoint import Overflow, QuantizeRule, Rounding
from emu.graph import Graph
from tests.oracles import layers
from tests.oracles.arithmetic import (
    fit,
    fit_bits,
    integers,
    round_real,
    scale_integers,
    scale_single,
    to_integers,
)
from tests.oracles.detection import detection_postprocess
from tests.oracles.dynamic import OPS as DYNAMICS
from tests.oracles.engines import ENGINES
from tests.oracles.integer import OPS as INTEGERS
from tests.oracles.rearrange import OPS as REARRANGES
from tests.oracles.sums import OPS as SUMS

Array = np.ndarray[Any, Any]
Pair = tuple[int, int]


def interpret(graph: Graph, inputs: Mapping[str, Array]) -> dict[str, Array]:
    """Every tensor of the graph by name, inputs included."""
    tensors = {name: np.asarray(inputs[name]) for name in graph.inputs}
    for node in graph.nodes:
        operands = [
            graph.constants[name] if name in graph.constants else tensors[name]
            for name in node.inputs
        ]
        tensors[node.output] = compute(node.op, *operands)
    return tensors


def compute(op: ops.Op, *operands: Array) -> Array:
    """One operator on its operands; of float16 ones in float32, and rounded once."""
    halves = any(x.dtype == np.float16 for x in operands)
    if not halves or isinstance(op, ops.FloatCast):
        return OPS[type(op)](op, *operands)
    wide = [x.astype(np.float32) if x.dtype == np.float16 else x for x in operands]
    y = OPS[type(op)](op, *wide)
    return halved(y) if y.dtype == np.float32 else y


# -- windows --------------------------------------------------------------------------


def _padded(x: Array, padding: tuple[Pair, ...], value: float) -> Array:
    """Pad or, for negative amounts, crop the axes of x."""
    for axis, (low, high) in enumerate(padding):
        shape = list(x.shape)
        parts = []
        for amount in (low, high):
            shape[axis] = max(amount, 0)
            parts.append(np.full(shape, value, x.dtype))
        keep = slice(max(-low, 0), x.shape[axis] - max(-high, 0))
        x = np.concatenate(
            [parts[0], np.moveaxis(np.moveaxis(x, axis, 0)[keep], 0, axis), parts[1]],
            axis=axis,
        )
    return x


def _image(x: Array, padding: tuple[Pair, Pair], value: float) -> Array:
    return _padded(x, ((0, 0), *padding, (0, 0)), value)


def _windows(
    x: Array, kernel: Pair, stride: Pair, dilation: Pair = (1, 1)
) -> Iterator[tuple[Pair, Array]]:
    """Each tap of the window and the pixels (n, oh, ow, c) it sees, by index lists."""
    starts = [
        np.array([p for p in range(0, size, s) if p + d * (k - 1) < size])
        for size, k, s, d in zip(x.shape[1:3], kernel, stride, dilation, strict=True)
    ]
    for i in range(kernel[0]):
        for j in range(kernel[1]):
            rows, columns = starts[0] + i * dilation[0], starts[1] + j * dilation[1]
            yield (i, j), x[:, rows][:, :, columns]


# -- float layers ---------------------------------------------------------------------


def _grouped(x: Array, w: Array, op: ops.Conv) -> Array:
    """Convolution with groups of an already padded image, in the dtype of x and w."""
    kh, kw, depth, co = w.shape
    width = co // op.groups
    parts = []
    for g in range(op.groups):
        total: Any = 0
        for (i, j), pixels in _windows(x, (kh, kw), op.stride, op.dilation):
            channels = pixels[..., g * depth : (g + 1) * depth]
            total = total + channels @ w[i, j, :, g * width : (g + 1) * width]
        parts.append(total)
    return np.concatenate(parts, axis=-1)


def conv(op: ops.Conv, x: Array, w: Array, bias: Array | None = None) -> Array:
    image = _image(x.astype(np.float64), op.padding, 0.0)
    y = _grouped(image, w.astype(np.float64), op)
    return (y if bias is None else y + bias).astype(np.float32)


def gemm(op: ops.Gemm, x: Array, w: Array, bias: Array | None = None) -> Array:
    y = x.astype(np.float64) @ w.astype(np.float64)
    return (y if bias is None else y + bias).astype(np.float32)


# -- elementwise ----------------------------------------------------------------------


def _either(x: Array, y: Array, function: Callable[[Any, Any], Array]) -> Array:
    """Floats as they are; integers exactly, then wrapped to their dtype."""
    if x.dtype.kind == "f":
        return function(x, y)
    held = np.iinfo(x.dtype)
    exact = function(integers(x), integers(y))
    return fit(exact, int(held.min), int(held.max), Overflow.WRAP).astype(x.dtype)


def add(op: ops.Add, x: Array, y: Array) -> Array:
    return _either(x, y, lambda a, b: a + b)


def sub(op: ops.Sub, x: Array, y: Array) -> Array:
    return _either(x, y, lambda a, b: a - b)


def mul(op: ops.Mul, x: Array, y: Array) -> Array:
    if op.alone:
        return np.multiply(x, y)
    half = (1 << op.shift) >> 1
    return _either(x, y, lambda a, b: (a * b + half) >> op.shift if op.shift else a * b)


def clamp(op: ops.Clamp, x: Array) -> Array:
    return np.where(x < op.low, op.low, np.where(x > op.high, op.high, x)).astype(
        x.dtype
    )


def table(op: ops.Table, x: Array, entries: Array) -> Array:
    found = {op.x_min + i: entry for i, entry in enumerate(entries)}
    return np.array([found[int(v)] for v in x.flat], entries.dtype).reshape(x.shape)


def _float(function: Callable[[Any, Array], Array]) -> Callable[[Any, Array], Array]:
    """A float operator computed in float64."""
    return lambda op, x: np.asarray(function(op, x.astype(np.float64))).astype(
        np.float32
    )


def _softmax(op: ops.Softmax, x: Array) -> Array:
    scaled = op.beta * x
    powers = np.exp(scaled - scaled.max(axis=op.axis, keepdims=True))
    return powers / powers.sum(axis=op.axis, keepdims=True)


def batch_normalization(
    op: ops.BatchNormalization,
    x: Array,
    gamma: Array,
    beta: Array,
    mean: Array,
    variance: Array,
) -> Array:
    deviation = np.sqrt(variance.astype(np.float64) + op.epsilon)
    return ((x - mean.astype(np.float64)) / deviation * gamma + beta).astype(np.float32)


# -- pooling --------------------------------------------------------------------------


def max_pool(op: ops.MaxPool, x: Array) -> Array:
    least = -np.inf if x.dtype.kind == "f" else np.iinfo(x.dtype).min
    image = _image(x, op.padding, least)
    taps = [t for _, t in _windows(image, op.kernel, op.stride, op.dilation)]
    return np.max(np.stack(taps), axis=0)


def _sums_and_counts(
    op: ops.AveragePool | ops.AvgPool2d, centred: Array
) -> tuple[Array, Array]:
    """Sum of each window and the number it is divided by, as TOSA and ONNX count."""
    image = _image(centred, op.padding, 0)
    inside = np.ones((1, *centred.shape[1:3], 1), np.int64)
    counted = _image(inside, op.padding, int(op.count_include_pad))
    sums = np.sum(np.stack([t for _, t in _windows(image, op.kernel, op.stride)]), 0)
    counts = [t for _, t in _windows(counted, op.kernel, op.stride)]
    return sums, np.sum(np.stack(counts), 0)


def average_pool(op: ops.AveragePool, x: Array) -> Array:
    sums, counts = _sums_and_counts(op, x.astype(np.float64))
    return (sums / counts).astype(np.float32)


def reciprocal(count: int) -> Pair:
    """TOSA reciprocal_scale: the least k with count <= 2**k, then 31 bits of 1/count."""
    k = 0
    while count > 2**k:
        k += 1
    return (2**30 + 1) * 2**k // count, 30 + k


def avg_pool2d(op: ops.AvgPool2d, x: Array) -> Array:
    z = op.zero_point if op.x_zero_point is None else op.x_zero_point
    sums, counts = _sums_and_counts(op, x.astype(np.int64) - z)
    if op.style is ops.AverageStyle.HALF_AWAY:
        sizes = (2 * abs(sums) + counts) // (2 * counts)
        mean = np.sign(sums) * sizes + op.zero_point
        return fit(mean, op.format.min, op.format.max, Overflow.SATURATE).astype(
            x.dtype
        )
    pairs = np.array([reciprocal(int(c)) for c in counts.flat], object)
    multiplier, shift = (pairs[:, i].reshape(counts.shape) for i in (0, 1))
    mean = scale_single(integers(sums), multiplier, shift) + op.zero_point
    return fit(mean, op.format.min, op.format.max, Overflow.SATURATE).astype(x.dtype)


def reduce_mean(op: ops.ReduceMean, x: Array) -> Array:
    mean = np.mean(x.astype(np.float64), axis=op.axes, keepdims=op.keepdims)
    return np.asarray(mean, np.float32)


def reduce_sum(op: ops.ReduceSum, x: Array) -> Array:
    if x.dtype.kind == "f":
        sums = x.astype(np.float64).sum(axis=op.axes, keepdims=op.keepdims)
        return np.asarray(sums, np.float32)
    centred = integers(x) - op.x_zero_point
    sums = np.sum(centred, axis=op.axes, keepdims=op.keepdims)
    return fit_bits(sums, 32, Overflow.WRAP).astype(np.int32)


# -- moving ---------------------------------------------------------------------------


def reshape(op: ops.Reshape, x: Array) -> Array:
    if not op.keep_batch:
        return x.reshape(op.shape)
    return np.stack([sample.reshape(op.shape) for sample in x])


def transpose(op: ops.Transpose, x: Array) -> Array:
    return np.transpose(x, op.perm)


def concat(op: ops.Concat, *xs: Array) -> Array:
    return np.concatenate(xs, axis=op.axis)


def pad(op: ops.Pad, x: Array) -> Array:
    return _padded(x, op.padding, op.value)


# -- number formats -------------------------------------------------------------------


def rescale(op: ops.Rescale, x: Array, multiplier: Array, shift: Array) -> Array:
    centred = (integers(x) - op.x_zero_point) * 2**op.x_left_shift
    if op.rounding is Rounding.HALF_UP:
        scaled = scale_integers(centred, multiplier, shift, op.scheme)
    else:
        reals = centred.astype(np.float64) * 0.5 ** shift.astype(np.float64)
        scaled = to_integers(round_real(reals, op.rounding, op.seed))
    moved = scaled + op.zero_point
    held = fit(moved, op.format.min, op.format.max, op.overflow)
    return held.astype(op.format.dtype)


def _along(values: tuple[Any, ...], axis: int | None, rank: int) -> Array:
    shape = [1] * rank
    if axis is not None:
        shape[axis] = len(values)
    return np.array(values).reshape(shape)


def quantize(op: ops.Quantize, x: Array) -> Array:
    """In NumPy's float32, which rounds each operation by itself."""
    scale = _along(op.qparams.scale, op.qparams.axis, x.ndim).astype(np.float32)
    zero_point = _along(op.qparams.zero_point, op.qparams.axis, x.ndim)
    rule, one = op.rule, np.float32(1)
    by_reciprocal = rule in (QuantizeRule.RECIPROCAL, QuantizeRule.MULTIPLY_ADD)
    reals = x * (one / scale) if by_reciprocal else x / scale
    if rule in (QuantizeRule.OFFSET_THEN_ROUND, QuantizeRule.MULTIPLY_ADD):
        reals, zero_point = reals + zero_point.astype(np.float32), 0
    steps = to_integers(round_real(reals, op.rounding, op.seed))
    held = fit(steps + zero_point, op.format.min, op.format.max, op.overflow)
    return held.astype(op.format.dtype)


def dequantize(op: ops.Dequantize, x: Array) -> Array:
    scale = _along(op.qparams.scale, op.qparams.axis, x.ndim).astype(np.float32)
    zero_point = _along(op.qparams.zero_point, op.qparams.axis, x.ndim)
    return (x.astype(np.int64) - zero_point).astype(np.float32) * scale


def halved(x: Array) -> Array:
    """NumPy's conversion: half to even, subnormals, infinity beyond 65504."""
    with np.errstate(over="ignore"):
        return x.astype(np.float16)


def float_cast(op: ops.FloatCast, x: Array) -> Array:
    return halved(x) if op.dtype.value == "float16" else x.astype(np.float32)


OPS: Final[dict[type[ops.Op], Callable[..., Array]]] = {
    ops.Conv: conv,
    ops.Gemm: gemm,
    **SUMS,
    ops.Add: add,
    ops.Sub: sub,
    ops.Mul: mul,
    ops.Relu: _float(lambda op, x: np.where(x > 0, x, 0)),
    ops.Clip: _float(lambda op, x: np.minimum(np.maximum(x, op.low), op.high)),
    ops.LeakyRelu: _float(lambda op, x: np.where(x < 0, op.alpha * x, x)),
    ops.Sigmoid: _float(lambda op, x: 1 / (1 + np.exp(-x))),
    ops.HardSigmoid: _float(
        lambda op, x: np.minimum(np.maximum(op.alpha * x + op.beta, 0), 1)
    ),
    ops.HardSwish: _float(lambda op, x: x * np.minimum(np.maximum(x / 6 + 0.5, 0), 1)),
    ops.Tanh: _float(lambda op, x: np.tanh(x)),
    ops.Exp: _float(lambda op, x: np.exp(x)),
    ops.Elu: _float(layers.elu),
    ops.Gelu: _float(layers.gelu),
    ops.Silu: _float(layers.silu),
    ops.PRelu: layers.prelu,
    ops.Minimum: lambda op, x, y: np.where(x < y, x, y),
    ops.Maximum: lambda op, x, y: np.where(x > y, x, y),
    ops.SquaredDifference: lambda op, x, y: _either(
        x, y, lambda a, b: (a - b) * (a - b)
    ),
    ops.Resize: layers.resize,
    ops.Identity: layers.identity,
    ops.Softmax: _float(_softmax),
    ops.Clamp: clamp,
    ops.Table: table,
    ops.BatchNormalization: batch_normalization,
    ops.MaxPool: max_pool,
    ops.AveragePool: average_pool,
    ops.AvgPool2d: avg_pool2d,
    ops.ReduceMean: reduce_mean,
    ops.ReduceSum: reduce_sum,
    ops.Reshape: reshape,
    ops.Transpose: transpose,
    ops.Concat: concat,
    ops.Pad: pad,
    **REARRANGES,
    **INTEGERS,
    **DYNAMICS,
    **ENGINES,
    ops.Rescale: rescale,
    ops.Quantize: quantize,
    ops.Dequantize: dequantize,
    ops.FloatCast: float_cast,
    ops.DetectionPostprocess: detection_postprocess,
}
