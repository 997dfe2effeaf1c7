"""Cases of the operators that sum products: every geometry and every register."""

from typing import Any, Final

from emu import ops
from emu.fixedpoint import (
    Accumulator,
    Overflow,
)
from tests.ops.operands import Case, activation, bias, weight

WRAP, SATURATE = Overflow.WRAP, Overflow.SATURATE
ANY_INT32: Final = 1 << 31

# Each register a target may have, by name, and the bias that makes it overflow.
ACCUMULATORS: Final = {
    "acc32-wrap": (Accumulator(32, WRAP), ANY_INT32),
    "acc32-saturate": (Accumulator(32, SATURATE), ANY_INT32),
    "acc20-saturate": (Accumulator(20, SATURATE), 1 << 19),
    "acc16-wrap": (Accumulator(16, WRAP), 1 << 12),
    "acc18-symmetric": (Accumulator(18, Overflow.SATURATE_SYMMETRIC), 1 << 17),
    "acc17-zero": (Accumulator(17, Overflow.SATURATE_TO_ZERO), 1 << 15),
    "acc40-wrap": (Accumulator(40, WRAP), ANY_INT32),
    "acc8-wrap": (Accumulator(8, WRAP), 1 << 12),
}


def _conv2d(
    name: str, size: tuple[int, int, int], w: tuple[int, int, int, int], **fields: Any
) -> Case:
    dtype, limit = fields.pop("dtype", "int8"), fields.pop("limit", 1 << 12)
    operands = (activation(*size, dtype=dtype), weight(*w), bias(w[3], limit))
    return Case(name=name, op=ops.Conv2d(**fields), operands=operands)


SAME = ((1, 1), (1, 1))

CONV2D: Final = [
    _conv2d("3x3-same", (6, 5, 3), (3, 3, 3, 4), padding=SAME, x_zero_point=-5),
    _conv2d("1x1", (3, 4, 5), (1, 1, 5, 2), x_zero_point=127),
    _conv2d("1x1-stride-2", (5, 4, 3), (1, 1, 3, 2), stride=(2, 2), x_zero_point=-128),
    _conv2d(
        "5x4-asymmetric",
        (9, 8, 2),
        (5, 4, 2, 3),
        stride=(2, 1),
        padding=((2, 1), (0, 3)),
        x_zero_point=-128,
    ),
    _conv2d(
        "dilation",
        (9, 10, 2),
        (3, 2, 2, 3),
        dilation=(2, 3),
        padding=((1, 2), (0, 1)),
        x_zero_point=3,
    ),
    _conv2d("groups", (5, 5, 6), (3, 3, 3, 4), groups=2, padding=SAME, x_zero_point=9),
    _conv2d("groups-of-1", (4, 4, 3), (2, 2, 1, 6), groups=3, x_zero_point=-1),
    _conv2d("whole-image", (4, 3, 2), (4, 3, 2, 5), x_zero_point=17),
    _conv2d("larger-than-image", (2, 2, 2), (3, 3, 2, 2), padding=SAME, x_zero_point=5),
    _conv2d("steps-over-pixels", (8, 7, 1), (2, 2, 1, 1), stride=(3, 4)),
    _conv2d("uint8", (4, 4, 2), (3, 3, 2, 2), dtype="uint8", x_zero_point=131),
    _conv2d(
        "int16-acc48",
        (4, 4, 2),
        (3, 3, 2, 2),
        dtype="int16",
        padding=SAME,
        x_zero_point=-300,
        accumulator=Accumulator(48, SATURATE),
    ),
    *(
        _conv2d(
            name,
            (4, 4, 4),
            (3, 3, 4, 3),
            padding=SAME,
            x_zero_point=-7,
            accumulator=accumulator,
            limit=limit,
        )
        for name, (accumulator, limit) in ACCUMULATORS.items()
    ),
]


def _depthwise(
    name: str, size: tuple[int, int], w: tuple[int, int, int, int], **fields: Any
) -> Case:
    dtype, limit = fields.pop("dtype", "int8"), fields.pop("limit", 1 << 12)
    operands = (
        activation(*size, w[2], dtype=dtype),
        weight(*w),
        bias(w[2] * w[3], limit),
    )
    return Case(name=name, op=ops.DepthwiseConv2d(**fields), operands=operands)


DEPTHWISE: Final = [
    _depthwise("3x3-same", (5, 6), (3, 3, 4, 1), padding=SAME, x_zero_point=-5),
    _depthwise("multiplier-2", (5, 4), (3, 3, 3, 2), padding=SAME, x_zero_point=127),
    _depthwise("2x2-multiplier-2", (4, 4), (2, 2, 3, 2), x_zero_point=9),
    _depthwise("1x1", (3, 3), (1, 1, 3, 1), x_zero_point=-128),
    _depthwise(
        "5x4-asymmetric",
        (9, 8),
        (5, 4, 2, 2),
        stride=(2, 1),
        padding=((2, 1), (0, 3)),
        x_zero_point=-128,
    ),
    _depthwise(
        "dilation", (9, 10), (3, 2, 2, 1), dilation=(2, 3), padding=((1, 2), (0, 1))
    ),
    _depthwise("larger-than-image", (2, 2), (3, 3, 2, 1), padding=SAME, x_zero_point=5),
    _depthwise("uint8", (4, 4), (3, 3, 2, 1), dtype="uint8", x_zero_point=131),
    _depthwise(
        "int16-acc48",
        (4, 4),
        (3, 3, 2, 2),
        dtype="int16",
        x_zero_point=-300,
        accumulator=Accumulator(48, SATURATE),
    ),
    *(
        _depthwise(
            name,
            (4, 4),
            (3, 3, 3, 1),
            padding=SAME,
            x_zero_point=-7,
            accumulator=accumulator,
            limit=limit,
        )
        for name, (accumulator, limit) in ACCUMULATORS.items()
    ),
]


def _matmul(name: str, size: tuple[int, ...], outputs: int, **fields: Any) -> Case:
    dtype, limit = fields.pop("dtype", "int8"), fields.pop("limit", 1 << 12)
    operands = (
        activation(*size, dtype=dtype),
        weight(size[-1], outputs),
        bias(outputs, limit),
    )
    return Case(name=name, op=ops.MatMul(**fields), operands=operands)


MATMUL: Final = [
    _matmul("dense", (33,), 10, x_zero_point=-128),
    _matmul("one", (1,), 1, x_zero_point=127),
    _matmul("rows", (3, 4, 5), 6, x_zero_point=11),
    _matmul("uint8", (9,), 4, dtype="uint8", x_zero_point=131),
    _matmul("int16", (9,), 4, dtype="int16", accumulator=Accumulator(48)),
    # Beyond 2**24 partial sums: float32 would round.
    _matmul("long", (2048,), 2, x_zero_point=-128),
    *(
        _matmul(name, (40,), 3, accumulator=a, limit=limit, x_zero_point=-7)
        for name, (a, limit) in ACCUMULATORS.items()
    ),
]
