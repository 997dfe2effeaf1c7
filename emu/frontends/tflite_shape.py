"""Importers of operators that move values, and of reductions.

RESHAPE, SQUEEZE, EXPAND_DIMS, TRANSPOSE, CONCATENATION, PACK, SPLIT, SLICE,
STRIDED_SLICE, PAD, PADV2; MEAN, SUM, REDUCE_MAX, REDUCE_MIN.
"""

import math
from collections.abc import Callable

from emu.errors import UnsupportedError
from emu.frontends.tflite_file import TfliteNode
from emu.frontends.tflite_scope import Scope, sample_size
from emu.graph import Shape
from emu.ops import (
    Concat,
    Op,
    Pad,
    ReduceMax,
    ReduceMean,
    ReduceMin,
    ReduceSum,
    Reshape,
    Slice,
    Transpose,
)
from emu.ops.rearrange import TO_THE_END


def normal_axis(axis: int, rank: int) -> int:
    """A possibly negative axis as 1..rank-1; the batch axis is refused."""
    if not -rank <= axis < rank:
        raise UnsupportedError(f"axis {axis} of a tensor of rank {rank}")
    if axis % rank == 0:
        raise UnsupportedError("axis 0 is the batch")
    return axis % rank


def _sizes(shape: Shape) -> tuple[int, ...]:
    """The sizes of an activation as the file has them: the batch is 1."""
    return tuple(1 if size is None else size for size in shape)


def _emit_reshape(scope: Scope, node: TfliteNode, sizes: tuple[int, ...]) -> None:
    """Reshape each sample to the sizes after the batch, the first of `sizes`."""
    shape = scope.shape(node.operand(0))
    if not sizes or sizes[0] != 1 or math.prod(sizes) != sample_size(shape):
        raise UnsupportedError(
            f"shape {_sizes(shape)} to {sizes} would mix the batch with other axes"
        )
    op = Reshape(shape=sizes[1:])
    scope.emit(node, op, (scope.real(node.operand(0)),))


def import_reshape(scope: Scope, node: TfliteNode) -> None:
    """RESHAPE: the new shape an operand or an option, with at most one -1."""
    total = sample_size(scope.shape(node.operand(0)))
    target = tuple(node.options["NewShape"])
    if node.operand(1) >= 0:
        target = scope.numbers(node.operand(1), "shape")
    if target.count(-1) == 1:
        known = -math.prod(target)
        size = total // known if known > 0 else 0
        target = tuple(size if value == -1 else value for value in target)
    _emit_reshape(scope, node, target)


def import_squeeze(scope: Scope, node: TfliteNode) -> None:
    """SQUEEZE: leave out axes of size 1, never the batch."""
    sizes = _sizes(scope.shape(node.operand(0)))
    rank, axes = len(sizes), node.options["SqueezeDims"]
    if not axes:
        raise UnsupportedError("it squeezes every axis of 1, the batch too")
    gone = {normal_axis(axis, rank) for axis in axes}
    if any(sizes[axis] != 1 for axis in gone):
        raise UnsupportedError(f"axes {axes} of shape {sizes} are not all of size 1")
    _emit_reshape(scope, node, tuple(n for i, n in enumerate(sizes) if i not in gone))


def import_expand_dims(scope: Scope, node: TfliteNode) -> None:
    """EXPAND_DIMS: a new axis of size 1, not before the batch."""
    sizes = _sizes(scope.shape(node.operand(0)))
    (axis,) = scope.numbers(node.operand(1), "axis")
    at = normal_axis(axis, len(sizes) + 1)
    _emit_reshape(scope, node, (*sizes[:at], 1, *sizes[at:]))


def import_transpose(scope: Scope, node: TfliteNode) -> None:
    """TRANSPOSE that leaves the batch first."""
    shape = scope.shape(node.operand(0))
    perm = scope.numbers(node.operand(1), "permutation")
    perm = tuple(axis % len(shape) for axis in perm)
    if sorted(perm) != list(range(len(shape))) or perm[0] != 0:
        raise UnsupportedError(f"permutation {perm} of shape {_sizes(shape)}")
    scope.emit(node, Transpose(perm=perm), (scope.real(node.operand(0)),))


