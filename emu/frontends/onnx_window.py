"""Importers of operators that slide windows: Conv, ConvTranspose and the pools."""

import math
from dataclasses import dataclass
from typing import Final

from emu.errors import UnsupportedError
from emu.frontends.onnx_layout import HWIO
from emu.frontends.onnx_node import OnnxNode
from emu.frontends.onnx_scope import Scope
from emu.graph import Shape
from emu.ops import AveragePool, Conv, ConvTranspose, MaxPool, ReduceMean
from emu.ops.window import Padding, Pair

# Pooling reads a window tap by tap: larger ones would take minutes to compile.
MOST_TAPS: Final = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """Geometry of a sliding window, its padding in pixels."""

    kernel: Pair
    stride: Pair
    padding: Padding
    dilation: Pair


def image_shape(scope: Scope, name: str) -> Shape:
    """Shape n c h w of a rank-4 activation."""
    shape = scope.shape(name)
    if len(shape) != 4:
        raise UnsupportedError(f"rank {len(shape)}, expected 4")
    return shape


def read_window(node: OnnxNode, shape: Shape, kernel: tuple[int, ...]) -> Window:
    """The window's geometry on an image of this shape, auto_pad resolved.

    SAME pads so that the result has ceil(size / stride) pixels; an odd pixel goes
    to the end (UPPER) or the beginning (LOWER). ceil_mode is not looked at.
    """
    kernel = _pair(kernel, "kernel_shape")
    stride = _pair(node.integers("strides") or (1, 1), "strides")
    dilation = _pair(node.integers("dilations") or (1, 1), "dilations")
    mode = node.text("auto_pad", "NOTSET")
    pads = node.integers("pads") or (0, 0, 0, 0)
    if mode in ("SAME_UPPER", "SAME_LOWER"):
        sizes = (shape[2] or 0, shape[3] or 0)
        top, left = (
            _same(n, k, s, d, mode == "SAME_UPPER")
            for n, k, s, d in zip(sizes, kernel, stride, dilation, strict=True)
        )
        padding = (top, left)
    elif mode == "VALID":
        padding = ((0, 0), (0, 0))
    elif mode == "NOTSET" and len(pads) == 4 and min(pads) >= 0:
        padding = ((pads[0], pads[2]), (pads[1], pads[3]))
    else:
        raise UnsupportedError(f"auto_pad {mode} with pads {pads}")
    return Window(kernel=kernel, stride=stride, padding=padding, dilation=dilation)


def _pair(values: tuple[int, ...], what: str, least: int = 1) -> Pair:
    if len(values) != 2 or min(values) < least:
        raise UnsupportedError(f"{what} {values}, expected two numbers from {least} on")
    return values[0], values[1]


def _same(size: int, kernel: int, stride: int, dilation: int, upper: bool) -> Pair:
    """Padding at the beginning and the end of one axis."""
    count = math.ceil(size / stride)
    total = max((count - 1) * stride + dilation * (kernel - 1) + 1 - size, 0)
    less = total // 2
    return (less, total - less) if upper else (total - less, less)


def read_groups(node: OnnxNode, shape: Shape, sizes: tuple[int, ...]) -> int:
    """The number of groups; refuses weights of `sizes` that do not fit the image."""
    if len(sizes) != 4:
        raise UnsupportedError(f"weights of rank {len(sizes)}, expected 4")
    groups = node.integer("group", 1)
    if groups < 1 or sizes[0] % groups or shape[1] != sizes[1] * groups:
        raise UnsupportedError(
            f"weights {sizes} in {groups} groups on {shape[1]} channels"
        )
    if (node.integers("kernel_shape") or sizes[2:]) != sizes[2:]:
        raise UnsupportedError(f"kernel_shape differs from the weights {sizes}")
    return groups


def import_conv(scope: Scope, node: OnnxNode) -> None:
    """Conv: any groups, dilation, padding; constant weights and bias."""
    x, w = node.inputs[:2]
    shape = image_shape(scope, x)
    sizes = scope.constants.parameter(w, "weight").shape
    groups = read_groups(node, shape, sizes)
    window = read_window(node, shape, sizes[2:])
    inputs = (scope.inner(x), scope.constants.weights(w, HWIO, "hwio"))
    if bias := node.operand(2):
        inputs += (scope.constants.vector(bias, sizes[0], "bias"),)
    op = Conv(
        stride=window.stride,
        padding=window.padding,
        dilation=window.dilation,
        groups=groups,
    )
    scope.emit(node, op, inputs)


