"""Every case of the battery that each kernel passes."""

from typing import Final

from tests.ops.float_cases import FLOATS
from tests.ops.format_cases import MOVES, QUANTIZES, REDUCTIONS, RESCALES
from tests.ops.operands import Case
from tests.ops.sum_cases import CONV2D, DEPTHWISE, MATMUL
from tests.ops.window_cases import ELEMENTWISE, LIMITS, POOLS

CASES: Final[tuple[Case, ...]] = (
    *CONV2D,
    *DEPTHWISE,
    *MATMUL,
    *ELEMENTWISE,
    *LIMITS,
    *POOLS,
    *REDUCTIONS,
    *MOVES,
    *RESCALES,
    *QUANTIZES,
    *FLOATS,
)
