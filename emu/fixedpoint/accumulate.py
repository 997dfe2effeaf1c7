"""Carriers: the fastest arithmetic that is proved exact for a sum of products.

An accumulator says what the hardware computes; a carrier is how we compute it, and
never changes a bit.
"""

from enum import Enum
from types import MappingProxyType
from typing import Final

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Int8, Int32, Int64, Integer

from emu.errors import ConfigError
from emu.fixedpoint.formats import IntFormat
from emu.fixedpoint.overflow import Overflow
from emu.fixedpoint.register import Accumulator
from emu.fixedpoint.wide import to_int64


def accumulator_bound(
    weight_abs_sum: Integer[np.ndarray, " co"],
    x_fmt: IntFormat,
    x_zero_point: int,
    bias_abs: Integer[np.ndarray, " #co"],
) -> int:
    """The greatest |partial sum| that any input in `x_fmt` can cause, in any order.

    The maximum over outputs of sum|w - w_zero_point| * max|x - x_zero_point| +
    |bias|, in Python integers. Whoever folds the input's zero point into the bias
    passes 0 for it and the folded bias: the bound must speak of the operands that
    the carrier multiplies.
    """
    reach = max(abs(x_fmt.min - x_zero_point), abs(x_fmt.max - x_zero_point))
    biases = np.broadcast_to(bias_abs, weight_abs_sum.shape)
    pairs = zip(weight_abs_sum.tolist(), biases.tolist(), strict=True)
    return max((w * reach + bias for w, bias in pairs), default=0)


class Carrier(Enum):
    """The arithmetic that carries an integer sum of products."""

    INT8 = "int8"  # int8 operands, int32 sums
    FLOAT32 = "float32"
    FLOAT64 = "float64"
    INT64 = "int64"
    SEQUENTIAL = "sequential"  # one addition after the other, as the register does


_SUM_DTYPES: Final = MappingProxyType(
    {
        Carrier.INT8: np.dtype(np.int32),
        Carrier.FLOAT32: np.dtype(np.int32),
        Carrier.FLOAT64: np.dtype(np.int64),
        Carrier.INT64: np.dtype(np.int64),
    }
)


def sum_dtype(carrier: Carrier) -> np.dtype:
    """The integer dtype of the sums that `dot` gives with this carrier."""
    return _SUM_DTYPES[carrier]


def exact_carrier(accumulator: Accumulator) -> Carrier:
    """The carrier that needs no proof: INT64, or SEQUENTIAL where steps matter."""
    return Carrier.SEQUENTIAL if accumulator.in_steps else Carrier.INT64


def choose_carrier(
    bound: int, x_dtype: np.dtype, w_dtype: np.dtype, accumulator: Accumulator
) -> Carrier:
    """The fastest carrier that is exact for this operand pair and accumulator.

    `bound` is that of `accumulator_bound`. Why each is exact:

    SEQUENTIAL: it is what the register does. A register that saturates on the way
        needs it, unless no partial sum, in whatever order, can leave the register
        (bound <= its greatest value): then nothing ever saturates.
    INT8: int8 products and int32 additions are arithmetic modulo 2**32, so the
        result is right modulo 2**32 whatever the order. If bound < 2**31 the sum is
        the only int32 number of its class. If the accumulator wraps at b <= 32
        bits, its value depends only on the sum modulo 2**b, and 2**b divides 2**32
        (wrapping is a ring homomorphism), so bound does not matter.
    FLOAT32: if bound <= 2**24, every product and every partial sum, in whatever
        order and with or without fused multiply-add, is an integer of magnitude
        <= 2**24, and those are all float32 numbers: nothing is ever rounded. (An
        operand beyond 2**24 can meet only zeros, and then rounds to something that
        is multiplied by zero.)
    FLOAT64: the same with 2**53.
    INT64: bound < 2**63, or the accumulator wraps.

    Raises:
        ConfigError: a bound of 2**63 or more, and an accumulator that saturates.
    """
    wraps = accumulator.overflow is Overflow.WRAP
    if accumulator.in_steps and bound > accumulator.max:
        return Carrier.SEQUENTIAL
    narrow = wraps and accumulator.bits <= 32
    if x_dtype == w_dtype == np.int8 and (narrow or bound < 2**31):
        return Carrier.INT8
    if bound <= 2**24:
        return Carrier.FLOAT32
    if bound <= 2**53:
        return Carrier.FLOAT64
    if wraps or bound < 2**63:
        return Carrier.INT64
    raise ConfigError(f"sums of up to {bound} do not fit 64 bits")


def _int8_dot(
    x: Int8[Array, "*b m k"], w: Int8[Array, "*b k n"]
) -> Int32[Array, "*b m n"]:
    """The product modulo 2**32.

    On NVIDIA GPUs the sums are filled up with zeros to a multiple of 4 products: XLA's
    int8 product of other lengths is wrong there (measured with jax 0.11.2 on an H200:
    every element at k = 5 and k = 27, none at 8, 12, 16, 64 and 100).
    """

    def plain(x: Array, w: Array) -> Array:
        return jnp.matmul(x, w, preferred_element_type=jnp.int32)

    missing = -x.shape[-1] % 4
    if not missing:
        return plain(x, w)

    def filled(x: Array, w: Array) -> Array:
        columns = [(0, 0)] * (x.ndim - 1) + [(0, missing)]
        rows = [(0, 0)] * (w.ndim - 2) + [(0, missing), (0, 0)]
        return plain(jnp.pad(x, columns), jnp.pad(w, rows))

    return jax.lax.platform_dependent(x, w, cuda=filled, default=plain)


def dot(
    x: Integer[Array, "*b m k"], w: Integer[Array, "*b k n"], carrier: Carrier
) -> Int32[Array, "*b m n"] | Int64[Array, "*b m n"]:
    """The product x @ w as integers, int32 or int64 as `sum_dtype` says.

    The carrier must be one that `choose_carrier` gives (or a slower one), and not
    SEQUENTIAL. INT8 takes int8 operands only; FLOAT64 and INT64 need 64-bit types.
    """
    if carrier is Carrier.INT8:
        return _int8_dot(x, w)
    if carrier is Carrier.FLOAT32:
        # HIGHEST: no TF32 or bfloat16 products on accelerators.
        sums = jnp.matmul(
            x.astype(jnp.float32),
            w.astype(jnp.float32),
            precision=jax.lax.Precision.HIGHEST,
        )
        return sums.astype(jnp.int32)
    if carrier is Carrier.INT64:
        return jnp.matmul(to_int64(x), to_int64(w))
    doubles = (to_int64(operand).astype(jnp.float64) for operand in (x, w))
    return to_int64(jnp.matmul(*doubles, precision=jax.lax.Precision.HIGHEST))
