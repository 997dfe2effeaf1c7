"""float32 arithmetic of which every step is rounded, whatever the compiler fuses."""

from jax import lax
from jaxtyping import Array, Float64


def single(x: Float64[Array, "*s"]) -> Float64[Array, "*s"]:
    """The nearest float32 number, held in float64; it may not be left out.

    Sums, products and quotients of two float32 numbers, taken in float64 and rounded
    so, are those of float32: 53 bits are more than twice 24 and one, so that rounding
    twice never differs from rounding once (no subnormal results).
    """
    return lax.reduce_precision(x, exponent_bits=8, mantissa_bits=23)
