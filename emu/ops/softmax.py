"""IntegerSoftmax: softmax of integers as inference engines compute it, from tables."""

from dataclasses import dataclass
from enum import Enum
from typing import Final

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float32, Float64, Int32, Int64, Integer

from emu.fixedpoint import INT8, IntFormat, Rounding, round_shift
from emu.fixedpoint.wide import to_int64
from emu.ops.single import single


class SoftmaxStyle(Enum):
    """Whose arithmetic turns exponentials into codes, along the last axis.

    LITERT_FIXED: int32 exponentials with 31 fraction bits, a sum with 19, and its
        reciprocal by three Newton steps. 8 bits; LiteRT reference kernel.
    LITERT_FLOAT: float32 exponentials summed from the first to the last, one
        reciprocal, round half away. 8 bits; LiteRT optimized kernel.
    LITERT_INT16: exponentials and reciprocal by interpolated tables of 513 points.
    ONNXRUNTIME: float32 exponentials summed from the first to the last, one quotient
        each, round half to even. 8 bits; QLinearSoftmax.

    Source: LiteRT tflite/kernels/internal/{reference/softmax.h,common.h},
    optimized/optimized_ops.h; onnxruntime contrib_ops/cpu/quantization/
    qlinear_softmax.cc.
    """

    LITERT_FIXED = "litert-fixed"
    LITERT_FLOAT = "litert-float"
    LITERT_INT16 = "litert-int16"
    ONNXRUNTIME = "onnxruntime"


@dataclass(frozen=True, slots=True, kw_only=True)
class IntegerSoftmax:
    """Softmax along the last axis, the result in `format`.

    Operand `exponentials`: for 8 bits the 256 values for x - max = -255..0; for
    LITERT_INT16 the 513 points of exp over -10..0. `reciprocals`: for LITERT_INT16
    the 513 points of 1 / (1 + x) over 0..1; other styles have none.

    scale: LITERT_FLOAT the scale of the result, ONNXRUNTIME its whole reciprocal.
    zero_point: of the result (the fixed-point styles have the least value, or 0).
    multiplier, shift: LITERT_INT16, the factor multiplier * 2**-shift that turns
    differences into 1/6553.5ths, as `encode_scale` gives it for DOUBLE_ROUND.
    """

    style: SoftmaxStyle
    format: IntFormat = INT8
    zero_point: int = 0
    scale: float = 1.0
    multiplier: int = 0
    shift: int = 31


def integer_softmax(
    op: IntegerSoftmax,
    x: Integer[Array, "*n c"],
    exponentials: Int32[Array, " points"] | Float32[Array, " points"],
    reciprocals: Int32[Array, " points"] | None = None,
) -> Integer[Array, "*n c"]:
    """Codes of the probabilities, in the storage dtype of op.format."""
    wide = x.astype(jnp.int32)
    below = wide - jnp.max(wide, axis=-1, keepdims=True)
    if op.style is SoftmaxStyle.LITERT_INT16:
        if reciprocals is None:
            raise TypeError("this style needs the points of the reciprocal")
        codes = _int16(op, below, exponentials, reciprocals)
    else:
        powers = jnp.take(exponentials, below + 255, mode="clip")
        if op.style is SoftmaxStyle.LITERT_FIXED:
            codes = _fixed(op, to_int64(powers))
        else:
            codes = _float(op, powers)
    return jnp.clip(codes, op.format.min, op.format.max).astype(op.format.dtype)


# -- LITERT_FIXED ---------------------------------------------------------------------

_ONE: Final = (1 << 31) - 1  # 1.0 with 31 fraction bits
_TWO_ONE: Final = 1 << 29  # 1.0 with 29 fraction bits
_48_OVER_17: Final = round(48 / 17 * 2**29)
_32_OVER_17: Final = round(32 / 17 * 2**29)
_SUM_SHIFT: Final = 12  # integer bits of the sum


def _high_product(a: Int64[Array, "*#s"], b: Int64[Array, "*#s"]) -> Int64[Array, "*s"]:
    """(a * b) / 2**31, half up: gemmlowp SaturatingRoundingDoublingHighMul.

    Its operands here are never both -2**31.
    """
    return (a * b + (1 << 30)) >> 31


def _shift_left(x: Int64[Array, "*s"], by: int) -> Int64[Array, "*s"]:
    """Saturating, as gemmlowp SaturatingRoundingMultiplyByPOT."""
    return jnp.clip(x << by, -(1 << 31), (1 << 31) - 1)


