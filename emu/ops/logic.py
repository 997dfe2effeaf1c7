"""Comparisons, logical and bitwise functions, shifts and selection, as TOSA has them.

Operands broadcast against each other and are of one dtype.
"""

from dataclasses import dataclass

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Bool, Integer, Num, Shaped

from emu.ops.elementwise import aligned


@dataclass(frozen=True, slots=True, kw_only=True)
class Equal:
    """x == y (TOSA EQUAL)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Greater:
    """x > y (TOSA GREATER)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GreaterEqual:
    """x >= y (TOSA GREATER_EQUAL)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LogicalAnd:
    """Whether both are true (TOSA LOGICAL_AND)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LogicalOr:
    """Whether at least one is true (TOSA LOGICAL_OR)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LogicalXor:
    """Whether exactly one is true (TOSA LOGICAL_XOR)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LogicalNot:
    """Whether x is false (TOSA LOGICAL_NOT)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BitwiseAnd:
    """x & y, bit by bit (TOSA BITWISE_AND)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BitwiseOr:
    """x | y, bit by bit (TOSA BITWISE_OR)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BitwiseXor:
    """x ^ y, bit by bit (TOSA BITWISE_XOR)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BitwiseNot:
    """Every bit inverted (TOSA BITWISE_NOT)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ArithmeticRightShift:
    """x * 2**-y towards minus infinity, or with `round` half up.

    TOSA ARITHMETIC_RIGHT_SHIFT. Range of y: 0 to the bits of the dtype less one; what
    lies outside, undefined in TOSA, counts as the nearer end, here as in the other
    shifts.
    """

    round: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class LogicalRightShift:
    """The bits of x moved down by y, zeros from above (TOSA LOGICAL_RIGHT_SHIFT)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LogicalLeftShift:
    """The bits of x moved up by y, zeros from below (TOSA LOGICAL_LEFT_SHIFT)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Select:
    """x where the condition holds, else y (TOSA SELECT)."""


def equal(op: Equal, x: Num[Array, "..."], y: Num[Array, "..."]) -> Bool[Array, "..."]:
    """Compare the broadcast operands."""
    a, b = aligned(x, y)
    return a == b


def greater(
    op: Greater, x: Num[Array, "..."], y: Num[Array, "..."]
) -> Bool[Array, "..."]:
    """Compare the broadcast operands."""
    a, b = aligned(x, y)
    return a > b


def greater_equal(
    op: GreaterEqual, x: Num[Array, "..."], y: Num[Array, "..."]
) -> Bool[Array, "..."]:
    """Compare the broadcast operands."""
    a, b = aligned(x, y)
    return a >= b


def logical_and(
    op: LogicalAnd, x: Bool[Array, "..."], y: Bool[Array, "..."]
) -> Bool[Array, "..."]:
    """Conjunction of the broadcast operands."""
    return jnp.logical_and(*aligned(x, y))


def logical_or(
    op: LogicalOr, x: Bool[Array, "..."], y: Bool[Array, "..."]
) -> Bool[Array, "..."]:
    """Disjunction of the broadcast operands."""
    return jnp.logical_or(*aligned(x, y))


def logical_xor(
    op: LogicalXor, x: Bool[Array, "..."], y: Bool[Array, "..."]
) -> Bool[Array, "..."]:
    """Difference of the broadcast operands."""
    return jnp.logical_xor(*aligned(x, y))


def logical_not(op: LogicalNot, x: Bool[Array, "..."]) -> Bool[Array, "..."]:
    """Negation."""
    return jnp.logical_not(x)


def bitwise_and(
    op: BitwiseAnd, x: Integer[Array, "..."], y: Integer[Array, "..."]
) -> Integer[Array, "..."]:
    """Bits that both broadcast operands have."""
    return jnp.bitwise_and(*aligned(x, y))


def bitwise_or(
    op: BitwiseOr, x: Integer[Array, "..."], y: Integer[Array, "..."]
) -> Integer[Array, "..."]:
    """Bits that one of the broadcast operands has."""
    return jnp.bitwise_or(*aligned(x, y))


def bitwise_xor(
    op: BitwiseXor, x: Integer[Array, "..."], y: Integer[Array, "..."]
) -> Integer[Array, "..."]:
    """Bits that one alone of the broadcast operands has."""
    return jnp.bitwise_xor(*aligned(x, y))


def bitwise_not(op: BitwiseNot, x: Integer[Array, "..."]) -> Integer[Array, "..."]:
    """Bits that x has not."""
    return jnp.bitwise_not(x)


def _shift_operands(x: Array, y: Array) -> tuple[Array, Array]:
    """Both operands in the shape of the result, the amounts inside their range."""
    a, b = jnp.broadcast_arrays(*aligned(x, y))
    return a, jnp.clip(b, 0, jnp.iinfo(x.dtype).bits - 1)


def arithmetic_right_shift(
    op: ArithmeticRightShift, x: Integer[Array, "..."], y: Integer[Array, "..."]
) -> Integer[Array, "..."]:
    """Rounding adds the last bit that was shifted out."""
    value, amount = _shift_operands(x, y)
    shifted = lax.shift_right_arithmetic(value, amount)
    if not op.round:
        return shifted
    one = jnp.ones_like(amount)
    last = lax.shift_right_arithmetic(value, jnp.maximum(amount - one, 0)) & one
    return shifted + jnp.where(amount > 0, last, 0)


def logical_right_shift(
    op: LogicalRightShift, x: Integer[Array, "..."], y: Integer[Array, "..."]
) -> Integer[Array, "..."]:
    """Shift as numbers without sign."""
    return lax.shift_right_logical(*_shift_operands(x, y))


def logical_left_shift(
    op: LogicalLeftShift, x: Integer[Array, "..."], y: Integer[Array, "..."]
) -> Integer[Array, "..."]:
    """Shift; what leaves the dtype is lost."""
    return lax.shift_left(*_shift_operands(x, y))


def select(
    op: Select,
    condition: Bool[Array, "..."],
    x: Shaped[Array, "..."],
    y: Shaped[Array, "..."],
) -> Shaped[Array, "..."]:
    """Choose element by element; all three operands broadcast."""
    a, b = aligned(x, y)
    condition, a = aligned(condition, a)
    a, b = aligned(a, b)
    return jnp.where(condition, a, b)
