"""build_table: the table of a layer of one value, in the style of an engine."""

import math
from types import MappingProxyType
from typing import Final

import numpy as np
from jaxtyping import Integer

from emu.errors import UnsupportedError
from emu.fixedpoint import IntFormat, QParams
from emu.ops import (
    Clip,
    Concat,
    Elu,
    HardSwish,
    Identity,
    LeakyRelu,
    Op,
    Relu,
    Sigmoid,
    Tanh,
)
from emu.quantize.parameters import to_integers
from emu.quantize.tables.functions import litert_function, single_function
from emu.quantize.tables.litert import (
    hard_swish,
    joined,
    leaky_relu,
    lookup as litert_lookup,
    rectifier,
    requantize,
)
from emu.quantize.tables.litert16 import (
    LOGISTIC_POWERS,
    TANH_POWERS,
    logistic,
    lookup as litert16_lookup,
    power_shift,
    tanh,
)
from emu.quantize.tables.onnxruntime import lookup as onnxruntime_lookup
from emu.quantize.tables.real import REAL_FUNCTIONS
from emu.quantize.tables.xnnpack import (
    leaky_relu as xnnpack_leaky_relu,
    lookup as xnnpack_lookup,
    requantize as xnnpack_requantize,
    takes,
)
from emu.targets import TableStyle

Entries = Integer[np.ndarray, " n"]


def build_table(
    op: Op,
    style: TableStyle,
    x: QParams,
    x_format: IntFormat,
    y: QParams,
    y_format: IntFormat,
) -> Entries:
    """An entry for each value of x_format, from the least, in y_format.

    `op` is the float layer, its parameters included; Identity stands for a change of
    scale, Concat for that of one of its operands.

    Raises:
        UnsupportedError: a layer that is no function of one value, or that the engine
            has not in these formats.
    """
    if not isinstance(op, Concat) and type(op) not in REAL_FUNCTIONS:
        raise UnsupportedError(f"{type(op).__name__} has no table")
    return _STYLES[style](op, x, x_format, y, y_format)


def _exact(
    op: Op, x: QParams, x_format: IntFormat, y: QParams, fmt: IntFormat
) -> Entries:
    levels = np.arange(x_format.min, x_format.max + 1, dtype=np.float64)
    reals = (levels - x.zero_point[0]) * x.scale[0]
    if isinstance(op, Concat):
        return to_integers(reals, y, fmt)
    return to_integers(REAL_FUNCTIONS[type(op)](op, reals), y, fmt)


def _litert(
    op: Op, x: QParams, x_format: IntFormat, y: QParams, fmt: IntFormat
) -> Entries:
    forms = (x, x_format, y, fmt)
    if isinstance(op, Identity):
        return requantize(*forms, half_up=False)
    if isinstance(op, LeakyRelu):
        return leaky_relu(op.alpha, *forms)
    if isinstance(op, Relu | Clip):
        low, high = (op.low, op.high) if isinstance(op, Clip) else (0.0, math.inf)
        return rectifier(low, high, *forms)
    if isinstance(op, Concat):
        return joined(*forms)
    if x_format.bits > 8:
        return _litert16(op, x, y)
    if isinstance(op, HardSwish):
        return hard_swish(*forms)
    return litert_lookup(litert_function(op), *forms)


def _litert16(op: Op, x: QParams, y: QParams) -> Entries:
    if isinstance(op, Sigmoid | Tanh):
        if y.scale[0] != 2.0**-15 or y.zero_point[0] != 0:
            raise UnsupportedError(
                f"int16 {type(op).__name__} has a result of scale 2**-15 and zero point "
                f"0, found {y.scale[0]} and {y.zero_point[0]}"
            )
        return logistic(x) if isinstance(op, Sigmoid) else tanh(x)
    if isinstance(op, HardSwish | Elu):
        raise UnsupportedError(f"LiteRT has no int16 {type(op).__name__}")
    return litert16_lookup(litert_function(op), x, y)


def _is_power(op: Op, x: QParams) -> bool:
    """Whether the input scale is one that the int16 kernels treat apart."""
    powers = TANH_POWERS if isinstance(op, Tanh) else LOGISTIC_POWERS
    return power_shift(x) in powers


def _litert_optimized(
    op: Op, x: QParams, x_format: IntFormat, y: QParams, fmt: IntFormat
) -> Entries:
    if isinstance(op, Identity) and x_format.bits == fmt.bits == 8:
        return requantize(x, x_format, y, fmt, half_up=True)
    if x_format.bits == 16 and isinstance(op, Sigmoid | Tanh) and _is_power(op, x):
        raise UnsupportedError(
            f"LiteRT's optimized int16 {type(op).__name__} of a scale of "
            f"{x.scale[0]} is another kernel, which is not described here"
        )
    return _litert(op, x, x_format, y, fmt)


def _xnnpack(
    op: Op, x: QParams, x_format: IntFormat, y: QParams, fmt: IntFormat
) -> Entries:
    """What the delegate does not take is left to LiteRT's own kernels."""
    forms = (x, x_format, y, fmt)
    if x_format.bits == fmt.bits == 8:
        if isinstance(op, Identity) and takes(1.0, x, y):
            return xnnpack_requantize(*forms)
        if isinstance(op, LeakyRelu) and takes(op.alpha, x, y):
            return xnnpack_leaky_relu(op.alpha, *forms)
        if isinstance(op, Sigmoid | Tanh | Elu):
            return xnnpack_lookup(single_function(op), *forms)
    return _litert_optimized(op, *forms)


def _single(
    op: Op, x: QParams, x_format: IntFormat, y: QParams, fmt: IntFormat
) -> Entries:
    layer = Identity() if isinstance(op, Concat) else op
    return onnxruntime_lookup(single_function(layer), x, x_format, y, fmt)


_STYLES: Final = MappingProxyType(
    {
        TableStyle.EXACT: _exact,
        TableStyle.LITERT: _litert,
        TableStyle.LITERT_OPTIMIZED: _litert_optimized,
        TableStyle.XNNPACK: _xnnpack,
        TableStyle.ONNXRUNTIME: _single,
        TableStyle.FLOAT32: _single,
    }
)
