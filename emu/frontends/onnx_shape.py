"""Importers of operators that move values, and of ReduceMean.

Reshape, Flatten, Squeeze, Unsqueeze, Transpose, Concat, Pad.
"""

import math

import numpy as np

from emu.errors import UnsupportedError
from emu.frontends.onnx_layout import (
    Scope,
    file_order,
    inner_order,
    moves_nothing,
    sample_size,
)
from emu.frontends.onnx_node import OnnxNode, normal_axis
from emu.graph import Shape
from emu.ops import Concat, Pad, ReduceMean, Reshape


def _whole_numbers(scope: Scope, name: str, what: str) -> tuple[int, ...]:
    """A constant operand that is a list of integers."""
    array = scope.value(name, what)
    if not np.issubdtype(array.dtype, np.integer) or array.ndim > 1:
        raise UnsupportedError(f"{what} of {array.dtype} {array.shape}")
    return tuple(int(value) for value in array.reshape(-1))


def _axes(scope: Scope, node: OnnxNode, index: int) -> tuple[int, ...] | None:
    """Axes given as operand `index` or as an attribute; None where they are not."""
    if node.operand(index):
        return _whole_numbers(scope, node.operand(index), "list of axes")
    return node.integers("axes")


def _emit_reshape(scope: Scope, node: OnnxNode, sizes: tuple[int, ...]) -> None:
    """Reshape each sample, in the file's order, to `sizes`."""
    x = node.inputs[0]
    if math.prod(sizes) != sample_size(scope.shape(x)) or 0 in sizes:
        raise UnsupportedError(
            f"shape {scope.shape(x)} to {sizes} would mix the batch with other axes"
        )
    shape = (None, *sizes)
    perm = inner_order(len(shape))
    if not moves_nothing(shape, perm):
        perm = file_order(len(shape))
    op = Reshape(shape=tuple(shape[axis] or 0 for axis in perm[1:]))
    scope.emit(node, op, (scope.in_file_order(x),), perm)


def import_reshape(scope: Scope, node: OnnxNode) -> None:
    """Reshape to a constant shape that keeps the batch axis."""
    shape = scope.shape(node.inputs[0])
    target = _whole_numbers(scope, node.inputs[1], "shape")
    if node.integer("allowzero", 0) and 0 in target:
        raise UnsupportedError("a result without elements")
    _emit_reshape(scope, node, _sizes(shape, target, scope.batch))


def _sizes(shape: Shape, target: tuple[int, ...], batch: int | None) -> tuple[int, ...]:
    """Sizes of a sample after Reshape of `shape` to `target`, both with batch axis.

    The batch stays free where the target says 0 (keep), -1 with every other size
    given, or the number that the file fixed the batch to.
    """
    if not target or len(shape) < max(
        i + 1 for i, v in enumerate((0, *target)) if v == 0
    ):
        raise UnsupportedError(f"shape {shape} to {target}")
    lead = target[0]
    rest = [shape[i] if v == 0 else v for i, v in enumerate(target) if i > 0]
    sizes = [size or 0 for size in rest]
    fixed = lead not in (0, -1, batch)
    if fixed and not (lead == 1 and math.prod(sizes) == sample_size(shape)):
        raise UnsupportedError(f"fixes the batch size: the new shape is {target}")
    if -1 in sizes:
        known = -math.prod(sizes)
        at = sizes.index(-1)
        sizes[at] = sample_size(shape) // known if known > 0 else 0
    return tuple(sizes)


def import_flatten(scope: Scope, node: OnnxNode) -> None:
    """Flatten each sample; the axes before `axis` must be the batch alone."""
    shape = scope.shape(node.inputs[0])
    axis = node.integer("axis", 1)
    axis = axis + len(shape) if axis < 0 else axis
    if axis < 1 or set(shape[1:axis]) - {1}:
        raise UnsupportedError(f"axis {axis} would mix the batch with other axes")
    _emit_reshape(scope, node, (sample_size(shape),))


def import_squeeze(scope: Scope, node: OnnxNode) -> None:
    """Squeeze: leave out axes of size 1, never the batch."""
    shape = scope.shape(node.inputs[0])
    axes = _axes(scope, node, 1)
    if axes is None:
        if scope.batch == 1:
            raise UnsupportedError("fixes the batch size: it squeezes every axis of 1")
        axes = tuple(i for i, size in enumerate(shape) if size == 1)
    gone = {normal_axis(axis, len(shape)) for axis in axes}
    if any(shape[axis] != 1 for axis in gone):
        raise UnsupportedError(f"axes {axes} of shape {shape} are not all of size 1")
    sizes = tuple(s or 0 for i, s in enumerate(shape) if i and i not in gone)
    _emit_reshape(scope, node, sizes)


