"""Cases of the operators that pick, repeat or reorder values."""

from typing import Final

from emu import ops
from tests.ops.operands import Case, activation

REARRANGES: Final = [
    Case(name=f"{name}-{dtype}", op=op, operands=(activation(*size, dtype=dtype),))
    for dtype in ("int8", "float32", "bool")
    for name, op, size in [
        (
            "middle",
            ops.Slice(starts=(0, 1, 2), sizes=(-1, 2, 3), steps=(1, 1, 1)),
            (4, 5),
        ),
        (
            "every-second",
            ops.Slice(starts=(0, 1, 0), sizes=(-1, -1, 3), steps=(1, 2, 2)),
            (6, 5),
        ),
        ("repeat", ops.Tile(counts=(1, 3, 2)), (2, 3)),
        ("columns", ops.Reverse(axis=2), (3, 4)),
        ("last", ops.Reverse(axis=-1), (3, 4)),
    ]
]
