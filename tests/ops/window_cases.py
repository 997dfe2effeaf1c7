"""Cases of the operators on one element or one window at a time."""

from typing import Any, Final

import numpy as np

from emu import ops
from emu.fixedpoint import (
    INT8,
    INT16,
    UINT8,
)
from tests.ops.operands import Case, Operand, activation, constant, weight

SAME = ((1, 1), (1, 1))
ANY_INT32: Final = 1 << 31

_WIDE = activation(3, 2, 4, dtype="int32")
_PAIRS: Final[dict[str, tuple[Operand, Operand]]] = {
    "same-shape": (_WIDE, _WIDE),
    "constant-channels": (_WIDE, weight(4, dtype="int32", high=ANY_INT32 - 1)),
    "constant-full-rank": (weight(1, 1, 1, 4, dtype="int32", high=9), _WIDE),
    "broadcast-space": (activation(1, 1, 4, dtype="int32"), _WIDE),
    "float": (
        activation(3, 2, 4, dtype="float32"),
        activation(1, 1, 4, dtype="float32"),
    ),
}

ELEMENTWISE: Final = [
    Case(name=name, op=op, operands=pair)
    for op in (ops.Add(), ops.Sub(), ops.Mul())
    for name, pair in _PAIRS.items()
]

_FORMATS = {"int8": INT8, "uint8": UINT8, "int16": INT16}


def _table(name: str, x: Operand, x_min: int, entries: int, dtype: str) -> Case:
    held = np.iinfo(dtype)
    values = np.random.default_rng(7).integers(held.min, held.max, entries, dtype)
    operands = (x, constant(values, dtype))
    return Case(name=name, op=ops.Table(x_min=x_min), operands=operands)


_NIBBLES = Operand(shape=(2, 9), dtype="int8", low=-8, high=7)

LIMITS: Final = [
    Case(name="int8", op=ops.Clamp(low=-100, high=3), operands=(activation(9),)),
    Case(
        name="uint8",
        op=ops.Clamp(low=4, high=255),
        operands=(activation(9, dtype="uint8"),),
    ),
    Case(
        name="int32",
        op=ops.Clamp(low=-(1 << 31), high=1 << 20),
        operands=(activation(9, dtype="int32"),),
    ),
    _table("int8", activation(3, 50), -128, 256, "int8"),
    _table("uint8-to-int16", activation(3, 50, dtype="uint8"), 0, 256, "int16"),
    _table("int4", _NIBBLES, -8, 16, "int8"),
    _table("int16", activation(3, 50, dtype="int16"), -(1 << 15), 1 << 16, "int16"),
]

_POOLS: Final[dict[str, tuple[tuple[int, int, int], dict[str, Any]]]] = {
    "2x2": ((4, 6, 3), {"kernel": (2, 2), "stride": (2, 2)}),
    "1x1": ((3, 3, 2), {"kernel": (1, 1)}),
    "3x3-same": ((5, 5, 2), {"kernel": (3, 3), "stride": (2, 2), "padding": SAME}),
    "5x4-asymmetric": (
        (6, 7, 2),
        {"kernel": (5, 4), "stride": (1, 2), "padding": ((2, 1), (0, 3))},
    ),
    "whole-image": ((5, 3, 4), {"kernel": (5, 3)}),
    "larger-than-image": ((2, 2, 2), {"kernel": (3, 3), "padding": SAME}),
}
_DILATED = {"kernel": (3, 2), "dilation": (2, 3), "padding": ((1, 2), (0, 1))}

POOLS: Final = [
    *(
        Case(name=name, op=ops.MaxPool(**f), operands=(activation(*size),))
        for name, (size, f) in _POOLS.items()
    ),
    *(
        Case(
            name=f"dilation-{dtype}",
            op=ops.MaxPool(**_DILATED),
            operands=(activation(7, 8, 2, dtype=dtype),),
        )
        for dtype in ("int8", "uint8", "int16", "int32", "float32")
    ),
    *(
        Case(
            name=f"{name}{'-counts-padding' if counted else ''}",
            op=ops.AvgPool2d(**f, count_include_pad=counted, zero_point=-3),
            operands=(activation(*size),),
        )
        for name, (size, f) in _POOLS.items()
        for counted in (False, True)
        if "padding" in f or not counted
    ),
    *(
        Case(
            name=f"{dtype}-zero-point-{z}",
            op=ops.AvgPool2d(
                kernel=(3, 3), padding=SAME, format=_FORMATS[dtype], zero_point=z
            ),
            operands=(activation(4, 4, 2, dtype=dtype),),
        )
        for dtype, z in [("int8", 127), ("int8", -128), ("uint8", 200), ("int16", 77)]
    ),
    *(
        Case(
            name=f"{name}{'-counts-padding' if counted else ''}",
            op=ops.AveragePool(**f, count_include_pad=counted),
            operands=(activation(*size, dtype="float32"),),
        )
        for name, (size, f) in _POOLS.items()
        for counted in (False, True)
        if "padding" in f or not counted
    ),
]
