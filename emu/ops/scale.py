"""Changes of number format: Rescale, and Quantize and Dequantize at the float edges."""

from dataclasses import dataclass

import jax.numpy as jnp
from jaxtyping import Array, Float32, Float64, Integer

from emu.fixedpoint import (
    IntFormat,
    Overflow,
    QParams,
    QuantizeRule,
    RescaleScheme,
    Rounding,
    apply_overflow,
    dequantize as dequantize_array,
    is_zero,
    quantize as quantize_array,
    rescale as rescale_array,
    to_int64,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rescale:
    """Integer to integer by a real factor: TOSA RESCALE.

    y = overflow(round((x - x_zero_point) * 2**x_left_shift * multiplier * 2**-shift)
    + zero_point); multiplier and shift are constant operands, one or one per channel.
    Unsigned numbers are those of the dtype of x and of `format`. TFLite's additions
    shift their operands to the left first (by 20 for int8), to lose fewer bits.
    POWER_OF_TWO rounds as `rounding` says (`seed` as in Quantize), other schemes as
    they do.
    """

    scheme: RescaleScheme
    format: IntFormat
    x_zero_point: int = 0
    x_left_shift: int = 0
    zero_point: int = 0
    overflow: Overflow = Overflow.SATURATE
    rounding: Rounding = Rounding.HALF_UP
    seed: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Quantize:
    """Float to integer: round(x / scale) + zero_point, in the order `rule` states.

    `seed` is for roundings that draw random bits.
    """

    format: IntFormat
    qparams: QParams
    rounding: Rounding = Rounding.HALF_EVEN
    overflow: Overflow = Overflow.SATURATE
    rule: QuantizeRule = QuantizeRule.DIVIDE
    seed: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Dequantize:
    """Integer to float: (q - zero_point) * scale."""

    qparams: QParams


def rescale(
    op: Rescale,
    x: Integer[Array, "..."],
    multiplier: Integer[Array, " c"] | Float32[Array, " c"] | Float64[Array, " c"],
    shift: Integer[Array, " c"],
) -> Integer[Array, "..."]:
    """Rescaled values in the storage dtype of op.format."""
    # 32 bits, where they suffice, are the fast path; one bit is for the zero point.
    bits = 8 * x.dtype.itemsize
    same = x.dtype == jnp.int32 and op.x_left_shift == 0
    narrow = same or (bits < 32 and bits + 1 + op.x_left_shift <= 32)
    wide = x.astype(jnp.int32) if narrow else to_int64(x)
    centred = wide if is_zero(op.x_zero_point) else wide - op.x_zero_point
    if op.x_left_shift:
        centred = centred << op.x_left_shift
    scaled = rescale_array(centred, multiplier, shift, op.scheme, op.rounding, op.seed)
    moved = scaled + jnp.asarray(op.zero_point, scaled.dtype)
    return apply_overflow(moved, op.format, op.overflow).astype(op.format.dtype)


def quantize(op: Quantize, x: Float32[Array, "..."]) -> Integer[Array, "..."]:
    """Integers in the storage dtype of op.format."""
    return quantize_array(
        x, op.qparams, op.format, op.rounding, op.overflow, op.rule, op.seed
    )


def dequantize(op: Dequantize, x: Integer[Array, "..."]) -> Float32[Array, "..."]:
    """Real values, float32."""
    return dequantize_array(x, op.qparams)
