"""Cases of the integer functions that TOSA has."""

from typing import Final

import numpy as np

from emu import ops
from tests.ops.operands import Case, Operand, activation, constant, weight

SIZES: Final[dict[str, tuple[tuple[int, ...], tuple[int, ...]]]] = {
    "same": ((3, 4), (3, 4)),
    "rows": ((3, 4), (1, 4)),
    "left": ((1, 4), (3, 1)),
}
SIGNED: Final = ("int8", "int16", "int32")
_BITS: Final = {"int8": 8, "int16": 16, "int32": 32}


def few(*shape: int, dtype: str) -> Operand:
    """Values that are often equal."""
    return Operand(shape=(2, *shape), dtype=dtype, low=-2, high=2)


def amounts(*shape: int, dtype: str) -> Operand:
    """Every amount of a shift, and some on either side."""
    return Operand(shape=(2, *shape), dtype=dtype, low=-2, high=_BITS[dtype] + 1)


COMPARISONS: Final = [
    Case(name=f"{name}-{dtype}", op=op, operands=(few(*a, dtype=dtype), few(*b, dtype=dtype)))
    for op in (ops.Equal(), ops.Greater(), ops.GreaterEqual())
    for name, (a, b) in SIZES.items()
    for dtype in ("int32", "int8")
]  # fmt: skip

BOOLEANS: Final = [
    *(
        Case(
            name=name,
            op=op,
            operands=(activation(*a, dtype="bool"), activation(*b, dtype="bool")),
        )
        for op in (ops.LogicalAnd(), ops.LogicalOr(), ops.LogicalXor())
        for name, (a, b) in SIZES.items()
    ),
    *(
        Case(name=f"not-{n}", op=op, operands=(activation(n, dtype="bool"),))
        for op in (ops.LogicalNot(),)
        for n in (3, 17)
    ),
    *(
        Case(name=f"axis-{axis}", op=op, operands=(activation(3, 4, dtype="bool"),))
        for axis in (1, 2, -1)
        for op in (ops.ReduceAll(axis=axis), ops.ReduceAny(axis=axis))
    ),
]

BITS: Final = [
    *(
        Case(
            name=f"{name}-{dtype}",
            op=op,
            operands=(activation(*a, dtype=dtype), activation(*b, dtype=dtype)),
        )
        for op in (ops.BitwiseAnd(), ops.BitwiseOr(), ops.BitwiseXor())
        for name, (a, b) in SIZES.items()
        for dtype in SIGNED
    ),
    *(
        Case(name=dtype, op=ops.BitwiseNot(), operands=(activation(9, dtype=dtype),))
        for dtype in SIGNED
    ),
    *(
        Case(
            name=f"{'round-' if getattr(op, 'round', False) else ''}{name}-{dtype}",
            op=op,
            operands=(activation(*a, dtype=dtype), amounts(*b, dtype=dtype)),
        )
        for op in (
            ops.ArithmeticRightShift(),
            ops.ArithmeticRightShift(round=True),
            ops.LogicalRightShift(),
            ops.LogicalLeftShift(),
        )
        for name, (a, b) in SIZES.items()
        for dtype in SIGNED
    ),
]

SELECTIONS: Final = [
    Case(
        name=f"{name}-{dtype}",
        op=ops.Select(),
        operands=(
            activation(*c, dtype="bool"),
            activation(*a, dtype=dtype),
            activation(*b, dtype=dtype),
        ),
    )
    for dtype in ("bool", *SIGNED)
    for name, c, a, b in [
        ("same", (3, 4), (3, 4), (3, 4)),
        ("condition-1", (1, 1), (3, 4), (3, 1)),
        ("condition-all", (3, 4), (1, 4), (1, 1)),
    ]
]

_EDGES = np.array([-(2**31), -1, 0, 1, 2**31 - 1, -7, 7, 100], np.int32)
_DIVIDENDS = Operand(given=np.repeat(_EDGES, 8).reshape(2, 32))
_DIVISORS = Operand(given=np.tile(_EDGES, 8).reshape(2, 32))
_POWERS = np.array(
    [0, -1, *(1 << n for n in range(31)), *((1 << n) - 1 for n in range(1, 32))]
)

