"""Cases of the operators whose parameters are found at run time."""

from typing import Final

from emu import ops
from emu.fixedpoint import INT8, INT16
from tests.ops.operands import Case, Operand, activation, constant, weight


def _whole(low: float, high: float, *shape: int) -> Operand:
    """All of a tensor that has no batch."""
    return weight(*shape, dtype="float32", low=low, high=high)


_REAL: Final = activation(5, 7, dtype="float32")

DYNAMICS: Final = [
    Case(name="both", op=ops.DynamicScale(), operands=(_whole(-4, 3, 6, 5),)),
    Case(name="positive", op=ops.DynamicScale(), operands=(_whole(1, 3, 4),)),
    Case(
        name="int16", op=ops.DynamicScale(format=INT16), operands=(_whole(-9, -2, 3),)
    ),
    Case(
        name="both",
        op=ops.DynamicZeroPoint(),
        operands=(_whole(-4, 3, 6, 5), constant(0.0275, "float32")),
    ),
    Case(
        name="beyond",
        op=ops.DynamicZeroPoint(format=INT8),
        operands=(_whole(-90, -2, 3), constant(0.3, "float32")),
    ),
    *(
        Case(
            name=f"{fmt}-{scale}",
            op=ops.QuantizeBy(format=fmt),
            operands=(
                _REAL,
                constant(scale, "float32"),
                constant(zero_point, str(fmt.dtype)),
            ),
        )
        for fmt in (INT8, ops.QuantizeBy().format, INT16)
        for scale, zero_point in ((0.03, 7), (1e-20, 100))
    ),
    *(
        Case(
            name=dtype,
            op=ops.SubtractZeroPoint(),
            operands=(activation(4, 5, dtype=dtype), constant(value, dtype)),
        )
        for dtype, value in (("int8", -128), ("uint8", 255))
    ),
    Case(
        name="columns",
        op=ops.Div(),
        operands=(_REAL, weight(7, dtype="float32", low=0.3, high=5)),
    ),
    Case(name="float", op=ops.Round(), operands=(_REAL,)),
]
