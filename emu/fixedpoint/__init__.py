"""Numbers on arrays: formats, rounding, overflow, rescaling, sums. Knows no graph."""

from emu.fixedpoint.accumulate import (
    Carrier as Carrier,
    accumulator_bound as accumulator_bound,
    choose_carrier as choose_carrier,
    dot as dot,
    exact_carrier as exact_carrier,
    sum_dtype as sum_dtype,
)
from emu.fixedpoint.affine import (
    QuantizeRule as QuantizeRule,
    dequantize as dequantize,
    quantize as quantize,
)
from emu.fixedpoint.encode import (
    encode_scale as encode_scale,
    factor_limits as factor_limits,
    multiplier_dtype as multiplier_dtype,
)
from emu.fixedpoint.fixed import (
    AP_OVERFLOWS as AP_OVERFLOWS,
    AP_ROUNDINGS as AP_ROUNDINGS,
    FixedFormat as FixedFormat,
    parse_fixed as parse_fixed,
    refix as refix,
)
from emu.fixedpoint.formats import (
    INT8 as INT8,
    INT16 as INT16,
    INT32 as INT32,
    UINT8 as UINT8,
    IntFormat as IntFormat,
    Number as Number,
    QParams as QParams,
    is_zero as is_zero,
)
from emu.fixedpoint.overflow import (
    OVERFLOWS as OVERFLOWS,
    Overflow as Overflow,
    apply_overflow as apply_overflow,
)
from emu.fixedpoint.packing import pack as pack, unpack as unpack
from emu.fixedpoint.register import (
    AXES as AXES,
    Accumulator as Accumulator,
    BiasStage as BiasStage,
    Stage as Stage,
    bits_needed as bits_needed,
    overflow_accumulator as overflow_accumulator,
    overflowed as overflowed,
)
from emu.fixedpoint.rescale import RESCALERS as RESCALERS, rescale as rescale
from emu.fixedpoint.rounding import (
    ROUNDERS as ROUNDERS,
    Rounding as Rounding,
    round_float as round_float,
    round_shift as round_shift,
    shift_half_up as shift_half_up,
)
from emu.fixedpoint.scheme import RescaleScheme as RescaleScheme
from emu.fixedpoint.sequence import (
    Register as Register,
    Tiles as Tiles,
    products_per_addition as products_per_addition,
    sequential_sums as sequential_sums,
    watched_sums as watched_sums,
    worst_case as worst_case,
)
from emu.fixedpoint.wide import to_int64 as to_int64
