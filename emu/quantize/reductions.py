"""Means and sums over axes, in the styles of the targets."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final, NamedTuple, cast

import numpy as np

from emu.errors import ConfigError
from emu.fixedpoint import INT32, RescaleScheme, Rounding, bits_needed
from emu.graph import Node
from emu.ops import Concat, FloatRescale, ReduceMean, ReduceSum, Rescale, Slice
from emu.quantize.lower import Lowering
from emu.quantize.parameters import Form
from emu.quantize.tables import mean_factors
from emu.targets import MeanStyle, ScaleProduct


class _Mean(NamedTuple):
    """A mean over so many values of operand `x`, to the form `y`."""

    x: str
    form: Form
    y: Form
    axes: tuple[int, ...]
    keepdims: bool
    values: int


def lower_mean(state: Lowering, node: Node) -> None:
    """ReduceMean over any axes but the batch."""
    op = cast(ReduceMean, node.op)
    mean_over(state, node, op.axes, keepdims=op.keepdims)


def mean_over(
    state: Lowering, node: Node, axes: tuple[int, ...], *, keepdims: bool
) -> None:
    """The mean over axes of the first operand of a layer."""
    mean = _described(state, node, axes, keepdims=keepdims)
    _MEANS[state.target.kernels.mean](state, node, mean)


def _described(
    state: Lowering, node: Node, axes: tuple[int, ...], *, keepdims: bool
) -> _Mean:
    x = state.integer(node.inputs[0], node.name)
    shape = state.graph.tensors[node.inputs[0]].shape
    return _Mean(
        x=x,
        form=state.form(x),
        y=state.source.form(state.result(node)),
        axes=tuple(sorted(axis % len(shape) for axis in axes)),
        keepdims=keepdims,
        values=int(np.prod([shape[axis] or 1 for axis in axes])),
    )


def _total(state: Lowering, node: Node, mean: _Mean, x_zero_point: int) -> str:
    bits = bits_needed(0, mean.form.reach * mean.values)
    if bits > INT32.bits:
        raise ConfigError(
            f"a sum of {mean.values} values of {mean.form.format.bits} bits may need "
            f"{bits}, sums over axes have {INT32.bits}",
            where=node.name,
        )
    op = ReduceSum(axes=mean.axes, keepdims=mean.keepdims, x_zero_point=x_zero_point)
    return state.scratch(op, (mean.x,), node, "acc")


def _mean_by_factor(state: Lowering, node: Node, mean: _Mean) -> None:
    """Sum in 32 bits; scale and division by the count are one rescale."""
    total = _total(state, node, mean, mean.form.zero_point)
    factor = mean.form.scale / (mean.y.scale * mean.values)
    if state.product(node, mean.y) is ScaleProduct.FLOAT32:
        whole = np.float32(mean.y.scale) * np.float32(mean.values)
        factor = float(np.float32(mean.form.scale) / whole)
    state.rescaled(node, total, factor, mean.y)


def _mean_litert(state: Lowering, node: Node, mean: _Mean) -> None:
    """The multiplier divided by the count, whatever the scheme of other layers."""
    total = _total(state, node, mean, mean.form.zero_point)
    result = state.result(node)
    factors = mean_factors(mean.form.scale, mean.y.scale, mean.values)
    op = Rescale(
        scheme=RescaleScheme.DOUBLE_ROUND,
        format=mean.y.format,
        zero_point=mean.y.zero_point,
    )
    names = [
        state.builder.constant(f"{result}:{what}", values)
        for what, values in zip(("multiplier", "shift"), factors, strict=True)
    ]
    state.clamped(node, op, (total, *names), mean.y)


# LiteRT's vector kernels take so many values at a time.
LANES: Final = 16


def _mean_litert_optimized(state: Lowering, node: Node, mean: _Mean) -> None:
    """8-bit means over the image from the sum of codes, by LANES of channels.

    The offset that stands for the zero points may lie outside the format, so it is
    added in 32 bits. Source: LiteRT tflite/kernels/internal/optimized/
    {optimized_ops.h,integer_ops/mean.h}.
    """
    shape = state.builder.tensors[mean.x].shape
    image = len(shape) == 4 and mean.axes == (1, 2) and mean.keepdims
    if not image or mean.form.format.bits > 8:
        _mean_litert(state, node, mean)
        return
    total = _total(state, node, mean, 0)
    x, y = np.float32(mean.form.scale), np.float32(mean.y.scale)
    moved = np.float32(np.float32(mean.form.zero_point) * x) / y
    offset = mean.y.zero_point - int(moved + np.copysign(np.float32(0.5), moved))
    factor = float(x / (np.float32(mean.values) * y))
    channels = shape[-1] or 0
    whole = channels - channels % LANES
    parts = []
    for start, size, scheme in (
        (0, whole, RescaleScheme.SRDHM_HALF_UP),
        (whole, channels - whole, RescaleScheme.DOUBLE_ROUND),
    ):
        if size:
            parts.append(
                _rescaled_channels(
                    state, node, total, (start, size), factor, offset, scheme
                )
            )
    joined = parts[0]
    if len(parts) > 1:
        joined = state.scratch(Concat(axis=3), tuple(parts), node, "joined")
    to_format(state, node, joined, mean.y)


def _rescaled_channels(
    state: Lowering,
    node: Node,
    total: str,
    channels: tuple[int, int],
    factor: float,
    offset: int,
    scheme: RescaleScheme,
) -> str:
    """Some channels of a sum times a factor plus an offset, in 32 bits."""
    start, size = channels
    cut = Slice(starts=(0, 0, 0, start), sizes=(-1, 1, 1, size), steps=(1,) * 4)
    part = state.scratch(cut, (total,), node, f"from{start}")
    name = f"{state.result(node)}:from{start}"
    factors = state.rescale_factors(name, factor, scheme)
    op = Rescale(scheme=scheme, format=INT32, zero_point=offset)
    return state.scratch(op, (part, *factors), node, f"from{start}:rescaled")


def to_format(state: Lowering, node: Node, wide: str, form: Form) -> None:
    """32-bit codes saturated to a format: a rescale by one."""
    scheme = RescaleScheme.POWER_OF_TWO
    factors = state.rescale_factors(f"{state.result(node)}:one", 1.0, scheme)
    op = Rescale(scheme=scheme, format=form.format)
    state.clamped(node, op, (wide, *factors), form)


def _mean_xnnpack(state: Lowering, node: Node, mean: _Mean) -> None:
    """The sum of codes in float32, both zero points in one offset.

    Source: XNNPACK src/operators/reduce-nd.c.
    """
    ratio = np.float32(mean.form.scale) / np.float32(mean.y.scale)
    share = np.float32(1) / np.float32(mean.values)
    _float_rescaled(state, node, mean, np.float32(ratio * share))


def _float_rescaled(
    state: Lowering, node: Node, mean: _Mean, scale: np.float32
) -> None:
    total = _total(state, node, mean, 0)
    points = np.float32(mean.values * mean.form.zero_point)
    offset = np.float32(mean.y.zero_point) - np.float32(points * scale)
    op = FloatRescale(
        format=mean.y.format, scale=float(scale), offset=float(np.float32(offset))
    )
    state.clamped(node, op, (total,), mean.y)


_MEANS: Final[Mapping[MeanStyle, Callable[[Lowering, Node, _Mean], None]]] = (
    MappingProxyType(
        {
            MeanStyle.RESCALE: _mean_by_factor,
            MeanStyle.LITERT: _mean_litert,
            MeanStyle.LITERT_OPTIMIZED: _mean_litert_optimized,
            MeanStyle.XNNPACK: _mean_xnnpack,
        }
    )
)


def lower_total(state: Lowering, node: Node) -> None:
    """ReduceSum over any axes but the batch: a mean without its count."""
    op = cast(ReduceSum, node.op)
    total = _described(state, node, op.axes, keepdims=op.keepdims)
    x, y = np.float32(total.form.scale), np.float32(total.y.scale)
    style = state.target.kernels.mean
    if style is MeanStyle.XNNPACK:
        inverse = np.float32(1) / y
        _float_rescaled(state, node, total, np.float32(x * inverse))
        return
    if style is MeanStyle.LITERT_OPTIMIZED:
        # LiteRT tflite/kernels/reduce.cc, EvalSum: codes in float32.
        scale = np.float32(x / y)
        step = np.float32(np.float32(-total.form.zero_point) * scale)
        rescale = FloatRescale(
            format=total.y.format,
            scale=float(scale),
            offset=float(np.float32(step * np.float32(total.values))),
            rounding=Rounding.HALF_AWAY,
            zero_point=total.y.zero_point,
        )
        acc = _total(state, node, total, 0)
        state.clamped(node, rescale, (acc,), total.y)
        return
    acc = _total(state, node, total, total.form.zero_point)
    state.rescaled(node, acc, total.form.scale / total.y.scale, total.y)
