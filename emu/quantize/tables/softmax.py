"""The operator and the tables of a softmax of integers, for each engine."""

import math
from typing import Final

import numpy as np
from jaxtyping import Float32, Int32, Int64

from emu.errors import ConfigError
from emu.fixedpoint import IntFormat, QParams, RescaleScheme, encode_scale
from emu.ops import IntegerSoftmax, SoftmaxStyle
from emu.quantize.tables.arithmetic import factor_of, halving_divide, multiply
from emu.quantize.tables.litert16 import points

_DIFFERENCES: Final = np.arange(-255, 1, dtype=np.int64)
Exponentials = Int32[np.ndarray, " points"] | Float32[np.ndarray, " points"]


def build_softmax(
    style: SoftmaxStyle,
    x: QParams,
    x_format: IntFormat,
    y: QParams,
    y_format: IntFormat,
    *,
    length: int,
    beta: float = 1.0,
) -> tuple[IntegerSoftmax, list[Exponentials]]:
    """The operator, and its one or two constant operands.

    `length`: entries of the softmax axis (it sets the range of ONNX Runtime's table).
    Raises ConfigError for formats and scales that the engine does not take.
    """
    _check(style, x_format, y, y_format)
    scale, zero_point = float(np.float32(y.scale[0])), y.zero_point[0]
    if style is SoftmaxStyle.LITERT_FIXED:
        op = IntegerSoftmax(style=style, format=y_format)
        return op, [_fixed_exponentials(x.scale[0], beta)]
    if style is SoftmaxStyle.LITERT_FLOAT:
        op = IntegerSoftmax(
            style=style, format=y_format, zero_point=zero_point, scale=scale
        )
        slope = -np.float32(x.scale[0]) * np.float32(beta)
        arguments = slope * (-_DIFFERENCES).astype(np.float32)
        return op, [np.exp(arguments.astype(np.float64)).astype(np.float32)]
    if style is SoftmaxStyle.ONNXRUNTIME:
        whole = float(np.floor(np.float32(1) / np.float32(scale)))
        op = IntegerSoftmax(
            style=style, format=y_format, zero_point=zero_point, scale=whole
        )
        return op, [_shifted_exponentials(x.scale[0], length)]
    factor = float(np.float32(x.scale[0]) * np.float32(beta)) / (10.0 / 65535.0)
    multiplier, shift = encode_scale(np.array([factor]), RescaleScheme.DOUBLE_ROUND)
    op = IntegerSoftmax(
        style=style,
        format=y_format,
        multiplier=int(multiplier[0]),
        shift=int(shift[0]),
    )
    tables = (
        points(np.exp, 10.0 / 65535, 32767, 2.0 / 65535, np.float64),
        points(lambda v: 1 / (1 + v), 1.0 / 65535, -32768, 2.0 / 65535, np.float64),
    )
    return op, [table.astype(np.int32) for table in tables]


def _check(
    style: SoftmaxStyle, x_format: IntFormat, y: QParams, y_format: IntFormat
) -> None:
    wanted = 16 if style is SoftmaxStyle.LITERT_INT16 else 8
    if (x_format, x_format.bits) != (y_format, wanted):
        raise ConfigError(
            f"a softmax of style {style.value!r} has {wanted} bits on both sides, "
            f"found {x_format} and {y_format}"
        )
    if style in (SoftmaxStyle.LITERT_FIXED, SoftmaxStyle.LITERT_INT16):
        scale, least = (2.0**-8, y_format.min) if wanted == 8 else (2.0**-15, 0)
        if y.zero_point[0] != least or not math.isclose(
            y.scale[0], scale, rel_tol=1e-3
        ):
            raise ConfigError(
                f"a softmax of style {style.value!r} has a result of scale {scale} "
                f"and zero point {least}, found {y.scale[0]} and {y.zero_point[0]}"
            )


def _shifted_exponentials(x_scale: float, length: int) -> Float32[np.ndarray, " 256"]:
    """exp((i - 255 + shift) * scale): as large as the sum can bear, in float64."""
    room = math.log(float(np.finfo(np.float32).max / np.float32(length))) - 5.0
    shift = max(0.0, room) / x_scale
    return np.exp((_DIFFERENCES + shift) * x_scale).astype(np.float32)


def _fixed_exponentials(x_scale: float, beta: float) -> Int32[np.ndarray, " 256"]:
    """Exp of the scaled differences with 31 fraction bits; 0 where LiteRT skips."""
    real = min(float(beta) * x_scale * (1 << 26), (1 << 31) - 1.0)
    factor = factor_of(real)
    least = -math.floor(31.0 * (1 << 26) / (1 << factor.exponent))
    seen = np.maximum(_DIFFERENCES, least)
    exponentials = _exp_of_negative(multiply(seen, factor))
    return np.where(least <= _DIFFERENCES, exponentials, 0).astype(np.int32)


# exp(-2**k) with 31 fraction bits, k = -2..4 (gemmlowp exp_on_negative_values).
_STEPS: Final = {k: round(math.exp(-(2.0**k)) * 2**31) for k in range(-2, 5)}


def _product(
    a: Int64[np.ndarray, " n"], b: Int64[np.ndarray, " n"] | int
) -> Int64[np.ndarray, " n"]:
    return (a * b + (1 << 30)) >> 31


def _exp_of_negative(a: Int64[np.ndarray, " n"]) -> Int64[np.ndarray, " n"]:
    """exp(a) for a <= 0 with 26 fraction bits: a Taylor polynomial and seven factors."""
    quarter = 1 << 24
    inside = (a & (quarter - 1)) - quarter
    result = _exp_of_quarter(inside << 5)
    rest = inside - a
    for k, step in _STEPS.items():
        result = np.where(rest & (1 << (26 + k)), _product(result, step), result)
    return np.where(a == 0, (1 << 31) - 1, result)


def _exp_of_quarter(a: Int64[np.ndarray, " n"]) -> Int64[np.ndarray, " n"]:
    """exp(a) for -1/4 <= a < 0 with 31 fraction bits, around -1/8."""
    centre = round(math.exp(-1 / 8) * 2**31)
    x = a + (1 << 28)
    x2 = _product(x, x)
    x3 = _product(x2, x)
    x4 = _product(x2, x2)
    third = round(2**31 / 3)
    tail = _product(halving_divide(x4, 2) + x3, third) + x2
    return centre + _product(x + halving_divide(tail, 1), centre)
