"""Cases of sums of products: zero points of weights, volumes, transposed, two tensors."""

from itertools import product
from typing import Any, Final

from emu import ops
from emu.fixedpoint import Accumulator, BiasStage, Overflow, Stage
from tests.ops.operands import Case, Operand, activation, bias, weight

SATURATE = Overflow.SATURATE
SAME = ((1, 1), (1, 1))


def _bytes(*shape: int) -> Operand:
    """Weights over the whole of uint8."""
    return weight(*shape, dtype="uint8", low=0, high=255)


def _case(name: str, op: Any, *operands: Operand) -> Case:
    return Case(name=name, op=op, operands=operands)


def _of(kind: Any, fields: dict[str, Any], **more: Any) -> ops.Op:
    """An operator with the fields of its row and those of the loop."""
    return kind(**fields, **more)


WEIGHT_ZERO_POINTS: Final = [
    _case(
        f"w-zero-point-{dtype}-{zero_point}",
        _of(op, fields, x_zero_point=3, w_zero_point=zero_point),
        activation(*size, dtype=dtype),
        _bytes(*shape) if dtype == "uint8" else weight(*shape, low=-128),
        bias(outputs),
    )
    for dtype, zero_point in [("uint8", 0), ("uint8", 121), ("int8", -128), ("int8", 7)]
    for op, size, shape, outputs, fields in [
        (ops.Conv2d, (4, 5, 4), (3, 2, 2, 6), 6, {"groups": 2, "padding": SAME}),
        (ops.DepthwiseConv2d, (4, 5, 3), (3, 2, 3, 2), 6, {"padding": SAME}),
        (ops.Conv3d, (3, 4, 3, 2), (2, 3, 1, 2, 4), 4, {}),
        (ops.TransposeConv2d, (3, 2, 4), (3, 2, 4, 3), 3, {"stride": (2, 1)}),
        (ops.MatMul, (7,), (7, 5), 5, {}),
    ]
]


def _conv3d(
    name: str, size: tuple[int, ...], w: tuple[int, ...], **fields: Any
) -> Case:
    dtype = fields.pop("dtype", "int8")
    op = ops.Conv3d(x_zero_point=-5, **fields)
    return _case(name, op, activation(*size, dtype=dtype), weight(*w), bias(w[-1]))


CONV3D: Final = [
    _conv3d("same", (3, 4, 5, 2), (3, 3, 3, 2, 4), padding=((1, 1),) * 3),
    _conv3d("1x1x1", (2, 3, 4, 3), (1, 1, 1, 3, 2)),
    _conv3d(
        "strides-and-dilations",
        (7, 6, 5, 2),
        (2, 3, 2, 2, 3),
        stride=(2, 1, 3),
        dilation=(3, 2, 1),
        padding=((0, 1), (2, 0), (1, 3)),
    ),
    _conv3d(
        "int16-acc48",
        (3, 3, 3, 2),
        (2, 2, 2, 2, 2),
        dtype="int16",
        accumulator=Accumulator(48, SATURATE),
    ),
]


def _transposed(
    name: str, size: tuple[int, ...], w: tuple[int, ...], **fields: Any
) -> Case:
    dtype = fields.pop("dtype", "int8")
    op = ops.TransposeConv2d(x_zero_point=9, **fields)
    return _case(name, op, activation(*size, dtype=dtype), weight(*w), bias(w[-1]))


TRANSPOSED: Final = [
    _transposed("stride-1", (3, 4, 2), (3, 3, 2, 4)),
    _transposed("stride-2", (3, 2, 3), (3, 2, 3, 2), stride=(2, 3)),
    _transposed("stride-beyond-kernel", (3, 2, 2), (1, 2, 2, 2), stride=(3, 4)),
    _transposed(
        "cut-and-lengthened",
        (3, 4, 2),
        (4, 3, 2, 3),
        stride=(2, 2),
        out_pad=((-3, 1), (2, -1)),
    ),
    _transposed(
        "groups-dilation", (3, 3, 4), (2, 3, 2, 6), groups=2, dilation=(2, 1)
    ),
    _transposed(
        "int16-acc48",
        (2, 3, 2),
        (2, 2, 2, 2),
        dtype="int16",
        accumulator=Accumulator(48, SATURATE),
    ),
]  # fmt: skip


def _matrices(name: str, x: Operand, y: Operand, **fields: Any) -> Case:
    return _case(name, ops.BatchMatMul(**fields), x, y)


BATCH_MATMUL: Final = [
    _matrices(
        f"{dtype}",
        activation(3, 5, dtype=dtype),
        activation(5, 4, dtype=dtype),
        x_zero_point=x_zero_point,
        y_zero_point=y_zero_point,
        accumulator=Accumulator(48) if dtype == "int16" else Accumulator(),
    )
    for dtype, x_zero_point, y_zero_point in [
        ("int8", -7, 100),
        ("uint8", 131, 7),
        ("int16", 0, 0),
    ]
] + [
    _matrices(
        "heads-saturating",
        activation(2, 3, 5),
        activation(2, 5, 4),
        x_zero_point=-128,
        accumulator=Accumulator(16, SATURATE),
    )
]