def _activations(scope: Scope, node: TfliteNode) -> int:
    """The rank of all operands, each of which must be an activation."""
    for index in node.inputs:
        if scope.is_constant(index):
            name = scope.tensor(index).name
            raise UnsupportedError(f"the constant {name!r} fixes the batch size")
    ranks = {len(scope.shape(index)) for index in node.inputs}
    if len(ranks) != 1:
        raise UnsupportedError(f"operands of ranks {sorted(ranks)}")
    return ranks.pop()


def import_concatenation(scope: Scope, node: TfliteNode) -> None:
    """CONCATENATION of activations along any axis but the batch."""
    axis = normal_axis(node.options["Axis"], _activations(scope, node))
    inputs = tuple(scope.real(index) for index in node.inputs)
    scope.emit(node, Concat(axis=axis), inputs)


def import_pack(scope: Scope, node: TfliteNode) -> None:
    """PACK: activations side by side along a new axis."""
    axis = normal_axis(node.options["Axis"], _activations(scope, node) + 1)
    inputs = []
    for i, index in enumerate(node.inputs):
        sizes = _sizes(scope.shape(index))
        op = Reshape(shape=(*sizes[1:axis], 1, *sizes[axis:]))
        part = scope.move(node, op, scope.real(index), index, f"part{i}")
        inputs.append(part)
    scope.emit(node, Concat(axis=axis), tuple(inputs))


def _slice(rank: int, at: int, start: int, size: int) -> Slice:
    """A part of one axis."""
    return Slice(
        starts=tuple(start if axis == at else 0 for axis in range(rank)),
        sizes=tuple(size if axis == at else TO_THE_END for axis in range(rank)),
        steps=(1,) * rank,
    )


def import_split(scope: Scope, node: TfliteNode) -> None:
    """SPLIT into equal parts: a Slice for each result."""
    (axis,), x = scope.numbers(node.operand(0), "axis"), node.operand(1)
    sizes = _sizes(scope.shape(x))
    at, count = normal_axis(axis, len(sizes)), len(node.outputs)
    if count != node.options["NumSplits"] or sizes[at] % count:
        raise UnsupportedError(f"axis {at} of shape {sizes} into {count} parts")
    size = sizes[at] // count
    for i, result in enumerate(node.outputs):
        op = _slice(len(sizes), at, i * size, size)
        scope.emit(node, op, (scope.real(x),), result)


def import_slice(scope: Scope, node: TfliteNode) -> None:
    """SLICE: begin and size of each axis; the batch whole."""
    sizes = _sizes(scope.shape(node.operand(0)))
    starts = scope.numbers(node.operand(1), "begin")
    counts = scope.numbers(node.operand(2), "size")
    if not len(starts) == len(counts) == len(sizes):
        raise UnsupportedError(f"begin {starts} and size {counts} of shape {sizes}")
    if starts[0] != 0 or counts[0] not in (1, -1):
        raise UnsupportedError(f"begin {starts} and size {counts} cut the batch")
    op = Slice(starts=starts, sizes=(TO_THE_END, *counts[1:]), steps=(1,) * len(sizes))
    scope.emit(node, op, (scope.real(node.operand(0)),))