def import_conv_transpose(scope: Scope, node: OnnxNode) -> None:
    """ConvTranspose: any groups, dilation, pads, output_padding; constant weights."""
    x, w = node.inputs[:2]
    shape = image_shape(scope, x)
    weights = scope.constants.parameter(w, "weight")
    groups = node.integer("group", 1)
    if weights.ndim != 4 or groups < 1 or weights.shape[0] % groups:
        raise UnsupportedError(f"weights {weights.shape} in {groups} groups")
    ci, per_group, kh, kw = weights.shape
    if shape[1] != ci:
        raise UnsupportedError(f"weights {weights.shape} on {shape[1]} channels")
    if node.integers("output_shape") or node.text("auto_pad", "NOTSET") != "NOTSET":
        raise UnsupportedError("padding chosen by output_shape or auto_pad")
    window = read_window(node, shape, (kh, kw))
    extra = _pair(node.integers("output_padding") or (0, 0), "output_padding", 0)
    # Side by side, the output channels of each group.
    split = weights.reshape((groups, ci // groups, per_group, kh, kw))
    hwio = split.transpose((3, 4, 1, 0, 2)).reshape(
        (kh, kw, ci // groups, groups * per_group)
    )
    inputs = (scope.inner(x), scope.constants.add(f"{w}:hwio", hwio))
    if bias := node.operand(2):
        inputs += (scope.constants.vector(bias, groups * per_group, "bias"),)
    op = ConvTranspose(
        stride=window.stride,
        padding=window.padding,
        output_padding=extra,
        dilation=window.dilation,
        groups=groups,
    )
    scope.emit(node, op, inputs)


def _pool_window(scope: Scope, node: OnnxNode) -> tuple[Shape, Window]:
    """Image shape and window of a pooling node."""
    shape = image_shape(scope, node.inputs[0])
    window = read_window(node, shape, node.integers("kernel_shape") or ())
    if math.prod(window.kernel) > MOST_TAPS:
        raise UnsupportedError(f"a window of {window.kernel}; at most {MOST_TAPS} taps")
    for pads, k, d in zip(window.padding, window.kernel, window.dilation, strict=True):
        if max(pads) > d * (k - 1):
            raise UnsupportedError(f"padding {pads} leaves a window without pixels")
    return shape, window


def _ceil_padding(shape: Shape, window: Window, opset: int) -> Padding:
    """Padding whose floor is what ceil_mode means: more at the end.

    A last window that would begin in the end padding is left out, as ONNX says from
    opset 22 on. Before, the onnx package keeps it and ONNX Runtime does not: refused.
    """
    padding = []
    for size, k, s, d, (low, high) in zip(
        (shape[2] or 0, shape[3] or 0),
        window.kernel,
        window.stride,
        window.dilation,
        window.padding,
        strict=True,
    ):
        extent = d * (k - 1) + 1
        count = math.ceil((size + low + high - extent) / s) + 1
        if (count - 1) * s >= size + low:
            if opset < 22:
                raise UnsupportedError("ceil_mode with a window in the padding alone")
            count -= 1
        needed = (count - 1) * s + extent - size - low
        padding.append((low, max(high, needed)))
    return padding[0], padding[1]


def _is_ceil(node: OnnxNode, shape: Shape, window: Window) -> bool:
    """Whether ceil_mode is to be looked at: not with SAME, which rounds up anyway.

    With VALID the formulas of the specification ignore it and the onnx package's
    shapes do not: refused where that makes a difference.
    """
    if node.integer("ceil_mode", 0) != 1:
        return False
    mode = node.text("auto_pad", "NOTSET")
    if mode == "VALID" and _ceil_padding(shape, window, 22) != window.padding:
        raise UnsupportedError("ceil_mode with auto_pad VALID adds windows")
    return mode == "NOTSET"


def import_max_pool(scope: Scope, node: OnnxNode) -> None:
    """MaxPool: dilations; ceil_mode as more padding, which never wins."""
    if any(node.outputs[1:]):
        raise UnsupportedError("the output Indices is used")
    shape, window = _pool_window(scope, node)
    padding = window.padding
    if _is_ceil(node, shape, window):
        padding = _ceil_padding(shape, window, node.opset)
    op = MaxPool(
        kernel=window.kernel,
        stride=window.stride,
        padding=padding,
        dilation=window.dilation,
    )
    scope.emit(node, op, (scope.inner(node.inputs[0]),))


def import_average_pool(scope: Scope, node: OnnxNode) -> None:
    """AveragePool: both count_include_pad; ceil_mode where it changes nothing."""
    shape, window = _pool_window(scope, node)
    if window.dilation != (1, 1):
        raise UnsupportedError(f"dilations {window.dilation}")
    ceil = _is_ceil(node, shape, window)
    if ceil and _ceil_padding(shape, window, node.opset) != window.padding:
        raise UnsupportedError("ceil_mode adds windows")
    op = AveragePool(
        kernel=window.kernel,
        stride=window.stride,
        padding=window.padding,
        count_include_pad=node.integer("count_include_pad", 0) == 1,
    )
    scope.emit(node, op, (scope.inner(node.inputs[0]),))


def import_global_average_pool(scope: Scope, node: OnnxNode) -> None:
    """GlobalAveragePool: the mean over h and w."""
    image_shape(scope, node.inputs[0])
    scope.emit(node, ReduceMean(axes=(1, 2)), (scope.inner(node.inputs[0]),))


def import_global_max_pool(scope: Scope, node: OnnxNode) -> None:
    """GlobalMaxPool: one window as large as the image."""
    shape = image_shape(scope, node.inputs[0])
    kernel = (shape[2] or 0, shape[3] or 0)
    if math.prod(kernel) > MOST_TAPS:
        raise UnsupportedError(f"a window of {kernel}; at most {MOST_TAPS} taps")
    scope.emit(node, MaxPool(kernel=kernel), (scope.inner(node.inputs[0]),))