# Registers that overflow on the way, the bias heavy enough to matter.
REGISTERS: Final = {
    "product-20": Accumulator(16, SATURATE, Stage.PRODUCT),
    "product-after": Accumulator(
        15, SATURATE, Stage.PRODUCT, order=("ci", "kw", "kh"), bias=BiasStage.AFTER
    ),
    "tile-4": Accumulator(17, SATURATE, Stage.TILE, 4),
    "tile-5-symmetric": Accumulator(
        16,
        Overflow.SATURATE_SYMMETRIC,
        Stage.TILE,
        5,
        ("kw", "ci", "kh"),
        BiasStage.AFTER,
    ),
    "product-zero": Accumulator(14, Overflow.SATURATE_TO_ZERO, Stage.PRODUCT),
    "tile-of-all": Accumulator(16, SATURATE, Stage.TILE, 1000),
    "tile-wrap": Accumulator(16, Overflow.WRAP, Stage.TILE, 3),
    "product-32": Accumulator(32, SATURATE, Stage.PRODUCT),
    "product-40": Accumulator(40, SATURATE, Stage.PRODUCT),
}
_LIMITS: Final = {32: 1 << 31, 40: 1 << 31}

STAGED: Final = [
    _case(
        name,
        _of(op, fields, accumulator=accumulator, x_zero_point=-7),
        activation(*size),
        weight(*shape),
        bias(outputs, _LIMITS.get(accumulator.bits, 1 << (accumulator.bits - 2))),
    )
    for name, accumulator in REGISTERS.items()
    for op, size, shape, outputs, fields in [
        (ops.Conv2d, (4, 4, 4), (3, 2, 2, 4), 4, {"groups": 2, "padding": SAME}),
        (ops.DepthwiseConv2d, (4, 4, 3), (3, 3, 3, 2), 6, {"padding": SAME}),
        (ops.MatMul, (23,), (23, 5), 5, {"w_zero_point": 5}),
    ]
] + [
    _case(
        f"staged-{stage.value}",
        _of(op, fields, accumulator=Accumulator(16, SATURATE, stage, tile, order)),
        *operands,
    )
    for (stage, tile, order), (op, operands, fields) in product(
        [
            (Stage.PRODUCT, 0, ("ci", "kh", "kw")),
            (Stage.TILE, 3, ("kw", "kd", "ci", "kh")),
        ],
        [
            (
                ops.Conv3d,
                (activation(3, 3, 3, 2), weight(2, 2, 2, 2, 3), bias(3)),
                {"x_zero_point": 4},
            ),
            (
                ops.TransposeConv2d,
                (activation(3, 3, 3), weight(3, 3, 3, 2), bias(2)),
                {"stride": (2, 2)},
            ),
            (
                ops.BatchMatMul,
                (activation(4, 9), activation(9, 3)),
                {"y_zero_point": 2},
            ),
        ],
    )
]  # fmt: skip


def _reals(*shape: int) -> Operand:
    return weight(*shape, dtype="float32", high=1.0)


def _float_transposed(
    name: str, size: tuple[int, ...], w: tuple[int, ...], **fields: Any
) -> Case:
    operands = [activation(*size, dtype="float32"), _reals(*w)]
    if fields.pop("bias", True):
        operands.append(_reals(w[-1]))
    return _case(name, ops.ConvTranspose(**fields), *operands)


FLOAT_PRODUCTS: Final = [
    _float_transposed("plain", (3, 4, 2), (3, 3, 2, 4)),
    _float_transposed("no-bias", (2, 3, 2), (2, 2, 2, 3), stride=(2, 2), bias=False),
    _float_transposed(
        "everything",
        (3, 4, 4),
        (3, 2, 2, 6),
        stride=(2, 3),
        padding=((1, 2), (0, 1)),
        output_padding=(1, 2),
        dilation=(2, 1),
        groups=2,
    ),
    _case(
        "matrices",
        ops.BatchGemm(),
        activation(3, 5, dtype="float32"),
        activation(5, 4, dtype="float32"),
    ),
    _case(
        "heads",
        ops.BatchGemm(),
        activation(2, 3, 5, dtype="float32"),
        activation(2, 5, 4, dtype="float32"),
    ),
]

PRODUCTS: Final = (
    *WEIGHT_ZERO_POINTS,
    *CONV3D,
    *TRANSPOSED,
    *BATCH_MATMUL,
    *STAGED,
    *FLOAT_PRODUCTS,
)
