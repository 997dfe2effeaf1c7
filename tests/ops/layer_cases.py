"""Cases of the float layers of one or two values, and of resizing."""

from typing import Final

from emu import ops
from emu.ops import Coordinates, Interpolation, NearestRounding
from tests.ops.operands import Case, Operand, activation, weight

_IMAGE: Final = activation(6, 5, 4, dtype="float32")
_WIDE: Final = activation(3, 2, 4, dtype="int32", limit=1 << 15)
_BYTES: Final = activation(3, 2, 4)

_FUNCTIONS: Final = {
    "tangent": ops.Tanh(),
    "power": ops.Exp(),
    "unit": ops.Elu(),
    "half": ops.Elu(alpha=0.5),
    "exact": ops.Gelu(),
    "approximate": ops.Gelu(approximate=True),
    "swish": ops.Silu(),
    "same": ops.Identity(),
}

_PAIRS: Final[dict[str, tuple[Operand, Operand]]] = {
    "int8": (_BYTES, _BYTES),
    "int32": (_WIDE, _WIDE),
    "channels": (_WIDE, weight(4, dtype="int32", high=99)),
    "float": (_IMAGE, activation(1, 1, 4, dtype="float32")),
}

LAYERS: Final = [
    *(Case(name=name, op=op, operands=(_IMAGE,)) for name, op in _FUNCTIONS.items()),
    Case(name="int8", op=ops.Identity(), operands=(_BYTES,)),
    *(
        Case(name=name, op=op, operands=pair)
        for op in (ops.Minimum(), ops.Maximum(), ops.SquaredDifference())
        for name, pair in _PAIRS.items()
        if name != "int8" or not isinstance(op, ops.SquaredDifference)
    ),
    Case(
        name="channels",
        op=ops.PRelu(),
        operands=(_IMAGE, weight(1, 1, 4, dtype="float32", high=1)),
    ),
    Case(
        name="float-sum",
        op=ops.ReduceSum(axes=(1, 2)),
        operands=(_IMAGE,),
    ),
    *(
        Case(
            name=f"{way.value}-{size[0]}x{size[1]}-linear",
            op=ops.Resize(size=size, mode=Interpolation.LINEAR, coordinates=way),
            operands=(_IMAGE,),
        )
        for way in Coordinates
        for size in [(12, 10), (4, 1), (7, 3)]
        if way is not Coordinates.TF_HALF_PIXEL
    ),
    *(
        Case(
            name=f"{way.value}-{rule.value}-{size[0]}x{size[1]}",
            op=ops.Resize(
                size=size,
                mode=Interpolation.NEAREST,
                coordinates=way,
                nearest=rule,
            ),
            operands=(_IMAGE,),
        )
        for way in Coordinates
        for rule in NearestRounding
        for size in [(12, 10), (3, 8)]
    ),
    Case(
        name="stated-scale",
        op=ops.Resize(size=(9, 6), mode=Interpolation.LINEAR, scale=(1.6, 1.3)),
        operands=(_IMAGE,),
    ),
]
