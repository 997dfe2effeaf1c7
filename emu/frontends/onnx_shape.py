"""Importers of operators that move values, and of reductions.

Reshape, Flatten, Squeeze, Unsqueeze, Transpose, Concat, Pad; Shape in static graphs.
"""

import math
from collections.abc import Callable, Collection

import numpy as np

from emu.errors import UnsupportedError
from emu.frontends.onnx_layout import (
    Perm,
    file_order,
    inner_order,
    moves_nothing,
    reshape_to,
    sample_size,
)
from emu.frontends.onnx_node import OnnxNode, normal_axis
from emu.frontends.onnx_scope import Scope
from emu.graph import Shape
from emu.ops import Concat, Op, Pad, ReduceMax, ReduceMean, ReduceMin, ReduceSum


def whole_numbers(scope: Scope, name: str, what: str) -> tuple[int, ...]:
    """A constant operand that is a list of integers."""
    array = scope.constants.value(name, what)
    if not np.issubdtype(array.dtype, np.integer) or array.ndim > 1:
        raise UnsupportedError(f"{what} of {array.dtype} {array.shape}")
    return tuple(int(value) for value in array.reshape(-1))


def read_axes(scope: Scope, node: OnnxNode, index: int) -> tuple[int, ...] | None:
    """Axes given as operand `index` or as an attribute; None where they are not."""
    if node.operand(index):
        return whole_numbers(scope, node.operand(index), "list of axes")
    return node.integers("axes")


def _emit_reshape(scope: Scope, node: OnnxNode, shape: Shape) -> None:
    """Reshape, in the file's order; a free batch (None) stays first."""
    x = node.inputs[0]
    if sample_size(shape) != sample_size(scope.shape(x)) or 0 in shape:
        raise UnsupportedError(
            f"shape {scope.shape(x)} to {shape} would mix the batch with other axes"
        )
    perm = inner_order(len(shape))
    if not moves_nothing(shape, perm):
        perm = file_order(len(shape))
    op = reshape_to(tuple(shape[axis] for axis in perm))
    scope.emit(node, op, (scope.in_file_order(x),), perm)


def import_reshape(scope: Scope, node: OnnxNode) -> None:
    """Reshape to a constant shape that, where the batch is free, keeps it."""
    shape = scope.shape(node.inputs[0])
    target = whole_numbers(scope, node.inputs[1], "shape")
    if node.integer("allowzero", 0) and 0 in target:
        raise UnsupportedError("a result without elements")
    if len(shape) < max((i + 1 for i, v in enumerate(target) if v == 0), default=0):
        raise UnsupportedError(f"shape {shape} to {target}")
    sizes = [shape[i] if v == 0 else v for i, v in enumerate(target)]
    if not scope.static:
        sizes[:1] = [_free_batch(shape, target, scope.batch)]
    if -1 in sizes:
        at = sizes.index(-1)
        known = -math.prod(size for size in sizes if size is not None)
        sizes[at] = sample_size(shape) // known if known > 0 else 0
    _emit_reshape(scope, node, tuple(sizes))


def _free_batch(shape: Shape, target: tuple[int, ...], batch: int | None) -> None:
    """Refuse the new shape `target` unless its first axis is the batch.

    It is where the target says 0 (keep), -1 with every other size given, the number
    that the file fixed the batch to, or 1 before all elements of a sample.
    """
    if not target:
        raise UnsupportedError(f"shape {shape} to {target} fixes the batch size")
    sizes = [(shape[i] or 0) if v == 0 else v for i, v in enumerate(target[1:], 1)]
    fixed = target[0] not in (0, -1, batch)
    if fixed and not (target[0] == 1 and math.prod(sizes) == sample_size(shape)):
        raise UnsupportedError(f"fixes the batch size: the new shape is {target}")


