"""Importers of operators that slide windows over images, and of resizing.

CONV_2D, DEPTHWISE_CONV_2D, TRANSPOSE_CONV, AVERAGE_POOL_2D, MAX_POOL_2D, RESIZE_*.
"""

import math
from collections.abc import Callable
from typing import Final

from emu.errors import UnsupportedError
from emu.frontends.tflite_file import TfliteNode
from emu.frontends.tflite_scope import Scope
from emu.frontends.tflite_weights import bias
from emu.ops import (
    AveragePool,
    Conv,
    ConvTranspose,
    Coordinates,
    Interpolation,
    MaxPool,
    NearestRounding,
    Resize,
)
from emu.ops.window import UNIT, Padding, Pair

SAME: Final = 0
VALID: Final = 1
# Pooling reads a window tap by tap: larger ones would take minutes to compile.
MOST_TAPS: Final = 4096

OHWI_TO_HWIO: Final = (1, 2, 3, 0)
# Depthwise weights are 1 kh kw c*m: the weights of grouped convolution are kh kw 1 c*m.
ONE_HWC_TO_HWIO: Final = (1, 2, 0, 3)


def image_size(scope: Scope, index: int) -> tuple[int, int, int]:
    """Height, width and channels of a rank-4 activation."""
    shape = scope.shape(index)
    if len(shape) != 4:
        raise UnsupportedError(f"rank {len(shape)}, expected 4")
    h, w, c = (size or 0 for size in shape[1:])
    return h, w, c


def read_pair(node: TfliteNode, down: str, across: str) -> Pair:
    """Two options that are positive numbers."""
    pair = int(node.options[down]), int(node.options[across])
    if min(pair) < 1:
        raise UnsupportedError(f"{down} and {across} are {pair}")
    return pair


