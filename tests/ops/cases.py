"""Every case of the battery that each kernel passes."""

from typing import Final

from tests.ops.detection_cases import DETECTIONS
from tests.ops.dynamic_cases import DYNAMICS
from tests.ops.engine_cases import ENGINES
from tests.ops.float_cases import FLOATS
from tests.ops.format_cases import MOVES, QUANTIZES, REDUCTIONS, RESCALES
from tests.ops.half_cases import CASTS, halves
from tests.ops.integer_cases import INTEGERS
from tests.ops.layer_cases import LAYERS
from tests.ops.operands import Case
from tests.ops.product_cases import PRODUCTS
from tests.ops.rearrange_cases import REARRANGES
from tests.ops.sum_cases import CONV2D, DEPTHWISE, MATMUL
from tests.ops.window_cases import ELEMENTWISE, LIMITS, POOLS

_WHOLE: Final[tuple[Case, ...]] = (
    *CONV2D,
    *DEPTHWISE,
    *MATMUL,
    *PRODUCTS,
    *ELEMENTWISE,
    *LIMITS,
    *POOLS,
    *REDUCTIONS,
    *MOVES,
    *REARRANGES,
    *INTEGERS,
    *RESCALES,
    *QUANTIZES,
    *FLOATS,
    *LAYERS,
    *DYNAMICS,
    *ENGINES,
    *DETECTIONS,
)

CASES: Final[tuple[Case, ...]] = (*_WHOLE, *CASTS, *halves(_WHOLE))
