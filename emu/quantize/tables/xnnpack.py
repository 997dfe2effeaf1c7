"""Tables as XNNPACK computes them for 8-bit tensors.

Source: XNNPACK src/reference/unary-elementwise.cc (float32, reciprocal of the output
scale, zero point added before rounding half to even) and src/microparams-init.c
(qs8_cvt and qs8_lrelu: multipliers of 8 fraction bits).
"""

import numpy as np
from jaxtyping import Integer

from emu.errors import ConfigError
from emu.fixedpoint import IntFormat, QParams
from emu.quantize.tables.arithmetic import RealFunction, levels, saturate


def lookup(
    function: RealFunction,
    x: QParams,
    x_format: IntFormat,
    y: QParams,
    y_format: IntFormat,
) -> Integer[np.ndarray, " n"]:
    """rint(f(real) * (1 / scale) + zero_point), every step in float32."""
    reals = levels(x, x_format).astype(np.float32) * np.float32(x.scale[0])
    with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
        values = function(reals.astype(np.float64)).astype(np.float32)
        steps = values * (np.float32(1) / np.float32(y.scale[0]))
    moved = np.rint(steps + np.float32(y.zero_point[0]))
    return np.clip(moved, y_format.min, y_format.max).astype(y_format.dtype)


def requantize(
    x: QParams, x_format: IntFormat, y: QParams, y_format: IntFormat
) -> Integer[np.ndarray, " n"]:
    """Convert: a multiplier of 8 fraction bits, half up."""
    return _two_slopes(1.0, x, x_format, y, y_format)


def leaky_relu(
    alpha: float, x: QParams, x_format: IntFormat, y: QParams, y_format: IntFormat
) -> Integer[np.ndarray, " n"]:
    """Two multipliers of 8 fraction bits, half up."""
    return _two_slopes(alpha, x, x_format, y, y_format)


def takes(alpha: float, x: QParams, y: QParams) -> bool:
    """Whether the delegate runs a layer of these slopes: 2**-8 to 2**7, not zero."""
    above = np.float32(x.scale[0]) / np.float32(y.scale[0])
    below = above * np.float32(alpha)
    fits = 2.0**-8 <= above <= 2.0**7
    return bool(fits and 2.0**-8 <= abs(below) <= 2.0**7)


def _two_slopes(
    alpha: float, x: QParams, x_format: IntFormat, y: QParams, y_format: IntFormat
) -> Integer[np.ndarray, " n"]:
    if not takes(alpha, x, y):
        raise ConfigError("XNNPACK takes slopes from 2**-8 to 2**7 only")
    steps = levels(x, x_format)
    above = np.float32(x.scale[0]) / np.float32(y.scale[0])
    below = above * np.float32(alpha)
    factor = np.where(
        steps >= 0, np.rint(np.float32(256) * above), np.rint(np.float32(256) * below)
    ).astype(np.int64)
    return saturate(((steps * factor + 128) >> 8) + y.zero_point[0], y_format)
