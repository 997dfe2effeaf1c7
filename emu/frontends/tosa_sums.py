"""Importers of the TOSA operators that sum products."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final

from emu import ops
from emu.errors import ModelError, UnsupportedError
from emu.fixedpoint import Accumulator, Overflow
from emu.frontends.tosa_scope import Call

# The node that an operator becomes, and the graph's names of its operands.
Node = tuple[ops.Op, tuple[str, ...]]

_ACCUMULATORS: Final[Mapping[str, Accumulator]] = MappingProxyType(
    {
        "INT32": Accumulator(32, Overflow.WRAP),
        "INT48": Accumulator(48, Overflow.WRAP),
    }
)

# Weights of TOSA are co kh kw ci, ours kh kw ci co.
_OUTPUT_LAST: Final = (1, 2, 3, 0)
_OUTPUT_LAST_3D: Final = (1, 2, 3, 4, 0)


def _accumulator(name: str) -> Accumulator:
    if name not in _ACCUMULATORS:
        raise UnsupportedError(f"sums in {name}")
    return _ACCUMULATORS[name]


def _common(call: Call) -> dict[str, Any]:
    """Fields that all convolutions have: zero points and accumulator."""
    return {
        "x_zero_point": call.number(3),
        "w_zero_point": call.number(4),
        "accumulator": _accumulator(call.choice("acc_type")),
    }


def _conv2d(call: Call) -> Node:
    op = ops.Conv2d(
        stride=call.pair("stride"),
        padding=call.padding("pad"),
        dilation=call.pair("dilation"),
        **_common(call),
    )
    return op, _operands(call, call.transposed(1, _OUTPUT_LAST), call.shape(1)[0])


def _operands(call: Call, weights: str, outputs: int) -> tuple[str, str, str]:
    return call.tensor(0), weights, call.repeated(2, outputs)


def _conv3d(call: Call) -> Node:
    pad = call.integers("pad", 6)
    depth, height, width = call.integers("stride", 3)
    dilation = call.integers("dilation", 3)
    op = ops.Conv3d(
        stride=(depth, height, width),
        padding=((pad[0], pad[1]), (pad[2], pad[3]), (pad[4], pad[5])),
        dilation=(dilation[0], dilation[1], dilation[2]),
        **_common(call),
    )
    return op, _operands(call, call.transposed(1, _OUTPUT_LAST_3D), call.shape(1)[0])


def _depthwise_conv2d(call: Call) -> Node:
    """Weights are kh kw c m in both."""
    op = ops.DepthwiseConv2d(
        stride=call.pair("stride"),
        padding=call.padding("pad"),
        dilation=call.pair("dilation"),
        **_common(call),
    )
    shape = call.shape(1)
    if len(shape) != 4:
        raise ModelError(f"weights of shape {shape}, expected four axes")
    return op, _operands(call, call.tensor(1), shape[2] * shape[3])


def _transpose_conv2d(call: Call) -> Node:
    op = ops.TransposeConv2d(
        stride=call.pair("stride"), out_pad=call.padding("out_pad"), **_common(call)
    )
    return op, _operands(call, call.transposed(1, _OUTPUT_LAST), call.shape(1)[0])


def _matmul(call: Call) -> Node:
    op = ops.BatchMatMul(
        x_zero_point=call.number(2),
        y_zero_point=call.number(3),
        accumulator=_accumulator(call.result_type),
    )
    return op, (call.tensor(0), call.tensor(1))


SUMS: Final[Mapping[str, Callable[[Call], Node]]] = MappingProxyType(
    {
        "CONV2D": _conv2d,
        "CONV3D": _conv3d,
        "DEPTHWISE_CONV2D": _depthwise_conv2d,
        "TRANSPOSE_CONV2D": _transpose_conv2d,
        "MATMUL": _matmul,
    }
)
