"""build_binary_table: the table of a layer of two 8-bit values, in float32."""

import numpy as np
from jaxtyping import Float32, Int64, Integer

from emu.errors import ConfigError, UnsupportedError
from emu.fixedpoint import IntFormat, QParams
from emu.ops import Add, Mul, Op, Sub
from emu.targets import TableStyle

_F = np.float32
Grid = Float32[np.ndarray, "256 256"]


def build_binary_table(
    op: Op,
    style: TableStyle,
    x: QParams,
    x_format: IntFormat,
    y: QParams,
    y_format: IntFormat,
    z: QParams,
    z_format: IntFormat,
) -> Integer[np.ndarray, " 65536"]:
    """An entry for each pair x, y from the least values, y the faster one.

    ONNXRUNTIME: QLinearAdd and QLinearMul (MLAS on x86-64 with AVX2). FLOAT32: both
    operands dequantized, the layer and the quantization in float32.

    Raises:
        UnsupportedError: another style or layer.
        ConfigError: formats of more or less than 8 bits.
    """
    if (x_format.bits, y_format.bits) != (8, 8):
        raise ConfigError(
            f"a table of pairs has 8-bit operands, not {x_format} and {y_format}"
        )
    a, b = np.meshgrid(_codes(x_format), _codes(y_format), indexing="ij")
    if style is TableStyle.FLOAT32 and isinstance(op, Add | Sub | Mul):
        steps = _single(op, _real(a, x), _real(b, y)) / _F(z.scale[0])
        codes = np.rint(steps).astype(np.float64) + z.zero_point[0]
    elif style is TableStyle.ONNXRUNTIME and isinstance(op, Add):
        codes = _qlinear_add(a, x, b, y, z)
    elif style is TableStyle.ONNXRUNTIME and isinstance(op, Mul):
        codes = _qlinear_mul(a - x.zero_point[0], x, b - y.zero_point[0], y, z)
    else:
        raise UnsupportedError(f"no pairs of {type(op).__name__} in {style.value!r}")
    return np.clip(codes, z_format.min, z_format.max).astype(z_format.dtype).ravel()


def _codes(fmt: IntFormat) -> Int64[np.ndarray, " 256"]:
    return np.arange(fmt.min, fmt.max + 1, dtype=np.int64)


def _real(codes: Int64[np.ndarray, "256 256"], q: QParams) -> Grid:
    return (codes - q.zero_point[0]).astype(_F) * _F(q.scale[0])


def _single(op: Op, x: Grid, y: Grid) -> Grid:
    if isinstance(op, Add):
        return x + y
    return x - y if isinstance(op, Sub) else x * y


def _qlinear_add(
    a: Int64[np.ndarray, "256 256"],
    x: QParams,
    b: Int64[np.ndarray, "256 256"],
    y: QParams,
    z: QParams,
) -> Grid:
    """rint(fma(a, x / z, fma(b, y / z, offset))), each step in float32.

    offset = z zero point - fma(x / z, x zero point, y / z * y zero point).

    Source: onnxruntime/core/mlas/lib/intrinsics/avx2/qladd_avx2.cpp. A fused
    multiply-add is the float64 one rounded: for ratios of scales from 2**-14 float64
    holds product and sum exactly.
    """
    first, second = (_F(q.scale[0]) / _F(z.scale[0]) for q in (x, y))
    if min(first, second) < 2.0**-14:
        raise ConfigError(
            f"scales of a sum over its result's are at least 2**-14, found {first} "
            f"and {second}"
        )
    # The compiler of the wheel fuses this sum of products too.
    moved = np.float64(first) * x.zero_point[0] + second * _F(y.zero_point[0])
    offset = _F(z.zero_point[0]) - _F(moved)
    inner = (b * np.float64(second) + np.float64(offset)).astype(_F)
    return np.rint((a * np.float64(first) + inner.astype(np.float64)).astype(_F))


def _qlinear_mul(
    a: Int64[np.ndarray, "256 256"],
    x: QParams,
    b: Int64[np.ndarray, "256 256"],
    y: QParams,
    z: QParams,
) -> Grid:
    """rint(float32(a * b) * scale + zero point): onnxruntime/core/mlas/lib/qlmul.cpp."""
    scale = _F(x.scale[0]) * _F(y.scale[0]) / _F(z.scale[0])
    return np.rint((a * b).astype(_F) * scale + _F(z.zero_point[0]))