def read_padding(
    node: TfliteNode, size: Pair, kernel: Pair, stride: Pair, dilation: Pair
) -> Padding:
    """The pixels that SAME or VALID adds around an image of this size.

    SAME makes ceil(size / stride) pixels of it; an odd pixel goes to the end.
    Source: tensorflow/lite/kernels/padding.h.
    """
    mode = node.options["Padding"]
    if mode not in (SAME, VALID):
        raise UnsupportedError(f"padding {mode}")
    edges = []
    for n, k, s, d in zip(size, kernel, stride, dilation, strict=True):
        total = max((math.ceil(n / s) - 1) * s + d * (k - 1) + 1 - n, 0)
        total = total if mode == SAME else 0
        edges.append((total // 2, total - total // 2))
    return edges[0], edges[1]


def import_conv(scope: Scope, node: TfliteNode) -> None:
    """CONV_2D: weights co kh kw ci; fewer input channels there mean groups."""
    x, w = node.operand(0), node.operand(1)
    h, width, c = image_size(scope, x)
    sizes = scope.value(w, "weight").shape
    if len(sizes) != 4 or not sizes[3] or c % sizes[3] or sizes[0] % (c // sizes[3]):
        raise UnsupportedError(f"weights of shape {sizes} on {c} channels")
    stride = read_pair(node, "StrideH", "StrideW")
    dilation = read_pair(node, "DilationHFactor", "DilationWFactor")
    kernel = sizes[1], sizes[2]
    op = Conv(
        stride=stride,
        padding=read_padding(node, (h, width), kernel, stride, dilation),
        dilation=dilation,
        groups=c // sizes[3],
    )
    weights = scope.constant(node, w, "weight", OHWI_TO_HWIO, letters="hwio")
    inputs = (scope.real(x), weights, *bias(scope, node, 2, sizes[0]))
    scope.emit(node, op, inputs)


def import_depthwise_conv(scope: Scope, node: TfliteNode) -> None:
    """DEPTHWISE_CONV_2D: weights 1 kh kw c*m, a convolution with c groups."""
    x, w = node.operand(0), node.operand(1)
    h, width, c = image_size(scope, x)
    sizes = scope.value(w, "weight").shape
    if len(sizes) != 4 or sizes[0] != 1 or not c or sizes[3] % c or not sizes[3]:
        raise UnsupportedError(f"weights of shape {sizes} on {c} channels")
    stride = read_pair(node, "StrideH", "StrideW")
    dilation = read_pair(node, "DilationHFactor", "DilationWFactor")
    kernel = sizes[1], sizes[2]
    op = Conv(
        stride=stride,
        padding=read_padding(node, (h, width), kernel, stride, dilation),
        dilation=dilation,
        groups=c,
    )
    weights = scope.constant(node, w, "weight", ONE_HWC_TO_HWIO, letters="hwio")
    inputs = (scope.real(x), weights, *bias(scope, node, 2, sizes[3]))
    scope.emit(node, op, inputs)


def import_transpose_conv(scope: Scope, node: TfliteNode) -> None:
    """TRANSPOSE_CONV: operands are the result's shape, weights co kh kw ci, x, bias.

    The padding is that of the convolution which would lead back from the result;
    what the result has beyond the last window is output padding.
    """
    shape, w, x = (node.operand(i) for i in range(3))
    h, width, c = image_size(scope, x)
    target = scope.numbers(shape, "shape of the result")
    sizes = scope.value(w, "weight").shape
    if len(sizes) != 4 or sizes[3] != c:
        raise UnsupportedError(f"weights of shape {sizes} on {c} channels")
    if len(target) != 4 or target[0] != 1 or target[3] != sizes[0]:
        raise UnsupportedError(f"a result of shape {target} for weights {sizes}")
    stride, kernel = read_pair(node, "StrideH", "StrideW"), (sizes[1], sizes[2])
    around = read_padding(node, (target[1], target[2]), kernel, stride, UNIT)
    padding, beyond = [], []
    for n, out, k, s, (low, _) in zip(
        (h, width), target[1:3], kernel, stride, around, strict=True
    ):
        # Without padding the windows cover so many pixels.
        rest = (n - 1) * s + k - low - out
        padding.append((low, max(rest, 0)))
        beyond.append(max(-rest, 0))
        if beyond[-1] >= max(s, k):
            raise UnsupportedError(f"{n} pixels to {out} by windows of {k}, stride {s}")
    op = ConvTranspose(
        stride=stride,
        padding=(padding[0], padding[1]),
        output_padding=(beyond[0], beyond[1]),
    )
    weights = scope.constant(node, w, "weight", OHWI_TO_HWIO, letters="hwio")
    inputs = (scope.real(x), weights, *bias(scope, node, 3, sizes[0]))
    scope.emit(node, op, inputs)


def _pool(scope: Scope, node: TfliteNode) -> tuple[Pair, Pair, Padding]:
    """Kernel, stride and padding of a pooling operator."""
    h, w, _ = image_size(scope, node.operand(0))
    kernel = read_pair(node, "FilterHeight", "FilterWidth")
    stride = read_pair(node, "StrideH", "StrideW")
    if math.prod(kernel) > MOST_TAPS:
        raise UnsupportedError(f"a window of {kernel}; at most {MOST_TAPS} taps")
    return kernel, stride, read_padding(node, (h, w), kernel, stride, UNIT)


def import_max_pool(scope: Scope, node: TfliteNode) -> None:
    """MAX_POOL_2D."""
    kernel, stride, padding = _pool(scope, node)
    op = MaxPool(kernel=kernel, stride=stride, padding=padding)
    scope.emit(node, op, (scope.real(node.operand(0)),))


def import_average_pool(scope: Scope, node: TfliteNode) -> None:
    """AVERAGE_POOL_2D: padding does not count."""
    kernel, stride, padding = _pool(scope, node)
    op = AveragePool(kernel=kernel, stride=stride, padding=padding)
    scope.emit(node, op, (scope.real(node.operand(0)),))


def _resize(mode: Interpolation) -> Callable[[Scope, TfliteNode], None]:
    """An importer of RESIZE_*: size a constant operand."""

    def importer(scope: Scope, node: TfliteNode) -> None:
        image_size(scope, node.operand(0))
        size = scope.numbers(node.operand(1), "size")
        if len(size) != 2 or min(size) < 1:
            raise UnsupportedError(f"size {size}")
        corners = bool(node.options["AlignCorners"])
        centres = bool(node.options["HalfPixelCenters"])
        if corners and centres:
            raise UnsupportedError("both align_corners and half_pixel_centers")
        nearest = NearestRounding.FLOOR
        coordinates = Coordinates.ASYMMETRIC
        if corners:
            coordinates = Coordinates.ALIGN_CORNERS
            nearest = NearestRounding.ROUND_PREFER_CEIL
        elif centres:
            near = mode is Interpolation.NEAREST
            coordinates = Coordinates.TF_HALF_PIXEL if near else Coordinates.HALF_PIXEL
        op = Resize(
            size=(size[0], size[1]),
            mode=mode,
            coordinates=coordinates,
            nearest=nearest,
        )
        scope.emit(node, op, (scope.real(node.operand(0)),))

    return importer


import_resize_bilinear = _resize(Interpolation.LINEAR)
import_resize_nearest = _resize(Interpolation.NEAREST)
