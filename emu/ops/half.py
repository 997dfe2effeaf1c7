"""float16: what every operator does with such operands, and the cast to and from it."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from functools import wraps
from typing import Any, Final

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float16, Float32

Kernel = Callable[..., Array]

_LEAST_NORMAL: Final = 2.0**-14
_STEP: Final = 2.0**-24


class FloatType(Enum):
    """The dtypes in which layers run that do not run on integers."""

    FLOAT16 = "float16"
    FLOAT32 = "float32"


@dataclass(frozen=True, slots=True, kw_only=True)
class FloatCast:
    """The same number as float32, or the nearest float16 number (half even)."""

    dtype: FloatType


def to_half(x: Float32[Array, "..."]) -> Float16[Array, "..."]:
    """The nearest float16 number: half even, subnormals kept, overflow to infinity.

    x is a float16 number before its dtype changes, because XLA leaves out conversions
    to float16 and back (measured: a fused product and sum differ from NumPy in one of
    four values); it may not leave out `reduce_precision`, which lacks subnormals.
    Multiples of 2**-24 are those; scaling by a power of two is exact.
    """
    normal = lax.reduce_precision(x, exponent_bits=5, mantissa_bits=10)
    steps = lax.round(x * (1 / _STEP), lax.RoundingMethod.TO_NEAREST_EVEN)
    near_zero = jnp.abs(x) < _LEAST_NORMAL
    return jnp.where(near_zero, steps * _STEP, normal).astype(jnp.float16)


def on_halves(kernel: Kernel) -> Kernel:
    """The kernel, taking float16 operands too: float32 inside, one rounding at the end.

    Products of two float16 numbers are exact in float32, and sums of products are
    float32 sums. One addition, subtraction, multiplication or division so rounded is
    that of float16 (24 bits are more than twice 11 and one). Functions of several
    steps (a sigmoid, a softmax) are float32 functions of float16 numbers, rounded once.
    """

    @wraps(kernel)
    def run(op: Any, *operands: Array, **options: Any) -> Array:  # noqa: ANN401 - as the kernel has it
        if all(x.dtype != jnp.float16 for x in operands):
            return kernel(op, *operands, **options)
        wide = [
            x.astype(jnp.float32) if x.dtype == jnp.float16 else x for x in operands
        ]
        y = kernel(op, *wide, **options)
        return to_half(y) if y.dtype == jnp.float32 else y

    return run


def float_cast(
    op: FloatCast, x: Float16[Array, "..."] | Float32[Array, "..."]
) -> Float16[Array, "..."] | Float32[Array, "..."]:
    """Real numbers in the dtype of op."""
    if op.dtype is FloatType.FLOAT16 and x.dtype == jnp.float32:
        return to_half(x)
    return x.astype(op.dtype.value)