def import_flatten(scope: Scope, node: OnnxNode) -> None:
    """Flatten to two axes; a free batch must be the first one alone."""
    shape = scope.shape(node.inputs[0])
    axis = node.integer("axis", 1)
    axis = axis + len(shape) if axis < 0 else axis
    if scope.static:
        parts = (shape[:axis], shape[axis:])
        _emit_reshape(scope, node, tuple(sample_size(part) for part in parts))
        return
    if axis < 1 or set(shape[1:axis]) - {1}:
        raise UnsupportedError(f"axis {axis} would mix the batch with other axes")
    _emit_reshape(scope, node, (None, sample_size(shape)))


def import_squeeze(scope: Scope, node: OnnxNode) -> None:
    """Squeeze: leave out axes of size 1, never the free batch."""
    shape = scope.shape(node.inputs[0])
    axes = read_axes(scope, node, 1)
    if axes is None:
        scope.keeps_batch(
            scope.batch != 1, "fixes the batch size: it squeezes every axis of 1"
        )
        axes = tuple(i for i, size in enumerate(shape) if size == 1)
    gone = {normal_axis(axis, len(shape)) for axis in axes}
    if any(shape[axis] != 1 for axis in gone):
        raise UnsupportedError(f"axes {axes} of shape {shape} are not all of size 1")
    sizes = tuple(size for i, size in enumerate(shape) if i not in gone)
    _emit_reshape(scope, node, sizes)


def import_unsqueeze(scope: Scope, node: OnnxNode) -> None:
    """Unsqueeze: new axes of size 1, none before a free batch."""
    shape = scope.shape(node.inputs[0])
    axes = read_axes(scope, node, 1)
    if axes is None:
        raise UnsupportedError("no axes")
    rank = len(shape) + len(axes)
    new = {normal_axis(axis, rank) for axis in axes}
    if len(new) != len(axes):
        raise UnsupportedError(f"axes {axes} repeat")
    scope.keeps_batch(0 not in new, f"axes {axes} move the batch")
    old = iter(shape)
    sizes = [1 if axis in new else next(old) for axis in range(rank)]
    _emit_reshape(scope, node, tuple(sizes))


def import_transpose(scope: Scope, node: OnnxNode) -> None:
    """Transpose: another way to look at the same tensor; readers ask for their form."""
    rank = len(scope.shape(node.inputs[0]))
    perm = node.integers("perm") or tuple(reversed(range(rank)))
    if sorted(perm) != list(range(rank)):
        raise UnsupportedError(f"perm {perm} of a tensor of rank {rank}")
    scope.keeps_batch(perm[:1] == (0,), f"perm {perm} moves the batch axis")
    scope.alias(node, perm)


def import_shape(scope: Scope, node: OnnxNode) -> None:
    """Shape: a constant; a batch that the file fixes to 1 counts as 1.

    What is computed from a 1 is the same for each sample of any batch, unless it fixes
    the batch size, which the operators refuse that it is given to.
    """
    shape = scope.shape(node.inputs[0])
    scope.keeps_batch(scope.batch == 1, "its result holds the batch size")
    shape = tuple(1 if size is None else size for size in shape)
    part = slice(node.integer("start", 0), node.attributes.get("end"))
    scope.constants.arrays[node.outputs[0]] = np.array(shape[part], np.int64)


def import_concat(scope: Scope, node: OnnxNode) -> None:
    """Concat of activations, in static graphs of constants too."""
    ranks = set()
    for name in node.inputs:
        if name in scope.constants:
            scope.keeps_batch(False, f"the constant {name!r} fixes the batch size")
            ranks.add(scope.constants.parameter(name, "operand").ndim)
        else:
            ranks.add(len(scope.shape(name)))
    rank = max(ranks)
    axis = normal_axis(node.integer("axis", 1), rank)
    if len(ranks) > 1 or (axis == 0 and not scope.static):
        raise UnsupportedError(f"axis {axis} of operands of ranks {sorted(ranks)}")
    perm = inner_order(rank)
    inputs = tuple(
        scope.constants.weights(name, perm, "inner")
        if name in scope.constants
        else scope.inner(name)
        for name in node.inputs
    )
    scope.emit(node, Concat(axis=perm.index(axis)), inputs, perm)


