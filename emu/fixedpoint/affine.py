"""Between float32 and integers: `quantize` and `dequantize`."""

from enum import Enum
from typing import Final

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float32, Float64, Int64, Integer, Shaped

from emu.fixedpoint.formats import IntFormat, QParams
from emu.fixedpoint.overflow import Overflow, apply_overflow
from emu.fixedpoint.rounding import Rounding, round_float
from emu.fixedpoint.wide import to_int64


class QuantizeRule(Enum):
    """The order of operations from a real number x to a code, each in float32.

    DIVIDE: round(x / scale) + zero_point: ONNX QuantizeLinear, TFLite's reference.
    OFFSET_THEN_ROUND: round(x / scale + zero_point): Ascend's documents
        (compression_concepts of AMCT).
    RECIPROCAL: round(x * (1 / scale)) + zero_point: AMCT's simulator (fake_quant.py),
        XNNPACK.
    MULTIPLY_ADD: round(x * (1 / scale) + zero_point), the product rounded by itself:
        the operator AscendQuant that AMCT deploys (its scale is our 1 / scale).
    """

    DIVIDE = "divide"
    OFFSET_THEN_ROUND = "offset-then-round"
    RECIPROCAL = "reciprocal"
    MULTIPLY_ADD = "multiply-add"


_BY_RECIPROCAL: Final = (QuantizeRule.RECIPROCAL, QuantizeRule.MULTIPLY_ADD)
_OFFSET_FIRST: Final = (QuantizeRule.OFFSET_THEN_ROUND, QuantizeRule.MULTIPLY_ADD)


def quantize(
    x: Float32[Array, "*s"],
    qparams: QParams,
    fmt: IntFormat,
    rounding: Rounding = Rounding.HALF_EVEN,
    overflow: Overflow = Overflow.SATURATE,
    rule: QuantizeRule = QuantizeRule.DIVIDE,
    seed: int = 0,
) -> Integer[Array, "*s"]:
    """The code of x, brought inside `fmt`, in its storage dtype.

    Every float32 operation of `rule` is rounded by itself (half even); rounding to an
    integer, additions of integers and the overflow are exact. Quotients beyond
    +-2**62, infinities too, count as +-2**62; NaN is undefined. `seed` is for
    roundings that draw. Needs 64-bit types.
    """
    scale = _along(_scales(qparams), qparams, x)
    zero_point = _zero_points(qparams)
    if rule in _BY_RECIPROCAL:
        # In float64, then rounded: the float32 quotient, by the proof of `_quotient`.
        inverse = (1 / scale).astype(np.float32)
        steps = _product(x, inverse.astype(np.float64))
    else:
        steps = _quotient(x, scale)
    if rule in _OFFSET_FIRST:
        # The limits keep compilers from fusing product and sum, which rounds once less.
        steps = jnp.clip(steps, -(2.0**62), 2.0**62) + _along(
            zero_point.astype(np.float32), qparams, x
        )
        zero_point = np.zeros(len(qparams.zero_point), np.int64)
    rounded = round_float(steps, rounding, seed)
    # A saturated code of 16 bits is the same from a quotient clipped at 2**30.
    if fmt.bits <= 16 and overflow is not Overflow.WRAP and _is_small(zero_point):
        whole = jnp.clip(rounded, -(2.0**30), 2.0**30).astype(jnp.int32)
    else:
        whole = to_int64(jnp.clip(rounded, -(2.0**62), 2.0**62))
    code = whole + _along(zero_point.astype(whole.dtype), qparams, x)
    return apply_overflow(code, fmt, overflow).astype(fmt.dtype)


def dequantize(q: Integer[Array, "*s"], qparams: QParams) -> Float32[Array, "*s"]:
    """float32(q - zero_point) * scale: the difference is exact, then one rounding each.

    Below 2**24 the difference is a float32 number, so there the product alone
    rounds. A sum made of the product in the same jitted function may be fused with
    it (one rounding fewer); consumers that must not depend on that store it first.
    Needs 64-bit types for codes of 32 bits.
    """
    zero_point = _zero_points(qparams)
    if q.dtype.itemsize <= 2 and _is_small(zero_point):
        steps = q.astype(jnp.int32) - _along(zero_point.astype(np.int32), qparams, q)
    else:
        steps = to_int64(q) - _along(zero_point, qparams, q)
    scale = _along(_scales(qparams).astype(np.float32), qparams, q)
    return steps.astype(jnp.float32) * scale


def _quotient(
    x: Float32[Array, "*s"], scale: Float64[np.ndarray | Array, "*#s"]
) -> Float32[Array, "*s"]:
    """The float32 number nearest to x / scale, on every device, jitted or not.

    A float32 division is not that: XLA multiplies by the reciprocal of a constant
    or broadcast divisor (one rounding more), and divides approximately on GPUs.
    But x * (1 / scale) in float64 is within 2**-52 of the quotient, relatively,
    and cannot round to another float32: the quotient of two 24-bit integers x and
    s is never a point m / 2 half-way between two float32 numbers (its odd 25-bit
    m would divide x), and as m * s < 2**49 it stays at least 2**-49 away from it.
    """
    return (x.astype(jnp.float64) * jnp.asarray(1 / scale)).astype(jnp.float32)


def _product(
    x: Float32[Array, "*s"], factor: Float64[np.ndarray | Array, "*#s"]
) -> Float32[Array, "*s"]:
    """The float32 product: 24 bits times 24 are exact in float64, then rounded once."""
    return (x.astype(jnp.float64) * jnp.asarray(factor)).astype(jnp.float32)


def _scales(qparams: QParams) -> Float64[np.ndarray | Array, " c"]:
    if all(isinstance(scale, float) for scale in qparams.scale):
        return np.array(qparams.scale)
    return jnp.stack(qparams.scale)


def _zero_points(qparams: QParams) -> Int64[np.ndarray | Array, " c"]:
    if all(isinstance(zero_point, int) for zero_point in qparams.zero_point):
        return np.array(qparams.zero_point, np.int64)
    return jnp.stack(qparams.zero_point)


def _along(
    values: Shaped[np.ndarray | Array, " c"], qparams: QParams, x: Shaped[Array, "*s"]
) -> Shaped[np.ndarray | Array, "*#s"]:
    """The entries of `qparams` as an array that broadcasts against x."""
    shape = [1] * x.ndim
    if qparams.axis is not None:
        shape[qparams.axis] = values.size
    return values.reshape(shape)


def _is_small(zero_point: Int64[np.ndarray | Array, " c"]) -> bool:
    """Whether all zero points are known to be small."""
    if isinstance(zero_point, np.ndarray):
        return bool(np.all(np.abs(zero_point) < 2**29))
    return False
