"""Quantization with parameters found at run time, and the steps it is made of.

Parameters depend on all elements: a graph with a free batch cannot have them.
"""

from dataclasses import dataclass

import jax.numpy as jnp
from jaxtyping import Array, Float32, Int8, Integer, UInt8

from emu.errors import ConfigError
from emu.fixedpoint import (
    UINT8,
    IntFormat,
    Overflow,
    Rounding,
    apply_overflow,
    round_float,
)
from emu.ops.elementwise import aligned


@dataclass(frozen=True, slots=True, kw_only=True)
class DynamicScale:
    """The scale by which `format` covers the range of x, zero included.

    (max(x, 0) - min(x, 0)) / (format.max - format.min) in float32; 1 where x is all
    zero, of which ONNX DynamicQuantizeLinear says nothing and ONNX Runtime that.
    """

    format: IntFormat = UINT8


@dataclass(frozen=True, slots=True, kw_only=True)
class DynamicZeroPoint:
    """The zero point that goes with the scale of `DynamicScale`.

    round(clip(format.min - min(x, 0) / scale)) in float32, half to even.
    """

    format: IntFormat = UINT8


@dataclass(frozen=True, slots=True, kw_only=True)
class QuantizeBy:
    """round(x / scale) + zero_point, saturated, both operands (ONNX QuantizeLinear).

    Raises:
        ConfigError: a format of more than 16 bits.
    """

    format: IntFormat = UINT8

    def __post_init__(self) -> None:
        if self.format.bits > 16:
            raise ConfigError(f"QuantizeBy has at most 16 bits, not {self.format.bits}")


@dataclass(frozen=True, slots=True, kw_only=True)
class SubtractZeroPoint:
    """x - zero_point as int16, both of 8 bits; the zero point is an operand.

    What ONNX MatMulInteger and ConvInteger do with zero points found at run time.
    """


@dataclass(frozen=True, slots=True, kw_only=True)
class Div:
    """The float32 number nearest to x / y, with broadcasting (ONNX Div)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """The nearest integer as a float, half to even (ONNX Round)."""


def _quotient(
    x: Float32[Array, "..."], y: Float32[Array, "..."]
) -> Float32[Array, "..."]:
    """The float32 number nearest to x / y, whatever XLA makes of a division.

    See `fixedpoint.affine`: a float64 quotient never rounds to another float32.
    """
    return (x.astype(jnp.float64) / y.astype(jnp.float64)).astype(jnp.float32)


def _lowest(x: Float32[Array, "..."]) -> Float32[Array, ""]:
    return jnp.minimum(jnp.min(x), jnp.float32(0))


def dynamic_scale(op: DynamicScale, x: Float32[Array, "..."]) -> Float32[Array, ""]:
    """One scale for all of x."""
    span = jnp.maximum(jnp.max(x), jnp.float32(0)) - _lowest(x)
    steps = jnp.float32(op.format.max - op.format.min)
    return jnp.where(span == 0, jnp.float32(1), _quotient(span, steps))


def dynamic_zero_point(
    op: DynamicZeroPoint, x: Float32[Array, "..."], scale: Float32[Array, ""]
) -> Integer[Array, ""]:
    """One zero point for all of x, in the storage dtype of op.format."""
    exact = jnp.float32(op.format.min) - _quotient(_lowest(x), scale)
    inside = jnp.clip(exact, op.format.min, op.format.max)
    return round_float(inside, Rounding.HALF_EVEN).astype(op.format.dtype)


def quantize_by(
    op: QuantizeBy,
    x: Float32[Array, "..."],
    scale: Float32[Array, ""],
    zero_point: Integer[Array, ""],
) -> Integer[Array, "..."]:
    """Integers in the storage dtype of op.format."""
    rounded = round_float(
        _quotient(x, jnp.broadcast_to(scale, x.shape)), Rounding.HALF_EVEN
    )
    # Clip, then cast: beyond 2**30 every sum saturates.
    steps = jnp.clip(rounded, -(2.0**30), 2.0**30).astype(jnp.int32)
    code = steps + jnp.broadcast_to(zero_point.astype(jnp.int32), x.shape)
    return apply_overflow(code, op.format, Overflow.SATURATE).astype(op.format.dtype)


def subtract_zero_point(
    op: SubtractZeroPoint,
    x: Int8[Array, "..."] | UInt8[Array, "..."],
    zero_point: Int8[Array, ""] | UInt8[Array, ""],
) -> Integer[Array, "..."]:
    """The difference of two 8-bit integers fits int16."""
    wide = zero_point.astype(jnp.int16)
    return x.astype(jnp.int16) - jnp.broadcast_to(wide, x.shape)


def div(
    op: Div, x: Float32[Array, "..."], y: Float32[Array, "..."]
) -> Float32[Array, "..."]:
    """Quotient of the broadcast operands."""
    return _quotient(*jnp.broadcast_arrays(*aligned(x, y)))


def round_(op: Round, x: Float32[Array, "..."]) -> Float32[Array, "..."]:
    """Rounded values; zeros come out as +0.0."""
    return round_float(x, Rounding.HALF_EVEN)