UNARY: Final = [
    Case(name="int8", op=ops.Negate(x_zero_point=-128, zero_point=127), operands=(activation(40),)),
    Case(name="int8-0", op=ops.Negate(), operands=(activation(40),)),
    *(
        Case(name=dtype, op=op, operands=(activation(9, dtype=dtype),))
        for dtype in ("int16", "int32")
        for op in (ops.Negate(), ops.Abs())
    ),
    Case(name="powers", op=ops.Clz(), operands=(Operand(given=_POWERS.astype(np.int32).reshape(2, -1)),)),
    Case(name="any", op=ops.Clz(), operands=(activation(9, dtype="int32"),)),
    Case(name="edges", op=ops.IntDiv(), operands=(_DIVIDENDS, _DIVISORS)),
    Case(name="rows", op=ops.IntDiv(), operands=(activation(3, 4, dtype="int32"), activation(1, 4, dtype="int32", limit=99))),
    *(
        Case(name=f"{a}-{b.value}", op=ops.Cast(dtype=b), operands=(activation(9, dtype=a),))
        for a in ("bool", *SIGNED)
        for b in (ops.IntType.BOOL, ops.IntType.INT8, ops.IntType.INT16, ops.IntType.INT32, ops.IntType.INT64)
    ),
    *(
        Case(name=dtype, op=ops.Reinterpret(signed=dtype.startswith("u")), operands=(activation(9, dtype=dtype),))
        for dtype in ("int8", "uint8", "int16", "uint16")
    ),
    *(
        Case(name=f"shift-{shift}", op=ops.Mul(shift=shift), operands=(activation(9, dtype="int32"), activation(9, dtype="int32")))
        for shift in (1, 31, 32, 62, 63)
    ),
]  # fmt: skip

AXES: Final = [
    Case(name=f"axis-{op.axis}-{dtype}", op=op, operands=(few(3, 4, dtype=dtype),))
    for axis in (1, 2, -1)
    for dtype in SIGNED
    for op in (
        ops.ReduceMax(axis=axis),
        ops.ReduceMin(axis=axis),
        ops.ReduceProduct(axis=axis),
        ops.ArgMax(axis=axis),
    )
]

_INDICES = Operand(shape=(2, 6), dtype="int32", low=-1, high=5)

ROWS: Final = [
    Case(name=f"{n}-{dtype}", op=op, operands=operands)
    for dtype in ("bool", *SIGNED)
    for n, op, operands in [
        ("some", ops.Gather(), (activation(5, 3, dtype=dtype), _INDICES)),
        (
            "twice",
            ops.Scatter(),
            (
                activation(5, 3, dtype=dtype),
                _INDICES,
                activation(6, 3, dtype=dtype),
            ),
        ),
    ]
]


def _resize(name: str, dtype: str, **fields: tuple[int, int]) -> list[Case]:
    return [
        Case(
            name=f"{name}-{mode.value}-{dtype}",
            op=ops.Resize2d(mode=mode, **fields),
            operands=(activation(5, 4, 2, dtype=dtype),),
        )
        for mode in ops.Interpolation
    ]


INTERPOLATIONS: Final = [
    Case(
        name=f"{name}",
        op=ops.InterpolatedTable(),
        operands=(activation(80, dtype="int16"), entries),
    )
    for name, entries in [
        ("any-slope", weight(513, dtype="int16", high=32767)),
        ("slow", constant(np.arange(513) * 100 - 25600, "int16")),
    ]
] + [
    case
    for dtype in ("int8", "int16")
    for case in (
        *_resize("twice", dtype, scale_y=(4, 2), scale_x=(4, 2), offset=(-1, -1), border=(1, 1)),
        *_resize("corners", dtype, scale_y=(8, 4), scale_x=(3, 1), offset=(0, 0), border=(0, 0)),
        *_resize("down", dtype, scale_y=(2, 4), scale_x=(3, 5), offset=(2, -1), border=(-2, 0)),
        *_resize("largest", dtype, scale_y=(2048, 4096), scale_x=(2047, 1), offset=(0, 2000), border=(0, -4000)),
    )
]  # fmt: skip

CODEBOOKS: Final = [
    Case(
        name=f"{count}-{dtype}",
        op=ops.Codebook(),
        operands=(
            Operand(shape=(2, 3, 4), dtype="uint8", low=0, high=count - 1),
            weight(count, dtype=dtype, high=high),
        ),
    )
    for count, dtype, high in [(5, "int8", 127), (1, "int8", 127), (256, "int16", 9999)]
]

INTEGERS: Final = (
    *CODEBOOKS,
    *COMPARISONS,
    *BOOLEANS,
    *BITS,
    *SELECTIONS,
    *UNARY,
    *AXES,
    *ROWS,
    *INTERPOLATIONS,
)
