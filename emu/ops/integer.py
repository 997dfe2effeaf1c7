"""Functions of one integer, integer division, and conversions between integers."""

from dataclasses import dataclass
from enum import Enum

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Bool, Int32, Integer

from emu.ops.elementwise import aligned


class IntType(Enum):
    """The dtypes that a cast gives."""

    BOOL = "bool"
    INT8 = "int8"
    INT16 = "int16"
    INT32 = "int32"
    INT64 = "int64"
    UINT8 = "uint8"
    UINT16 = "uint16"
    UINT32 = "uint32"


@dataclass(frozen=True, slots=True, kw_only=True)
class Negate:
    """zero_point - (x - x_zero_point), saturated to the dtype: TOSA NEGATE."""

    x_zero_point: int = 0
    zero_point: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Abs:
    """|x| (TOSA ABS); the least number of a dtype, undefined in TOSA, stays."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Clz:
    """How many bits above the highest one are zero, 32 for 0: TOSA CLZ."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IntDiv:
    """x / y towards zero, with broadcasting: TOSA INTDIV.

    Undefined in TOSA: a division by 0 gives 0, -2**31 / -1 wraps to -2**31.
    """


@dataclass(frozen=True, slots=True, kw_only=True)
class Cast:
    """The same integer in another dtype, its low bits if that is narrower: TOSA CAST.

    To bool: whether x is not 0; from bool: 0 or 1.
    """

    dtype: IntType


@dataclass(frozen=True, slots=True, kw_only=True)
class Reinterpret:
    """The same bits, read with or without sign.

    TOSA tensors have no signedness; RESCALE reads and writes them as it says.
    """

    signed: bool


def negate(op: Negate, x: Integer[Array, "..."]) -> Integer[Array, "..."]:
    """Exact in 64 bits, then saturated.

    The operand is clipped to what does not saturate: XLA for NVIDIA GPUs negates int16
    before it widens, and -(-32768) wraps there (measured with jax 0.11.2 on an H200).
    """
    held = jnp.iinfo(x.dtype)
    both = op.x_zero_point + op.zero_point
    inside = jnp.clip(x.astype(jnp.int64), both - int(held.max), both - int(held.min))
    return (both - inside).astype(x.dtype)


def absolute(op: Abs, x: Integer[Array, "..."]) -> Integer[Array, "..."]:
    """Magnitude in the dtype of x."""
    return jnp.abs(x)


def clz(op: Clz, x: Int32[Array, "..."]) -> Int32[Array, "..."]:
    """Count of leading zeros."""
    return lax.clz(x)


def intdiv(
    op: IntDiv, x: Integer[Array, "..."], y: Integer[Array, "..."]
) -> Integer[Array, "..."]:
    """Quotient of the broadcast operands, computed in 64 bits."""
    a, b = jnp.broadcast_arrays(*aligned(x, y))
    divisor = jnp.where(b == 0, 1, b).astype(jnp.int64)
    quotient = lax.div(a.astype(jnp.int64), divisor)
    return jnp.where(b == 0, 0, quotient).astype(x.dtype)


def cast(
    op: Cast, x: Bool[Array, "..."] | Integer[Array, "..."]
) -> Bool[Array, "..."] | Integer[Array, "..."]:
    """Convert; JAX drops the high bits, and gives bool for what is not 0."""
    return x.astype(op.dtype.value)


def reinterpret(op: Reinterpret, x: Integer[Array, "..."]) -> Integer[Array, "..."]:
    """As wide as x."""
    bits = jnp.iinfo(x.dtype).bits
    dtype = jnp.dtype(f"{'' if op.signed else 'u'}int{bits}")
    return lax.bitcast_convert_type(x, dtype)
