"""Importers of Resize, Upsample, Slice and Split."""

import math
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, TypeVar

import numpy as np

from emu.errors import UnsupportedError
from emu.frontends.onnx_layout import inner_order
from emu.frontends.onnx_node import OnnxNode, normal_axis
from emu.frontends.onnx_scope import Scope
from emu.frontends.onnx_shape import read_axes, whole_numbers
from emu.frontends.onnx_window import image_shape
from emu.ops import (
    Coordinates,
    Interpolation,
    NearestRounding,
    Resize,
    Reverse,
    Slice,
)
from emu.ops.window import Pair

Named = TypeVar("Named")

MODES: Final[Mapping[str, Interpolation]] = MappingProxyType(
    {"nearest": Interpolation.NEAREST, "linear": Interpolation.LINEAR}
)
COORDINATES: Final[Mapping[str, Coordinates]] = MappingProxyType(
    {
        "half_pixel": Coordinates.HALF_PIXEL,
        "pytorch_half_pixel": Coordinates.PYTORCH_HALF_PIXEL,
        "asymmetric": Coordinates.ASYMMETRIC,
        "align_corners": Coordinates.ALIGN_CORNERS,
        "tf_half_pixel_for_nn": Coordinates.TF_HALF_PIXEL,
    }
)
NEAREST: Final[Mapping[str, NearestRounding]] = MappingProxyType(
    {
        "round_prefer_floor": NearestRounding.ROUND_PREFER_FLOOR,
        "round_prefer_ceil": NearestRounding.ROUND_PREFER_CEIL,
        "floor": NearestRounding.FLOOR,
        "ceil": NearestRounding.CEIL,
    }
)


def _named(table: Mapping[str, Named], what: str, name: str) -> Named:
    if name not in table:
        raise UnsupportedError(f"{what} {name}; known: {', '.join(table)}")
    return table[name]


def import_resize(scope: Scope, node: OnnxNode) -> None:
    """Resize of images in height and width: nearest and linear, any coordinates.

    Before opset 11, and Upsample, always asymmetric; nearest took the lower pixel.
    """
    x = node.inputs[0]
    shape = image_shape(scope, x)
    old = node.kind == "Upsample" or node.opset < 11
    for name in ("antialias", "exclude_outside"):
        if node.integer(name, 0):
            raise UnsupportedError(name)
    if node.text("keep_aspect_ratio_policy", "stretch") != "stretch":
        raise UnsupportedError("keep_aspect_ratio_policy")
    way = "asymmetric" if old else "half_pixel"
    nearest = "floor" if old else "round_prefer_floor"
    size, scale = _target(scope, node, shape[2:], old)
    op = Resize(
        size=size,
        mode=_named(MODES, "mode", node.text("mode", "nearest")),
        coordinates=_named(
            COORDINATES,
            "coordinates",
            node.text("coordinate_transformation_mode", way),
        ),
        nearest=_named(NEAREST, "nearest_mode", node.text("nearest_mode", nearest)),
        scale=scale,
    )
    scope.emit(node, op, (scope.inner(x),))


def _target(
    scope: Scope, node: OnnxNode, image: tuple[int | None, ...], old: bool
) -> tuple[Pair, tuple[float, float] | None]:
    """Height and width of the result; the scales where they are not their quotients."""
    scales: np.ndarray | None = None
    if node.attributes.get("scales") is not None:
        scales = np.array(node.attributes["scales"], np.float32)
    elif name := node.operand(1 if old else 2):
        scales = scope.constants.value(name, "list of scales")
    if scales is not None and scales.size:
        h, w = _of_image(scope, node, scales.tolist(), (1, 1))
        sizes = [math.floor((n or 0) * s) for n, s in zip(image, (h, w), strict=True)]
        exact = all(
            n == (m or 0) * s for n, m, s in zip(sizes, image, (h, w), strict=True)
        )
        return (sizes[0], sizes[1]), None if exact else (h, w)
    given = whole_numbers(scope, node.operand(3), "list of sizes")
    shape = scope.shape(node.inputs[0])
    lead = (scope.batch or shape[0] or 1, shape[1] or 0)
    h, w = _of_image(scope, node, [float(v) for v in given], lead)
    return (int(h), int(w)), None


