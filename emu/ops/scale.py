"""Changes of number format: Rescale, and Quantize and Dequantize at the float edges."""

from dataclasses import dataclass

import jax.numpy as jnp
from jaxtyping import Array, Float32, Integer

from emu.fixedpoint import (
    IntFormat,
    Overflow,
    QParams,
    RescaleScheme,
    Rounding,
    apply_overflow,
    dequantize as dequantize_array,
    quantize as quantize_array,
    rescale as rescale_array,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rescale:
    """Integer to integer by a real factor: TOSA RESCALE.

    y = overflow(round((x - x_zero_point) * multiplier * 2**-shift) + zero_point);
    multiplier and shift are constant operands, one or one per channel.
    """

    scheme: RescaleScheme
    format: IntFormat
    x_zero_point: int = 0
    zero_point: int = 0
    overflow: Overflow = Overflow.SATURATE


@dataclass(frozen=True, slots=True, kw_only=True)
class Quantize:
    """Float to integer: round(x / scale) + zero_point."""

    format: IntFormat
    qparams: QParams
    rounding: Rounding = Rounding.HALF_EVEN
    overflow: Overflow = Overflow.SATURATE


@dataclass(frozen=True, slots=True, kw_only=True)
class Dequantize:
    """Integer to float: (q - zero_point) * scale."""

    qparams: QParams


def rescale(
    op: Rescale,
    x: Integer[Array, "..."],
    multiplier: Float32[Array, " c"] | Integer[Array, " c"],
    shift: Integer[Array, " c"],
) -> Integer[Array, "..."]:
    """Rescaled values in the storage dtype of op.format."""
    wide = x if x.dtype == jnp.int64 else x.astype(jnp.int32)
    centred = wide - op.x_zero_point if op.x_zero_point else wide
    scaled = rescale_array(centred, multiplier, shift, op.scheme)
    moved = scaled + jnp.asarray(op.zero_point, scaled.dtype)
    return apply_overflow(moved, op.format, op.overflow).astype(op.format.dtype)


def quantize(op: Quantize, x: Float32[Array, "..."]) -> Integer[Array, "..."]:
    """Integers in the storage dtype of op.format."""
    return quantize_array(x, op.qparams, op.format, op.rounding, op.overflow)


def dequantize(op: Dequantize, x: Integer[Array, "..."]) -> Float32[Array, "..."]:
    """Real values, float32."""
    return dequantize_array(x, op.qparams)
