"""watch: what happens in the registers of an operator that sums products."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final

from jaxtyping import Array, Integer

from emu.fixedpoint import Register
from emu.ops.conv import Conv2d, DepthwiseConv2d, watch_conv2d, watch_depthwise_conv2d
from emu.ops.conv3d import Conv3d, watch_conv3d
from emu.ops.matmul import BatchMatMul, MatMul, watch_batch_matmul, watch_matmul
from emu.ops.transposed import TransposeConv2d, watch_transpose_conv2d

WATCHERS: Final[Mapping[type[Any], Callable[..., Register]]] = MappingProxyType(
    {
        # Each takes what the operator's kernel takes.
        Conv2d: watch_conv2d,
        DepthwiseConv2d: watch_depthwise_conv2d,
        Conv3d: watch_conv3d,
        TransposeConv2d: watch_transpose_conv2d,
        MatMul: watch_matmul,
        BatchMatMul: watch_batch_matmul,
    }
)


def watch(
    op: Conv2d | DepthwiseConv2d | Conv3d | TransposeConv2d | MatMul | BatchMatMul,
    *operands: Integer[Array, "..."],
) -> Register:
    """Every addition of every register, in arrays of the shape of the result.

    `held` is what the kernel gives. The bits that a layer used are `bits_needed` of
    the least `low` and the greatest `high`.
    """
    return WATCHERS[type(op)](op, *operands)
