"""Numbers on arrays: formats, rounding, overflow, rescaling, sums. Knows no graph."""

from emu.fixedpoint.accumulate import (
    Accumulator as Accumulator,
    Carrier as Carrier,
    accumulator_bound as accumulator_bound,
    bits_needed as bits_needed,
    choose_carrier as choose_carrier,
    dot as dot,
    overflow_accumulator as overflow_accumulator,
    overflowed as overflowed,
    sum_dtype as sum_dtype,
)
from emu.fixedpoint.affine import dequantize as dequantize, quantize as quantize
from emu.fixedpoint.formats import (
    INT8 as INT8,
    INT16 as INT16,
    INT32 as INT32,
    UINT8 as UINT8,
    IntFormat as IntFormat,
    QParams as QParams,
)
from emu.fixedpoint.overflow import (
    OVERFLOWS as OVERFLOWS,
    Overflow as Overflow,
    apply_overflow as apply_overflow,
)
from emu.fixedpoint.rescale import (
    RESCALERS as RESCALERS,
    RescaleScheme as RescaleScheme,
    encode_scale as encode_scale,
    rescale as rescale,
)
from emu.fixedpoint.rounding import (
    ROUNDERS as ROUNDERS,
    Rounding as Rounding,
    round_float as round_float,
    round_shift as round_shift,
    shift_half_up as shift_half_up,
)