def import_pad(scope: Scope, node: OnnxNode) -> None:
    """Pad with a constant; amounts as attributes before opset 11, operands after."""
    rank = len(scope.shape(node.inputs[0]))
    mode = node.text("mode", "constant")
    if mode != "constant":
        raise UnsupportedError(f"mode {mode}")
    amounts, value = node.integers("pads") or (), node.real("value", 0.0)
    if node.operand(1):
        amounts = whole_numbers(scope, node.operand(1), "list of pads")
    if node.operand(2):
        constant = scope.constants.value(node.operand(2), "pad value")
        value = constant.reshape(-1)[0].item() if constant.size else 0.0
    axes = read_axes(scope, node, 3) or tuple(range(rank))
    count = len(axes)
    if len(amounts) != 2 * count:
        raise UnsupportedError(f"pads {amounts} for {count} axes")
    edges = [(0, 0)] * rank
    for i, axis in enumerate(axes):
        edges[normal_axis(axis, rank)] = (amounts[i], amounts[i + count])
    scope.keeps_batch(edges[0] == (0, 0), "it pads the batch axis")
    padding = tuple(edges[axis] for axis in inner_order(rank))
    op = Pad(padding=padding, value=value)
    scope.emit(node, op, (scope.inner(node.inputs[0]),))


def _import_reduction(
    make: Callable[[tuple[int, ...], bool], Op], what: str
) -> Callable[[Scope, OnnxNode], None]:
    """An importer of `what` over axes (an attribute, later an operand)."""

    def importer(scope: Scope, node: OnnxNode) -> None:
        x = node.inputs[0]
        rank = len(scope.shape(x))
        gone = _reduced_axes(scope, node, what)
        if not gone:
            scope.alias(node)
            return
        keep = node.integer("keepdims", 1) == 1
        order = inner_order(rank)
        op = make(tuple(sorted(order.index(axis) for axis in gone)), keep)
        perm = _left(order, () if keep else gone)
        scope.emit(node, op, (scope.inner(x),), perm)

    return importer


def _reduced_axes(scope: Scope, node: OnnxNode, what: str) -> set[int]:
    """The file's axes that a reduction takes; none: it changes nothing."""
    rank = len(scope.shape(node.inputs[0]))
    axes = read_axes(scope, node, 1) or ()
    if not axes and node.integer("noop_with_empty_axes", 0):
        return set()
    gone = {normal_axis(axis, rank) for axis in axes or range(rank)}
    scope.keeps_batch(0 not in gone, f"it takes the {what} over the batch")
    return gone


def _left(order: Perm, gone: Collection[int]) -> Perm:
    """What is left of the order without these axes, its axes numbered anew."""
    left = [axis for axis in order if axis not in gone]
    return tuple(sorted(left).index(axis) for axis in left)


def _import_extreme(
    make: Callable[[int], Op], what: str
) -> Callable[[Scope, OnnxNode], None]:
    """An importer of the `what` over axes, one after the other."""

    def importer(scope: Scope, node: OnnxNode) -> None:
        x = node.inputs[0]
        rank = len(scope.shape(x))
        gone = _reduced_axes(scope, node, what)
        if not gone:
            scope.alias(node)
            return
        keep = node.integer("keepdims", 1) == 1
        order, held = inner_order(rank), scope.inner(x)
        for axis in sorted(gone):
            op = make(order.index(axis))
            held = scope.step(node, op, (held,), f"{what}-{axis}")
        shape = scope.builder.tensors[held].shape
        left = [i for i, axis in enumerate(order) if keep or axis not in gone]
        op = reshape_to(tuple(shape[i] for i in left))
        scope.emit(node, op, (held,), _left(order, () if keep else gone))

    return importer


import_reduce_mean = _import_reduction(
    lambda axes, keep: ReduceMean(axes=axes, keepdims=keep), "mean"
)
import_reduce_sum = _import_reduction(
    lambda axes, keep: ReduceSum(axes=axes, keepdims=keep), "sum"
)
import_reduce_max = _import_extreme(lambda axis: ReduceMax(axis=axis), "largest")
import_reduce_min = _import_extreme(lambda axis: ReduceMin(axis=axis), "smallest")