def import_strided_slice(scope: Scope, node: TfliteNode) -> None:
    """STRIDED_SLICE with positive strides; masks as TensorFlow has them."""
    x, options = node.operand(0), node.options
    sizes = _sizes(scope.shape(x))
    begin, end, strides = (
        scope.numbers(node.operand(i + 1), what)
        for i, what in enumerate(("begin", "end", "strides"))
    )
    if options["EllipsisMask"] or options["NewAxisMask"] or options["Offset"]:
        raise UnsupportedError("a mask of ellipses or new axes, or ends as offsets")
    if (
        not 1 <= len(begin) == len(end) == len(strides) <= len(sizes)
        or min(strides) < 1
    ):
        raise UnsupportedError(f"begin {begin}, end {end}, strides {strides}")
    starts, counts = [0] * len(sizes), list(sizes)
    for axis, (first, last, step) in enumerate(zip(begin, end, strides, strict=True)):
        size, bit = sizes[axis], 1 << axis
        start = 0 if options["BeginMask"] & bit else _clamp(first, size)
        stop = size if options["EndMask"] & bit else _clamp(last, size)
        if options["ShrinkAxisMask"] & bit:
            start = _clamp(first, size)
            stop = start + 1
        starts[axis], counts[axis] = start, max(-(-(stop - start) // step), 0)
    steps = (*strides, *(1,) * (len(sizes) - len(strides)))
    gone = {a for a in range(len(sizes)) if options["ShrinkAxisMask"] >> a & 1}
    if (starts[0], counts[0]) != (0, 1) or 0 in gone or 0 in counts:
        raise UnsupportedError(f"begin {begin}, end {end} of shape {sizes}")
    op = Slice(
        starts=tuple(starts), sizes=(TO_THE_END, *counts[1:]), steps=(1, *steps[1:])
    )
    if not gone:
        scope.emit(node, op, (scope.real(x),))
        return
    part = scope.move(node, op, scope.real(x), x, "part")
    left = tuple(n for axis, n in enumerate(counts) if axis and axis not in gone)
    scope.emit(node, Reshape(shape=left), (part,))


def _clamp(position: int, size: int) -> int:
    """A possibly negative position, inside 0..size."""
    return min(max(position + size if position < 0 else position, 0), size)


def import_pad(scope: Scope, node: TfliteNode) -> None:
    """PAD with zero, PADV2 with a constant real value."""
    sizes = _sizes(scope.shape(node.operand(0)))
    amounts = scope.numbers(node.operand(1), "paddings")
    if len(amounts) != 2 * len(sizes) or min(amounts) < 0:
        raise UnsupportedError(f"paddings {amounts} of shape {sizes}")
    padding = tuple(zip(amounts[::2], amounts[1::2], strict=True))
    if padding[0] != (0, 0):
        raise UnsupportedError("it pads the batch axis")
    value = 0.0
    if node.operand(2) >= 0:
        value = float(scope.reals(node.operand(2), "pad value").reshape(-1)[0])
    op = Pad(padding=padding, value=value)
    scope.emit(node, op, (scope.real(node.operand(0)),))


def _import_reduction(
    make: Callable[[tuple[int, ...], bool], Op],
) -> Callable[[Scope, TfliteNode], None]:
    """An importer of a reduction over any axes but the batch."""

    def importer(scope: Scope, node: TfliteNode) -> None:
        op = make(_reduced_axes(scope, node), bool(node.options["KeepDims"]))
        scope.emit(node, op, (scope.real(node.operand(0)),))

    return importer


import_mean = _import_reduction(lambda axes, keep: ReduceMean(axes=axes, keepdims=keep))
import_sum = _import_reduction(lambda axes, keep: ReduceSum(axes=axes, keepdims=keep))


def _reduced_axes(scope: Scope, node: TfliteNode) -> tuple[int, ...]:
    rank = len(scope.shape(node.operand(0)))
    axes = scope.numbers(node.operand(1), "axes")
    if not axes:
        raise UnsupportedError("no axes")
    return tuple(sorted({normal_axis(axis, rank) for axis in axes}))


def _import_extreme(
    kind: type[ReduceMax] | type[ReduceMin],
) -> Callable[[Scope, TfliteNode], None]:
    """An importer of REDUCE_MAX or REDUCE_MIN, axis by axis."""

    def importer(scope: Scope, node: TfliteNode) -> None:
        *rest, last = _reduced_axes(scope, node)
        sizes = _sizes(scope.shape(node.operand(0)))
        source = node.operand(0)
        x = scope.real(source)
        for axis in rest:
            x = scope.move(node, kind(axis=axis), x, source, f"axis{axis}")
        if node.options["KeepDims"]:
            scope.emit(node, kind(axis=last), (x,))
            return
        x = scope.move(node, kind(axis=last), x, source, f"axis{last}")
        left = tuple(n for i, n in enumerate(sizes) if i and i not in (*rest, last))
        scope.emit(node, Reshape(shape=left), (x,))

    return importer


import_reduce_max = _import_extreme(ReduceMax)
import_reduce_min = _import_extreme(ReduceMin)
