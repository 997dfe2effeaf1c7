"""Cases of reductions, moves and changes of number format."""

from typing import Any, Final

import numpy as np

from emu import ops
from emu.fixedpoint import (
    INT8,
    INT16,
    INT32,
    UINT8,
    IntFormat,
    Overflow,
    QParams,
    QuantizeRule,
    RescaleScheme,
    Rounding,
    multiplier_dtype,
)
from tests.ops.operands import Case, Operand, activation, constant

REDUCTIONS: Final = [
    Case(
        name=f"axes-{'-'.join(map(str, axes))}{'' if keep else '-dropped'}-{dtype}",
        op=op,
        operands=(activation(4, 5, 3, dtype=dtype),),
    )
    for axes, keep in [((1, 2), True), ((1, 2), False), ((3,), True), ((-1,), False)]
    for dtype, op in [
        ("int8", ops.ReduceSum(axes=axes, keepdims=keep, x_zero_point=-128)),
        ("int16", ops.ReduceSum(axes=axes, keepdims=keep, x_zero_point=5)),
        ("float32", ops.ReduceMean(axes=axes, keepdims=keep)),
    ]
]

MOVES: Final = [
    Case(name=f"{name}-{dtype}", op=op, operands=tuple(activation(*s, dtype=dtype) for s in sizes))
    for dtype in ("int8", "float32")
    for name, op, sizes in [
        ("flat", ops.Reshape(shape=(24,)), [(2, 3, 4)]),
        ("split", ops.Reshape(shape=(4, -1, 2)), [(2, 12)]),
        ("to-channels-first", ops.Transpose(perm=(0, 3, 1, 2)), [(2, 3, 4)]),
        ("channels", ops.Concat(axis=-1), [(2, 3, 4), (2, 3, 1), (2, 3, 2)]),
        ("rows", ops.Concat(axis=1), [(2, 3, 4), (1, 3, 4)]),
        (
            "surround",
            ops.Pad(padding=((0, 0), (1, 2), (0, 3), (1, 0)), value=17.0),
            [(2, 3, 4)],
        ),
        ("crop", ops.Pad(padding=((0, 0), (-1, 2), (0, -1), (0, 0))), [(3, 3, 2)]),
    ]
]  # fmt: skip

SCHEMES: Final = {
    # The multipliers and shifts that encode_scale makes, ends of their ranges included.
    "large": ([1 << 30, (1 << 31) - 1, 1 << 30, 1518500250], [2, 2, 30, 31]),
    "usual": ([1518500250, (1 << 31) - 1, 1 << 30, 1999999999], [38, 40, 33, 39]),
    "small": ([1 << 30, (1 << 31) - 1, 1 << 30, 0], [62, 62, 46, 31]),
    "one": ([1999999999], [39]),
}
_FLOAT_SCALES = [3.0, 0.0071, 0.5, 1e-9]
_POWERS = [-3, 0, 7, 62]


def scales(scheme: RescaleScheme, name: str) -> tuple[Operand, Operand]:
    """A multiplier and a shift operand for four channels, or one for all."""
    multipliers, shifts = SCHEMES[name]
    dtype = str(multiplier_dtype(scheme))
    if dtype != "int32":
        shifts = [1, 5, 16, 9] if scheme is RescaleScheme.SHIFT_BIT else [0] * 4
        shifts = shifts[: len(SCHEMES[name][1])]
        return constant(_FLOAT_SCALES[: len(shifts)], dtype), constant(shifts, "int32")
    if scheme in (RescaleScheme.TOSA_SCALE16, RescaleScheme.INT16X8):
        multipliers = [m >> 16 for m in multipliers]
    if scheme is RescaleScheme.POWER_OF_TWO:
        shifts = _POWERS[: len(shifts)]
        return constant([1] * len(shifts), "int32"), constant(shifts, "int32")
    return constant(multipliers, "int32"), constant(shifts, "int32")


def _rescale(name: str, x: Operand, scale: str = "usual", **fields: Any) -> Case:
    fields = {"scheme": RescaleScheme.SINGLE_ROUND, "format": INT8} | fields
    operands = (x, *scales(fields["scheme"], scale))
    return Case(name=name, op=ops.Rescale(**fields), operands=operands)


def _roundings(rounding: Rounding) -> Case:
    return _rescale(
        f"power-of-two-{rounding.value}",
        activation(5, 5, 4, limit=1 << 9, dtype="int32"),
        scheme=RescaleScheme.POWER_OF_TWO,
        rounding=rounding,
        seed=7,
        format=INT16,
    )


