"""Add, Sub, Mul: float operands, or int32 operands as TOSA ADD, SUB, MUL.

On integers the operands come from `rescale` nodes that removed the zero points and
brought them to one scale; sums and products are int32 and wrap as int32 does.
"""

from dataclasses import dataclass

from jaxtyping import Array, Shaped


@dataclass(frozen=True, slots=True, kw_only=True)
class Add:
    """x + y with broadcasting."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sub:
    """x - y with broadcasting."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mul:
    """x * y with broadcasting."""


def _aligned(x: Array, y: Array) -> tuple[Array, Array]:
    """Give both operands the same rank by leading axes of 1 (numpy's rule)."""
    rank = max(x.ndim, y.ndim)
    a, b = (v.reshape((1,) * (rank - v.ndim) + v.shape) for v in (x, y))
    return a, b


def add(
    op: Add, x: Shaped[Array, "..."], y: Shaped[Array, "..."]
) -> Shaped[Array, "..."]:
    """Sum of the broadcast operands; both of one dtype."""
    a, b = _aligned(x, y)
    return a + b


def sub(
    op: Sub, x: Shaped[Array, "..."], y: Shaped[Array, "..."]
) -> Shaped[Array, "..."]:
    """Difference of the broadcast operands; both of one dtype."""
    a, b = _aligned(x, y)
    return a - b


def mul(
    op: Mul, x: Shaped[Array, "..."], y: Shaped[Array, "..."]
) -> Shaped[Array, "..."]:
    """Product of the broadcast operands; both of one dtype."""
    a, b = _aligned(x, y)
    return a * b
