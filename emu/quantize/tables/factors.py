"""Factors of rescales that engines do not encode as everybody else does."""

import numpy as np
from jaxtyping import Int32

from emu.errors import ConfigError
from emu.quantize.tables.arithmetic import factor_of

Factors = tuple[Int32[np.ndarray, " 1"], Int32[np.ndarray, " 1"]]


def mean_factors(x_scale: float, y_scale: float, count: int) -> Factors:
    """Multiplier and shift of LiteRT's MEAN over `count` values, for DOUBLE_ROUND.

    The multiplier of x_scale / y_scale (float64) is divided by the count as an
    integer, after a left shift by the bits of the count less one.
    Source: LiteRT tflite/kernels/internal/reference/reduce.h, QuantizedMeanOrSum.
    """
    factor = factor_of(x_scale / y_scale)
    left = min(count.bit_length() - 1, 32, 31 + factor.exponent)
    multiplier = (factor.multiplier << left) // count
    return _pair(multiplier, 31 - (factor.exponent - left))


def xnnpack_sum_factors(
    x_scale: float, y_scale: float, z_scale: float
) -> tuple[int, int, int]:
    """The integer factors of both operands and the shift of XNNPACK's quantized ADD.

    x_scale / z_scale and y_scale / z_scale (float32) times 2**shift, half to even;
    the shift gives the larger one 21 bits. The sum is shifted right, half up.
    Source: XNNPACK src/microparams-init.c, xnn_init_qs8_add_minmax_scalar_params.
    """
    ratios = [np.float32(s) / np.float32(z_scale) for s in (x_scale, y_scale)]
    if not 2.0**-10 <= min(ratios) <= max(ratios) < 2.0**8:
        raise ConfigError(
            f"XNNPACK adds at scale ratios from 2**-10 to 2**8, found {ratios}"
        )
    shift = 21 - int(np.frexp(max(ratios))[1])
    first, second = (int(np.rint(np.ldexp(np.float64(r), shift))) for r in ratios)
    return first, second, shift


def _pair(multiplier: int, shift: int) -> Factors:
    return np.array([multiplier], np.int32), np.array([shift], np.int32)