_SUMS = activation(5, 5, 4, limit=1 << 17, dtype="int32")
_ALL_SUMS = activation(5, 5, 4, dtype="int32")

RESCALES: Final = [
    *(
        _rescale(f"{s.value}-{scale}", x, scale, scheme=s, format=f, zero_point=z)
        for s in RescaleScheme
        for scale, x, f, z in [
            ("large", activation(5, 5, 4, limit=9, dtype="int32"), INT16, -3),
            ("usual", _SUMS, INT8, -3),
            ("small", _ALL_SUMS, INT32, 0),
            ("one", _SUMS, IntFormat(9), 5),
        ]
    ),
    *(
        _rescale(f"{f}-{o.value}", _SUMS, format=f, overflow=o, zero_point=3)
        for f in (INT8, UINT8, IntFormat(4), IntFormat(4, signed=False), INT32)
        for o in Overflow
    ),
    *(_roundings(r) for r in Rounding if r is not Rounding.HALF_UP),
    *(
        _rescale(
            f"left-{left}-{dtype}",
            activation(5, 4, dtype=dtype),
            x_zero_point=z,
            x_left_shift=left,
            zero_point=-5,
        )
        for dtype, z, left in [
            ("int8", -128, 20),
            ("uint8", 255, 20),
            ("int8", 0, 23),
            ("int16", 0, 15),
            ("int16", 3, 16),
            ("int32", 0, 7),
        ]
    ),
    *(
        _rescale(
            f"from-{dtype}",
            activation(5, 4, dtype=dtype),
            "large",
            x_zero_point=z,
            format=INT32,
        )
        for dtype, z in [
            ("int8", -128),
            ("uint8", 128),
            ("int16", 99),
            ("uint16", 32768),
        ]
    ),
    *(
        _rescale(
            f"from-int48-{s.value}",
            Operand(shape=(2, 50, 4), dtype="int64", low=-(2**47), high=2**47 - 1),
            "small",
            scheme=s,
            format=INT16,
        )
        for s in RescaleScheme
    ),
]

_SCALE = QParams(scale=(0.25,), zero_point=(-3,))
_SCALES = QParams(scale=(0.25, 0.1, 3.0), zero_point=(0, 5, -5), axis=-1)
# Every sixteenth of a step: ties and their neighbours.
_SIXTEENTHS = Operand(given=(np.arange(-64, 64) / 64).astype(np.float32).reshape(2, -1))


def _quantize(name: str, x: Operand, **fields: Any) -> Case:
    fields = {"format": INT8, "qparams": _SCALE} | fields
    return Case(name=name, op=ops.Quantize(**fields), operands=(x,))


_REALS = activation(4, 3, dtype="float32", limit=40.0)

QUANTIZES: Final = [
    *(_quantize(f"ties-{r.value}", _SIXTEENTHS, rounding=r) for r in Rounding),
    *(
        _quantize(f"{rule.value}-{name}", x, rule=rule, **fields)
        for rule in QuantizeRule
        if rule is not QuantizeRule.DIVIDE
        for name, x, fields in [
            ("ties", _SIXTEENTHS, {}),
            ("channels", _REALS, {"qparams": _SCALES}),
            ("floor", _REALS, {"rounding": Rounding.FLOOR, "qparams": _SCALES}),
            ("int32", _REALS, {"format": INT32, "qparams": _SCALES}),
        ]
    ),
    _quantize("seed", _REALS, rounding=Rounding.STOCHASTIC, seed=1 << 40),
    *(
        _quantize(f"{f}", _REALS, format=f)
        for f in (INT8, UINT8, INT16, INT32, IntFormat(4), IntFormat(2, signed=False))
    ),
    *(_quantize(f"{o.value}", _REALS, overflow=o) for o in Overflow),
    _quantize("channels", _REALS, qparams=_SCALES),
    _quantize(
        "huge", Operand(given=np.array([[np.inf, -1e30], [-np.inf, 1e-30]], np.float32))
    ),
    *(
        Case(
            name=f"{name}-{dtype}",
            op=ops.Dequantize(qparams=q),
            operands=(activation(4, 3, dtype=dtype),),
        )
        for dtype in ("int8", "uint8", "int16", "int32")
        for name, q in [("tensor", _SCALE), ("channels", _SCALES)]
    ),
]