def _of_image(
    scope: Scope, node: OnnxNode, values: list[float], lead: Pair
) -> tuple[float, float]:
    """The values of the axes h and w; those of n and c must be `lead`."""
    axes = read_axes(scope, node, 4) or tuple(range(len(values)))
    of = {normal_axis(axis, 4): v for axis, v in zip(axes, values, strict=True)}
    others = [of[axis] == value for axis, value in enumerate(lead) if axis in of]
    if not all(others) or not {2, 3} <= set(of):
        raise UnsupportedError(f"{values} for axes {axes}: only h and w are resized")
    return of[2], of[3]


def import_slice(scope: Scope, node: OnnxNode) -> None:
    """Slice with constant bounds, any steps; a free batch is taken whole."""
    x = node.inputs[0]
    shape = scope.shape(x)
    starts, ends = node.integers("starts"), node.integers("ends")
    axes, steps = node.integers("axes"), None
    if node.operand(1):
        starts = whole_numbers(scope, node.operand(1), "list of starts")
        ends = whole_numbers(scope, node.operand(2), "list of ends")
    if node.operand(3):
        axes = whole_numbers(scope, node.operand(3), "list of axes")
    if node.operand(4):
        steps = whole_numbers(scope, node.operand(4), "list of steps")
    if starts is None or ends is None:
        raise UnsupportedError("no bounds")
    axes = axes or tuple(range(len(starts)))
    named = (normal_axis(axis, len(shape)) for axis in axes)
    rows = zip(starts, ends, named, steps or (1,) * len(starts), strict=True)
    parts: dict[int, range] = {}
    for start, end, axis, step in rows:
        size = shape[axis]
        if size is None:
            kept = start == 0 and step == 1 and end >= (scope.batch or 1 << 31) - 1
            scope.keeps_batch(kept, "it cuts the batch")
            continue
        parts[axis] = range(*slice(start, end, step).indices(size))
    _emit_slice(scope, node, parts, 0)


def _emit_slice(
    scope: Scope, node: OnnxNode, parts: Mapping[int, range], output: int
) -> None:
    """Result number `output`: the named parts of the axes, the others whole."""
    x = node.inputs[0]
    shape = scope.shape(x)
    perm, held = inner_order(len(shape)), scope.inner(x)
    if any(len(part) == 0 for part in parts.values()):
        raise UnsupportedError("a result without elements")
    # Downwards a part is read upwards first, from its last element.
    upwards = {axis: p if p.step > 0 else p[::-1] for axis, p in parts.items()}
    whole = range(1)
    op = Slice(
        starts=tuple(upwards.get(axis, whole).start for axis in perm),
        sizes=tuple(len(upwards[axis]) if axis in upwards else -1 for axis in perm),
        steps=tuple(upwards.get(axis, whole).step for axis in perm),
    )
    turned = [axis for axis, part in parts.items() if part.step < 0]
    for number, axis in enumerate(turned):
        held = scope.step(node, op, (held,), f"part-{number}")
        op = Reverse(axis=perm.index(axis))
    scope.emit(node, op, (held,), perm, output=output)


def import_split(scope: Scope, node: OnnxNode) -> None:
    """Split: one Slice for each result; sizes constant, or equal parts."""
    shape = scope.shape(node.inputs[0])
    axis = normal_axis(node.integer("axis", 0), len(shape))
    scope.keeps_batch(axis != 0, "it splits the batch")
    size, count = shape[axis] or 0, len(node.outputs)
    sizes = node.integers("split")
    if node.operand(1):
        sizes = whole_numbers(scope, node.operand(1), "list of sizes")
    if sizes is None:
        each = math.ceil(size / count)
        sizes = tuple(min(each, size - i * each) for i in range(count))
    if sum(sizes) != size or len(sizes) != count or min(sizes) < 1:
        raise UnsupportedError(f"{size} split into {sizes}")
    start = 0
    for output, length in enumerate(sizes):
        if node.outputs[output]:
            _emit_slice(scope, node, {axis: range(start, start + length)}, output)
        start += length