def _divide(x: Int64[Array, "*s"], by: int | Array) -> Int64[Array, "*s"]:
    """X / 2**by, half away from zero: gemmlowp RoundingDivideByPOT."""
    return round_shift(x, by, Rounding.HALF_AWAY)


def _reciprocal(rest: Int64[Array, "*s"]) -> Int64[Array, "*s"]:
    """1 / (1 + rest) for rest in 0..1 with 31 fraction bits: three Newton steps."""
    half_denominator = (rest + _ONE + 1) >> 1
    x = _48_OVER_17 - _high_product(
        half_denominator, jnp.full_like(half_denominator, _32_OVER_17)
    )
    for _ in range(3):
        error = _TWO_ONE - _high_product(half_denominator, x)
        x = x + _shift_left(_high_product(x, error), 2)
    return _shift_left(x, 1)


def _leading_zeros(x: Int64[Array, "*s"]) -> Int64[Array, "*s"]:
    """Leading zeros of a positive number of 32 bits."""
    return to_int64(lax.clz(x.astype(jnp.uint32)))


def _fixed(op: IntegerSoftmax, powers: Int64[Array, "*n c"]) -> Int64[Array, "*n c"]:
    total = jnp.sum(_divide(powers, _SUM_SHIFT), axis=-1, keepdims=True)
    headroom = _leading_zeros(total)
    inverse = _reciprocal((total << headroom) - (1 << 31))
    exponent = _SUM_SHIFT - headroom + 31 - op.format.bits
    return _divide(_high_product(inverse, powers), exponent) + op.format.min


# -- LITERT_FLOAT, ONNXRUNTIME --------------------------------------------------------


def _sum_in_order(powers: Float64[Array, "*n c"]) -> Float64[Array, "*n 1"]:
    """float32 additions from the first entry to the last.

    The sums are held in float64; `single` says why they are right.
    """
    columns = jnp.moveaxis(powers, -1, 0)

    def step(total: Array, entry: Array) -> tuple[Array, None]:
        return single(total + entry), None

    return jax.lax.scan(step, jnp.zeros_like(columns[0]), columns)[0][..., None]


def _float(
    op: IntegerSoftmax, exponentials: Float32[Array, "*n c"]
) -> Int64[Array, "*n c"]:
    powers = exponentials.astype(jnp.float64)
    total = _sum_in_order(powers)
    if op.style is SoftmaxStyle.ONNXRUNTIME:
        quotient = single(single(powers * op.scale) / total)
        # Clip, then cast: the product of a lone entry overflows float32.
        return to_int64(jnp.minimum(jnp.rint(quotient), 2.0**16)) + op.zero_point
    inverse = single(1.0 / single(total * op.scale))
    steps = single(powers * inverse)
    if op.format.signed:
        # No step is negative: half away from zero is half up.
        return to_int64(jnp.floor(steps + 0.5)) + op.zero_point
    return to_int64(single(steps + 0.5))


# -- LITERT_INT16 ---------------------------------------------------------------------


def _interpolate(
    x: Int64[Array, "*s"], table: Int64[Array, " p"]
) -> Int64[Array, "*s"]:
    """9 bits choose the segment, 7 bits the place in it, half up."""
    index, offset = 256 + (x >> 7), x & 0x7F
    first = jnp.take(table, index, mode="clip")
    slope = jnp.take(table, index + 1, mode="clip") - first
    return first + ((slope * offset + 64) >> 7)


def _int16(
    op: IntegerSoftmax, below: Array, exponentials: Array, reciprocals: Array
) -> Int64[Array, "*n c"]:
    left, right = max(31 - op.shift, 0), max(op.shift - 31, 0)
    high = ((to_int64(below) << left) * op.multiplier + (1 << 30)) >> 31
    at = jnp.clip(_divide(high, right) + 32767, -32768, 32767)
    powers = _interpolate(at, to_int64(exponentials))
    total = jnp.sum(powers, axis=-1, keepdims=True)
    headroom = _leading_zeros(total)
    shifted = ((total << (headroom - 1)) + (1 << 13)) >> 14
    place = jnp.clip(shifted - (1 << 15) - (1 << 16), -32768, 32767)
    inverse = _interpolate(place, to_int64(reciprocals))
    right_shift = 31 - headroom
    rounding = jnp.ones_like(right_shift) << (right_shift - 1)
    return jnp.maximum((powers * inverse + rounding) >> right_shift, 0)
