"""Sums of products and their rescale against LiteRT's three kernel sets, one operator each.

Scales and zero points are drawn so that most results lie inside their format.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import jax
import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

from emu import ops
from emu.fixedpoint import INT8, INT16, UINT8, Accumulator, RescaleScheme, encode_scale
from emu.ops import KERNELS
from tests.oracles.litert import (
    Lite,
    Resolver,
    lite_constant,
    run_litert,
    single_op_model,
)

pytestmark = pytest.mark.usefixtures("x64")

Array = np.ndarray[Any, Any]
FORMATS: Final = {"int8": INT8, "uint8": UINT8, "int16": INT16}
OUTPUTS: Final = 8
SAME: Final = ((1, 1), (1, 1))


def options(kind: str) -> Any:
    """Options of an operator: padding "same", but for the transposed one, stride 2."""
    made = getattr(schema, f"{kind}OptionsT")()
    if kind != "FullyConnected":
        made.strideH = made.strideW = 2 if kind == "TransposeConv" else 1
        same = kind != "TransposeConv"
        made.padding = schema.Padding.SAME if same else schema.Padding.VALID
    if kind in ("Conv2D", "DepthwiseConv2D"):
        made.dilationHFactor = made.dilationWFactor = 1
    if kind == "DepthwiseConv2D":
        made.depthMultiplier = 1
    return made


@dataclass(frozen=True, kw_only=True)
class Kind:
    """An operator of TFLite: shapes, and how ours is made of it."""

    name: str
    options: str
    x: tuple[int, ...]
    w: tuple[int, ...]
    y: tuple[int, ...]
    ours: Callable[..., Any]
    layout: Callable[[Array], Array]
    axis: int = 0


KINDS: Final = {
    "conv": Kind(
        name="CONV_2D",
        options="Conv2D",
        x=(1, 12, 12, 32),
        w=(OUTPUTS, 3, 3, 32),
        y=(1, 12, 12, OUTPUTS),
        ours=lambda **fields: ops.Conv2d(padding=SAME, **fields),
        layout=lambda w: w.transpose(1, 2, 3, 0),
    ),
    "depthwise": Kind(
        name="DEPTHWISE_CONV_2D",
        options="DepthwiseConv2D",
        x=(1, 12, 12, OUTPUTS),
        w=(1, 3, 3, OUTPUTS),
        y=(1, 12, 12, OUTPUTS),
        ours=lambda **fields: ops.DepthwiseConv2d(padding=SAME, **fields),
        layout=lambda w: w[0][..., None],
        axis=3,
    ),
    "transposed": Kind(
        name="TRANSPOSE_CONV",
        options="TransposeConv",
        x=(1, 6, 6, 32),
        w=(OUTPUTS, 3, 3, 32),
        y=(1, 13, 13, OUTPUTS),
        ours=lambda **fields: ops.TransposeConv2d(stride=(2, 2), **fields),
        layout=lambda w: w.transpose(1, 2, 3, 0),
    ),
    "dense": Kind(
        name="FULLY_CONNECTED",
        options="FullyConnected",
        x=(128, 32),
        w=(OUTPUTS, 32),
        y=(128, OUTPUTS),
        ours=ops.MatMul,
        layout=lambda w: w.T,
    ),
}

DOUBLE, HALF_UP = RescaleScheme.DOUBLE_ROUND, RescaleScheme.SRDHM_HALF_UP
REAL, FLOAT64 = RescaleScheme.FLOAT32_HALF_EVEN, RescaleScheme.FLOAT64
SHORT = RescaleScheme.INT16X8
# What REFERENCE, OPTIMIZED and XNNPACK do; what the delegate leaves alone is optimized.
RULES: Final = {
    ("conv", "int8"): (DOUBLE, HALF_UP, REAL),
    ("conv", "uint8"): (DOUBLE, HALF_UP, REAL),
    ("conv", "int16"): (SHORT, SHORT, SHORT),
    ("depthwise", "int8"): (DOUBLE, HALF_UP, REAL),
    ("depthwise", "uint8"): (DOUBLE, DOUBLE, DOUBLE),
    ("depthwise", "int16"): (SHORT, SHORT, SHORT),
    ("transposed", "int8"): (DOUBLE, HALF_UP, REAL),
    ("transposed", "uint8"): (DOUBLE, HALF_UP, REAL),
    ("transposed", "int16"): (SHORT, SHORT, SHORT),
    ("dense", "int8"): (FLOAT64, HALF_UP, REAL),
    ("dense", "uint8"): (FLOAT64, HALF_UP, REAL),
    ("dense", "int16"): (FLOAT64, FLOAT64, FLOAT64),
}


@dataclass(frozen=True, kw_only=True, eq=False)
class Drawn:
    """One operator with data: the file, its input, and ours up to the accumulators."""

    model: bytes
    x: Array
    sums: Array
    scale: Array
    zero_point: int


def draw(kind: Kind, dtype: str, per_axis: bool, seed: int) -> Drawn:
    rng = np.random.default_rng(seed)
    fmt, wide = FORMATS[dtype], dtype == "int16"
    middle = 0 if fmt.signed else 128
    x_zero, y_zero = (
        0 if wide else middle + int(rng.integers(-60, 60)) for _ in range(2)
    )
    w_zero = int(rng.integers(100, 156)) if dtype == "uint8" else 0
    x = rng.integers(fmt.min, fmt.max, kind.x, endpoint=True).astype(fmt.dtype)
    w = np.clip(w_zero + rng.integers(-100, 101, kind.w), -127, 255)
    w = w.astype(np.uint8 if dtype == "uint8" else np.int8)
    bias = rng.integers(-(2**12), 2**12, OUTPUTS)
    x_scale = np.float32(rng.uniform(0.001, 0.1))
    w_scale = rng.uniform(0.01, 0.02, OUTPUTS if per_axis else 1).astype(np.float32)
    # The format spans about five standard deviations of the sums each way.
    deviation = (fmt.max - fmt.min) / 3.5 * 58 * np.sqrt(w.size / OUTPUTS)
    y_scale = np.float32(x_scale * 0.02 * deviation * 10 / (fmt.max - fmt.min))
    op = kind.ours(
        x_zero_point=x_zero,
        w_zero_point=w_zero,
        accumulator=Accumulator(64 if wide else 32),
    )
    bias = bias.astype(np.int64 if wide else np.int32)
    kernel = KERNELS[type(op)]
    sums = jax.jit(lambda *o: kernel(op, *o))(x, kind.layout(w), bias)
    scales = tuple(map(float, w_scale))
    operands = [
        Lite(shape=kind.x, dtype=dtype, scale=float(x_scale), zero_point=x_zero),
        lite_constant(w, scales, (w_zero,) * len(scales), kind.axis),
        lite_constant(
            bias,
            tuple(float(x_scale * scale) for scale in w_scale),
            (0,) * len(scales),
        ),
    ]
    if kind.name == "TRANSPOSE_CONV":
        size = lite_constant(np.array(kind.y, np.int32))
        operands = [size, operands[1], operands[0], operands[2]]
    y = Lite(shape=kind.y, dtype=dtype, scale=float(y_scale), zero_point=y_zero)
    real = np.float64(x_scale) * w_scale.astype(np.float64) / np.float64(y_scale)
    return Drawn(
        model=single_op_model(kind.name, options(kind.options), operands, [y]),
        x=x,
        sums=np.asarray(sums),
        scale=real,
        zero_point=y_zero,
    )


def rescaled(drawn: Drawn, scheme: RescaleScheme, dtype: str) -> Array:
    op = ops.Rescale(scheme=scheme, format=FORMATS[dtype], zero_point=drawn.zero_point)
    factors = encode_scale(drawn.scale, scheme)
    kernel = KERNELS[ops.Rescale]
    return np.asarray(jax.jit(lambda *o: kernel(op, *o))(drawn.sums, *factors))


@pytest.mark.parametrize(
    ("name", "dtype", "per_axis"),
    [
        (name, dtype, per_axis)
        for name, dtype in RULES
        for per_axis in (True, False)
        if dtype != "uint8" or not per_axis
    ],
)
def test_every_kernel_set_sums_and_rescales_as_its_rule_says(name, dtype, per_axis):
    different = 0
    for seed in (1, 2):
        drawn = draw(KINDS[name], dtype, per_axis, seed)
        fmt = FORMATS[dtype]
        for resolver, scheme in zip(Resolver, RULES[name, dtype], strict=True):
            want = run_litert(drawn.model, [drawn.x], resolver)
            got = rescaled(drawn, scheme, dtype)
            assert got.dtype == want.dtype
            np.testing.assert_array_equal(got, want, resolver.name)
            inside = (want > fmt.min) & (want < fmt.max)
            assert inside.mean() > 0.8
            other = rescaled(drawn, RescaleScheme.POWER_OF_TWO, dtype)
            different += int((other != got).sum())
    assert different > 100
