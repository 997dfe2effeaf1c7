"""Cases of the operators that follow the arithmetic of one engine."""

from typing import Final

import numpy as np

from emu import ops
from emu.fixedpoint import INT8, INT16, UINT8, IntFormat, QParams, Rounding
from emu.ops import AverageStyle, Coordinates, Interpolation, SoftmaxStyle
from emu.quantize.tables import build_resize, build_softmax
from emu.targets import ResizeStyle
from tests.ops.operands import Case, activation, constant

_X: Final = QParams((0.0713,), (3,))
_RESULTS: Final = {
    INT8: QParams((1 / 256,), (-128,)),
    UINT8: QParams((1 / 256,), (0,)),
    INT16: QParams((2.0**-15,), (0,)),
}


def _softmax(style: SoftmaxStyle, fmt: IntFormat, length: int) -> Case:
    x = QParams((2.0**-12,), (0,)) if fmt is INT16 else _X
    y = _RESULTS[fmt]
    op, tables = build_softmax(style, x, fmt, y, fmt, length=length)
    operands = (
        activation(4, length, dtype=str(fmt)),
        *(constant(table, str(table.dtype)) for table in tables),
    )
    return Case(name=f"{style.value}-{fmt}-{length}", op=op, operands=operands)


def _resize(
    style: ResizeStyle, way: Coordinates, size: tuple[int, int], dtype: str
) -> Case:
    mode = Interpolation.LINEAR
    layer = ops.Resize(size=size, mode=mode, coordinates=way)
    op, taps = build_resize(layer, style, (5, 4), unsigned=dtype == "uint8")
    operands = (
        activation(5, 4, 3, dtype=dtype),
        *(constant(array, str(array.dtype)) for array in taps.values()),
    )
    name = f"{style.value}-{way.value}-{size[0]}x{size[1]}-{dtype}"
    return Case(name=name, op=op, operands=operands)


_POOLS: Final = {
    "2x2": ((4, 6, 3), {"kernel": (2, 2), "stride": (2, 2)}),
    "same": ((5, 5, 2), {"kernel": (3, 3), "padding": ((1, 1), (0, 2))}),
    "whole": ((5, 3, 4), {"kernel": (5, 3)}),
}
_SUMS: Final = activation(5, 4, limit=40_000, dtype="int32")
_ENTRIES: Final = np.random.default_rng(5).integers(-128, 128, 65536)

ENGINES: Final = [
    *(
        _softmax(style, fmt, length)
        for style, formats in [
            (SoftmaxStyle.LITERT_FIXED, (INT8, UINT8)),
            (SoftmaxStyle.LITERT_FLOAT, (INT8, UINT8)),
            (SoftmaxStyle.ONNXRUNTIME, (INT8, UINT8)),
            (SoftmaxStyle.LITERT_INT16, (INT16,)),
        ]
        for fmt in formats
        for length in (2, 10)
    ),
    *(
        Case(
            name=f"half-away-{name}-{dtype}",
            op=ops.AvgPool2d(**fields, format=fmt, style=AverageStyle.HALF_AWAY),
            operands=(activation(*size, dtype=dtype),),
        )
        for name, (size, fields) in _POOLS.items()
        for dtype, fmt in [("int8", INT8), ("uint8", UINT8), ("int16", INT16)]
    ),
    *(
        Case(
            name=f"{name}{'-counts-padding' if counted else ''}",
            op=ops.DequantizedAvgPool2d(
                **fields,
                count_include_pad=counted,
                x=_X,
                y=QParams((0.05,), (-7,)),
                format=INT8,
            ),
            operands=(activation(*size),),
        )
        for name, (size, fields) in _POOLS.items()
        for counted in (False, True)
    ),
    *(
        Case(
            name=f"{rounding.value}-{scale}",
            op=ops.FloatRescale(
                format=INT8,
                scale=float(np.float32(scale)),
                offset=float(np.float32(offset)),
                rounding=rounding,
                zero_point=zero_point,
            ),
            operands=(_SUMS,),
        )
        for rounding in (Rounding.HALF_EVEN, Rounding.HALF_AWAY)
        for scale, offset, zero_point in [(0.25, 0.5, -3), (0.00317, -12.7, 0)]
    ),
    Case(
        name="int8-uint8",
        op=ops.BinaryTable(x_min=-128, y_min=0),
        operands=(
            activation(3, 4),
            activation(1, 4, dtype="uint8"),
            constant(_ENTRIES, "int8"),
        ),
    ),
    Case(
        name="constant",
        op=ops.BinaryTable(x_min=-128, y_min=-128),
        operands=(
            activation(3, 4),
            constant([-128, 0, 5, 127], "int8"),
            constant(_ENTRIES, "int8"),
        ),
    ),
    Case(
        name="int8",
        op=ops.ChannelTable(x_min=-128),
        operands=(activation(5, 4), constant(_ENTRIES[:1024].reshape(4, 256), "int8")),
    ),
    *(
        _resize(style, way, size, dtype)
        for style, dtypes in [
            (ResizeStyle.LITERT, ("int8", "int16", "uint8")),
            (ResizeStyle.LITERT_OPTIMIZED, ("uint8",)),
            (ResizeStyle.XNNPACK, ("int8", "uint8")),
        ]
        for dtype in dtypes
        for way in (Coordinates.HALF_PIXEL, Coordinates.ALIGN_CORNERS)
        for size in [(10, 8), (3, 7)]
    ),
]  # fmt: skip
