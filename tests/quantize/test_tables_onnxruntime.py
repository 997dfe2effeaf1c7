"""Tables and kernels in the style of ONNX Runtime against its QLinear operators."""

from typing import Any, Final

import jax
import numpy as np
import pytest

from emu import ops
from emu.fixedpoint import INT8, UINT8, IntFormat, QParams, RescaleScheme, encode_scale
from emu.ops import KERNELS, SoftmaxStyle
from emu.quantize.tables import build_binary_table, build_softmax, build_table
from emu.targets import TableStyle
from tests.oracles.ort import qlinear

pytestmark = pytest.mark.usefixtures("x64")

Array = np.ndarray[Any, Any]
STYLE: Final = TableStyle.ONNXRUNTIME
each_format = pytest.mark.parametrize("fmt", [INT8, UINT8], ids=str)


def run(op: ops.Op, *operands: Array) -> Array:
    kernel = KERNELS[type(op)]
    return np.asarray(jax.jit(lambda *xs: kernel(op, *xs))(*operands))


def params(
    rng: np.random.Generator, fmt: IntFormat, near: float, *, exact: bool = False
) -> QParams:
    """A scale about `near`; a power of two makes ties."""
    scale = near * 10 ** rng.uniform(-0.2, 0.5)
    scale = 2.0 ** round(np.log2(scale)) if exact else scale
    return QParams((scale,), (int(rng.integers(fmt.min, fmt.max + 1)),))


def given(name: str, q: QParams, fmt: IntFormat) -> list[tuple[str, Array]]:
    """The scale and zero point inputs of a QLinear operator."""
    scale = np.array(q.scale[0], np.float32)
    return [
        (f"{name}_scale", scale),
        (f"{name}_zero", np.array(q.zero_point[0], fmt.dtype)),
    ]


def every(fmt: IntFormat) -> Array:
    return np.arange(fmt.min, fmt.max + 1).astype(fmt.dtype)


UNARY: Final = {
    "leaky": (ops.LeakyRelu(alpha=0.3), "QLinearLeakyRelu", {"alpha": 0.3}),
    "sigmoid": (ops.Sigmoid(), "QLinearSigmoid", {}),
}


@each_format
@pytest.mark.parametrize("case", UNARY.values(), ids=list(UNARY))
def test_table_of_one_value(case: tuple[ops.Op, str, dict[str, Any]], fmt: IntFormat):
    op, name, attributes = case
    rng = np.random.default_rng(2)
    for trial in range(8):
        x = params(rng, fmt, 0.04)
        y = params(rng, fmt, 0.01, exact=trial % 2 == 0)
        inputs = [("x", None), *given("x", x, fmt), *given("y", y, fmt)]
        expected = qlinear(name, inputs, {"x": every(fmt)}, str(fmt), **attributes)
        np.testing.assert_array_equal(build_table(op, STYLE, x, fmt, y, fmt), expected)


@each_format
def test_table_of_a_joined_operand(fmt: IntFormat):
    rng = np.random.default_rng(3)
    for _ in range(8):
        x, y = params(rng, fmt, 0.04), params(rng, fmt, 0.04)
        inputs = [*given("y", y, fmt), ("x", None), *given("x", x, fmt)]
        expected = qlinear("QLinearConcat", inputs, {"x": every(fmt)}, str(fmt), axis=0)
        table = build_table(ops.Concat(axis=0), STYLE, x, fmt, y, fmt)
        np.testing.assert_array_equal(table, expected)


@each_format
@pytest.mark.parametrize("op", [ops.Add(), ops.Mul()], ids=["add", "mul"])
def test_table_of_two_values(op: ops.Op, fmt: IntFormat):
    rng = np.random.default_rng(4)
    a, b = (v.ravel() for v in np.meshgrid(every(fmt), every(fmt), indexing="ij"))
    for trial in range(12):
        exact = trial % 3 == 0
        x, y = (params(rng, fmt, 0.04, exact=exact) for _ in range(2))
        near = 0.1 if isinstance(op, ops.Add) else x.scale[0] * y.scale[0] * 40
        z = params(rng, fmt, near, exact=exact)
        inputs = [
            *[("a", None), *given("a", x, fmt)],
            *[("b", None), *given("b", y, fmt)],
            *given("z", z, fmt),
        ]
        name = f"QLinear{type(op).__name__}"
        expected = qlinear(name, inputs, {"a": a, "b": b}, str(fmt))
        table = build_binary_table(op, STYLE, x, fmt, y, fmt, z, fmt)
        np.testing.assert_array_equal(table, expected)


@each_format
def test_average_pool(fmt: IntFormat):
    rng = np.random.default_rng(5)
    for count_include_pad in (False, True):
        x, y = params(rng, fmt, 0.04), params(rng, fmt, 0.04)
        image = rng.integers(fmt.min, fmt.max + 1, (2, 7, 6, 3)).astype(fmt.dtype)
        op = ops.DequantizedAvgPool2d(
            kernel=(3, 2),
            padding=((1, 0), (0, 1)),
            count_include_pad=count_include_pad,
            x=x,
            y=y,
            format=fmt,
        )
        expected = qlinear(
            "QLinearAveragePool",
            [("x", None), *given("x", x, fmt), *given("y", y, fmt)],
            {"x": np.moveaxis(image, -1, 1)},
            str(fmt),
            kernel_shape=op.kernel,
            strides=op.stride,
            pads=[1, 0, 0, 1],
            count_include_pad=int(count_include_pad),
            channels_last=0,
        )
        np.testing.assert_array_equal(run(op, image), np.moveaxis(expected, 1, -1))


@each_format
def test_global_average_pool_is_a_rescaled_sum(fmt: IntFormat):
    rng = np.random.default_rng(6)
    scheme = RescaleScheme.FLOAT32_HALF_EVEN
    for exact in (False, True):
        x, y = (params(rng, fmt, 0.04, exact=exact) for _ in range(2))
        image = rng.integers(fmt.min, fmt.max + 1, (2, 8, 4, 5)).astype(fmt.dtype)
        total = run(ops.ReduceSum(axes=(1, 2), x_zero_point=x.zero_point[0]), image)
        whole = np.float32(y.scale[0]) * np.float32(32)
        factors = encode_scale(
            np.array([np.float32(x.scale[0]) / whole], np.float64), scheme
        )
        op = ops.Rescale(scheme=scheme, format=fmt, zero_point=y.zero_point[0])
        expected = qlinear(
            "QLinearGlobalAveragePool",
            [("x", None), *given("x", x, fmt), *given("y", y, fmt)],
            {"x": np.moveaxis(image, -1, 1)},
            str(fmt),
            channels_last=0,
        )
        found = run(op, total, *factors)
        np.testing.assert_array_equal(found, np.moveaxis(expected, 1, -1))


@each_format
def test_softmax(fmt: IntFormat):
    rng = np.random.default_rng(7)
    for length, scale in [(2, 1 / 256), (10, 1 / 255), (200, 0.004)]:
        x, y = params(rng, fmt, 0.04), QParams((scale,), (fmt.min,))
        rows = rng.integers(fmt.min, fmt.max + 1, (40, length)).astype(fmt.dtype)
        expected = qlinear(
            "QLinearSoftmax",
            [("x", None), *given("x", x, fmt), *given("y", y, fmt)],
            {"x": rows},
            str(fmt),
            axis=-1,
            opset=13,
        )
        op, tables = build_softmax(
            SoftmaxStyle.ONNXRUNTIME, x, fmt, y, fmt, length=length
        )
        np.testing.assert_array_equal(run(op, rows, *tables), expected)