def import_unsqueeze(scope: Scope, node: OnnxNode) -> None:
    """Unsqueeze: new axes of size 1, none before the batch."""
    shape = scope.shape(node.inputs[0])
    axes = _axes(scope, node, 1)
    if axes is None:
        raise UnsupportedError("no axes")
    rank = len(shape) + len(axes)
    new = {normal_axis(axis, rank) for axis in axes}
    if 0 in new or len(new) != len(axes):
        raise UnsupportedError(f"axes {axes} move the batch or repeat")
    old = iter(shape)
    sizes = [1 if axis in new else next(old) for axis in range(rank)]
    _emit_reshape(scope, node, tuple(size or 0 for size in sizes[1:]))


def import_transpose(scope: Scope, node: OnnxNode) -> None:
    """Transpose: another way to look at the same tensor; readers ask for their form."""
    rank = len(scope.shape(node.inputs[0]))
    perm = node.integers("perm") or tuple(reversed(range(rank)))
    if perm[0] != 0:
        raise UnsupportedError(f"perm {perm} moves the batch axis")
    scope.alias(node, perm)


def import_concat(scope: Scope, node: OnnxNode) -> None:
    """Concat of activations along any axis but the batch."""
    ranks = set()
    for name in node.inputs:
        if name in scope.constants:
            raise UnsupportedError(f"the constant {name!r} fixes the batch size")
        ranks.add(len(scope.shape(name)))
    rank = max(ranks)
    axis = normal_axis(node.integer("axis", 1), rank)
    if axis == 0 or len(ranks) > 1:
        raise UnsupportedError(f"axis {axis} of operands of ranks {sorted(ranks)}")
    op = Concat(axis=inner_order(rank).index(axis))
    scope.emit(node, op, tuple(scope.inner(name) for name in node.inputs))


def import_pad(scope: Scope, node: OnnxNode) -> None:
    """Pad with a constant; amounts as attributes before opset 11, operands after."""
    rank = len(scope.shape(node.inputs[0]))
    mode = node.text("mode", "constant")
    if mode != "constant":
        raise UnsupportedError(f"mode {mode}")
    amounts, value = node.integers("pads") or (), node.real("value", 0.0)
    if node.operand(1):
        amounts = _whole_numbers(scope, node.operand(1), "list of pads")
    if node.operand(2):
        constant = scope.value(node.operand(2), "pad value")
        value = float(constant.reshape(-1)[0]) if constant.size else 0.0
    axes = _axes(scope, node, 3) or tuple(range(rank))
    count = len(axes)
    if len(amounts) != 2 * count:
        raise UnsupportedError(f"pads {amounts} for {count} axes")
    edges = [(0, 0)] * rank
    for i, axis in enumerate(axes):
        edges[normal_axis(axis, rank)] = (amounts[i], amounts[i + count])
    if edges[0] != (0, 0):
        raise UnsupportedError("it pads the batch axis")
    padding = tuple(edges[axis] for axis in inner_order(rank))
    op = Pad(padding=padding, value=value)
    scope.emit(node, op, (scope.inner(node.inputs[0]),))


def import_reduce_mean(scope: Scope, node: OnnxNode) -> None:
    """ReduceMean over any axes but the batch; axes an attribute, later an operand."""
    x = node.inputs[0]
    rank = len(scope.shape(x))
    axes = _axes(scope, node, 1) or ()
    if not axes and node.integer("noop_with_empty_axes", 0):
        scope.alias(node)
        return
    gone = {normal_axis(axis, rank) for axis in axes or range(rank)}
    if 0 in gone:
        raise UnsupportedError("it takes the mean over the batch")
    keep = node.integer("keepdims", 1) == 1
    order = inner_order(rank)
    op = ReduceMean(
        axes=tuple(sorted(order.index(axis) for axis in gone)), keepdims=keep
    )
    if keep:
        scope.emit(node, op, (scope.inner(x),))
        return
    # What is left of the inner order, its axes numbered anew.
    left = [axis for axis in order if axis not in gone]
    perm = tuple(sorted(left).index(axis) for axis in left)
    scope.emit(node, op, (scope.inner(x),), perm)
