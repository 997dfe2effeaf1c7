"""Kernels of softmax, pools, means and resizing against LiteRT's three kernel sets."""

from collections.abc import Iterable
from typing import Any, Final

import jax
import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

from emu import ops
from emu.fixedpoint import (
    INT8,
    INT16,
    INT32,
    UINT8,
    QParams,
    RescaleScheme,
    Rounding,
    encode_scale,
)
from emu.ops import (
    KERNELS,
    AverageStyle,
    Coordinates,
    Interpolation,
    NearestRounding,
    SoftmaxStyle,
)
from emu.quantize.tables import (
    build_resize,
    build_softmax,
    mean_factors,
    xnnpack_sum_factors,
)
from emu.targets import ResizeStyle
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
each_dtype = pytest.mark.parametrize("dtype", FORMATS)


def run(op: ops.Op, *operands: Array) -> Array:
    kernel = KERNELS[type(op)]
    return np.asarray(jax.jit(lambda *xs: kernel(op, *xs))(*operands))


def assert_all(
    model: bytes, inputs: list[Array], resolvers: Iterable[Resolver], found: Array
) -> None:
    """The same codes as each of these kernel sets gives."""
    for resolver in resolvers:
        expected = run_litert(model, inputs, resolver)
        assert found.dtype == expected.dtype
        np.testing.assert_array_equal(found, expected, resolver.name)


def codes(rng: np.random.Generator, dtype: str, *shape: int) -> Array:
    held = np.iinfo(dtype)
    return rng.integers(held.min, held.max, shape, dtype, endpoint=True)


def lite(x: Array, q: QParams) -> Lite:
    return Lite(
        shape=x.shape,
        dtype=str(x.dtype),
        scale=q.scale[0],
        zero_point=q.zero_point[0],
    )


def random_params(rng: np.random.Generator, dtype: str, scale: float) -> QParams:
    held = np.iinfo(dtype)
    zero = 0 if dtype == "int16" else int(rng.integers(held.min, held.max))
    return QParams((scale * 10 ** rng.uniform(-0.3, 0.3),), (zero,))


# -- softmax --------------------------------------------------------------------------

RESULTS: Final = {
    "int8": (2.0**-8, -128),
    "uint8": (2.0**-8, 0),
    "int16": (2.0**-15, 0),
}
SOFTMAX: Final = [
    ("int8", SoftmaxStyle.LITERT_FIXED, [Resolver.REFERENCE]),
    ("int8", SoftmaxStyle.LITERT_FLOAT, [Resolver.OPTIMIZED, Resolver.XNNPACK]),
    ("uint8", SoftmaxStyle.LITERT_FIXED, [Resolver.REFERENCE]),
    ("uint8", SoftmaxStyle.LITERT_FLOAT, [Resolver.OPTIMIZED, Resolver.XNNPACK]),
    ("int16", SoftmaxStyle.LITERT_INT16, list(Resolver)),
]


@pytest.mark.parametrize(("dtype", "style", "resolvers"), SOFTMAX)
def test_softmax(dtype: str, style: SoftmaxStyle, resolvers: list[Resolver]):
    rng = np.random.default_rng(11)
    fmt, (scale, zero) = FORMATS[dtype], RESULTS[dtype]
    for length, beta in [(2, 1.0), (10, 1.0), (101, 0.7)]:
        x = codes(rng, dtype, 50, length)
        x_params = random_params(rng, dtype, 3e-4 if dtype == "int16" else 0.04)
        y_params = QParams((scale,), (zero,))
        options = schema.SoftmaxOptionsT()
        options.beta = beta
        sides = lite(x, x_params), lite(x, y_params)
        model = single_op_model("SOFTMAX", options, sides[:1], sides[1:])
        op, tables = build_softmax(
            style, x_params, fmt, y_params, fmt, length=length, beta=beta
        )
        assert_all(model, [x], resolvers, run(op, x, *tables))


# -- averages -------------------------------------------------------------------------


@each_dtype
def test_average_pool(dtype: str):
    rng = np.random.default_rng(5)
    params = random_params(rng, dtype, 0.05)
    for kernel, stride, same in [
        ((2, 3), 1, True),
        ((3, 2), 2, False),
        ((7, 6), 1, False),
    ]:
        x = codes(rng, dtype, 2, 7, 6, 20)
        options = schema.Pool2DOptionsT()
        options.filterHeight, options.filterWidth = kernel
        options.strideH = options.strideW = stride
        options.padding = schema.Padding.SAME if same else schema.Padding.VALID
        # Of an odd number of padded pixels SAME puts the larger part last.
        rows, columns = (((k - 1) // 2, k // 2) if same else (0, 0) for k in kernel)
        op = ops.AvgPool2d(
            kernel=kernel,
            stride=(stride, stride),
            padding=(rows, columns),
            format=FORMATS[dtype],
            style=AverageStyle.HALF_AWAY,
        )
        found = run(op, x)
        model = single_op_model(
            "AVERAGE_POOL_2D", options, [lite(x, params)], [lite(found, params)]
        )
        assert_all(model, [x], Resolver, found)


REFERENCE_MEANS: Final = [((1, 2), True), ((1, 2), False), ((3,), True), ((1,), True)]


@pytest.mark.parametrize(("axes", "keep"), REFERENCE_MEANS)
@each_dtype
def test_mean(dtype: str, axes: tuple[int, ...], keep: bool):
    rng = np.random.default_rng(9)
    x = codes(rng, dtype, 2, 5, 4, 20)
    x_params, y_params = (random_params(rng, dtype, 0.05) for _ in range(2))
    count = int(np.prod([x.shape[axis] for axis in axes]))
    zero = x_params.zero_point[0]
    total = run(ops.ReduceSum(axes=axes, keepdims=keep, x_zero_point=zero), x)
    factors = mean_factors(x_params.scale[0], y_params.scale[0], count)
    op = ops.Rescale(
        scheme=RescaleScheme.DOUBLE_ROUND,
        format=FORMATS[dtype],
        zero_point=y_params.zero_point[0],
    )
    found = run(op, total, *factors)
    model = reducing("MEAN", axes, keep, lite(x, x_params), lite(found, y_params))
    # Over the image of an 8-bit tensor the optimized kernel is another one.
    image = dtype != "int16" and (axes, keep) == ((1, 2), True)
    resolvers = [Resolver.REFERENCE] + [Resolver.OPTIMIZED] * (not image)
    assert_all(model, [x], resolvers, found)


@pytest.mark.parametrize("dtype", ["int8", "uint8"])
def test_mean_of_images_without_delegates_rounds_16_channels_half_up(dtype: str):
    rng = np.random.default_rng(10)
    F = np.float32  # noqa: N806 - a type
    x = codes(rng, dtype, 2, 5, 4, 20)
    x_params, y_params = (random_params(rng, dtype, 0.05) for _ in range(2))
    x_scale, y_scale = F(x_params.scale[0]), F(y_params.scale[0])
    total = run(ops.ReduceSum(axes=(1, 2)), x)
    scale = np.array([x_scale / (F(20) * y_scale)], np.float64)
    parts = []
    for scheme, part in [
        (RescaleScheme.SRDHM_HALF_UP, total[..., :16]),
        (RescaleScheme.DOUBLE_ROUND, total[..., 16:]),
    ]:
        op = ops.Rescale(scheme=scheme, format=INT32)
        parts.append(run(op, part, *encode_scale(scale, scheme)))
    moved = F(x_params.zero_point[0]) * x_scale / y_scale
    bias = y_params.zero_point[0] - int(moved + (F(0.5) if moved > 0 else F(-0.5)))
    fmt = FORMATS[dtype]
    found = np.clip(np.concatenate(parts, -1) + bias, fmt.min, fmt.max).astype(dtype)
    model = reducing("MEAN", (1, 2), True, lite(x, x_params), lite(found, y_params))
    assert_all(model, [x], [Resolver.OPTIMIZED], found)


def reducing(name: str, axes: tuple[int, ...], keep: bool, x: Lite, y: Lite) -> bytes:
    options = schema.ReducerOptionsT()
    options.keepDims = keep
    return single_op_model(
        name, options, [x, lite_constant(np.array(axes, np.int32))], [y]
    )


@pytest.mark.parametrize("name", ["MEAN", "SUM"])
@pytest.mark.parametrize("dtype", ["int8", "uint8"])
def test_mean_and_sum_of_xnnpack_are_float32(dtype: str, name: str):
    rng = np.random.default_rng(13)
    F = np.float32  # noqa: N806 - a type
    for axes in [(1, 2), (1,), (3,)]:
        x = codes(rng, dtype, 2, 5, 4, 20)
        count = int(np.prod([x.shape[axis] for axis in axes]))
        x_params = random_params(rng, dtype, 0.05)
        y_params = random_params(rng, dtype, 0.05 * (1 if name == "MEAN" else count))
        scale = F(x_params.scale[0]) * (F(1) / F(y_params.scale[0]))
        if name == "MEAN":
            scale = scale * (F(1) / F(count))
        offset = F(y_params.zero_point[0]) - F(count * x_params.zero_point[0]) * scale
        op = ops.FloatRescale(
            format=FORMATS[dtype], scale=float(scale), offset=float(offset)
        )
        found = run(op, run(ops.ReduceSum(axes=axes), x))
        model = reducing(name, axes, True, lite(x, x_params), lite(found, y_params))
        assert_all(model, [x], [Resolver.XNNPACK], found)


@pytest.mark.parametrize("dtype", ["int8", "uint8"])
def test_sum_without_delegates_is_float32(dtype: str):
    rng = np.random.default_rng(14)
    F = np.float32  # noqa: N806 - a type
    x = codes(rng, dtype, 2, 5, 4, 20)
    x_params, y_params = random_params(rng, dtype, 0.05), random_params(rng, dtype, 1.0)
    scale = F(x_params.scale[0]) / F(y_params.scale[0])
    op = ops.FloatRescale(
        format=FORMATS[dtype],
        scale=float(scale),
        offset=float(F(-x_params.zero_point[0]) * scale * F(20)),
        rounding=Rounding.HALF_AWAY,
        zero_point=y_params.zero_point[0],
    )
    found = run(op, run(ops.ReduceSum(axes=(1, 2)), x))
    model = reducing("SUM", (1, 2), True, lite(x, x_params), lite(found, y_params))
    assert_all(model, [x], [Resolver.OPTIMIZED], found)


# -- resizing -------------------------------------------------------------------------


def resize_model(name: str, x: Array, op: ops.Resize, params: QParams) -> bytes:
    options = getattr(schema, f"{name.title().replace('_', '')}OptionsT")()
    options.alignCorners = op.coordinates is Coordinates.ALIGN_CORNERS
    half = (Coordinates.HALF_PIXEL, Coordinates.TF_HALF_PIXEL)
    options.halfPixelCenters = op.coordinates in half
    made = np.zeros((len(x), *op.size, x.shape[-1]), x.dtype)
    operands = [lite(x, params), lite_constant(np.array(op.size, np.int32))]
    return single_op_model(name, options, operands, [lite(made, params)])


SIZES: Final = [(14, 12), (3, 5), (1, 1)]


@pytest.mark.parametrize("dtype", ["int8", "int16"])
@pytest.mark.parametrize(
    "way",
    [Coordinates.HALF_PIXEL, Coordinates.ASYMMETRIC, Coordinates.ALIGN_CORNERS],
    ids=lambda way: way.value,
)
def test_resize_bilinear(way: Coordinates, dtype: str):
    rng = np.random.default_rng(3)
    delegated = [Resolver.XNNPACK] * (dtype == "int8")
    kernels = set(Resolver) - set(delegated)
    for size in SIZES:
        x = codes(rng, dtype, 2, 7, 6, 5)
        layer = ops.Resize(size=size, mode=Interpolation.LINEAR, coordinates=way)
        model = resize_model("RESIZE_BILINEAR", x, layer, QParams((0.1,), (0,)))
        for style, resolvers in [
            (ResizeStyle.LITERT, kernels),
            (ResizeStyle.XNNPACK, delegated),
        ]:
            op, taps = build_resize(layer, style, (7, 6))
            assert_all(model, [x], resolvers, run(op, x, *taps.values()))


@each_dtype
@pytest.mark.parametrize(
    ("way", "nearest"),
    [
        (Coordinates.TF_HALF_PIXEL, NearestRounding.FLOOR),
        (Coordinates.ASYMMETRIC, NearestRounding.FLOOR),
        (Coordinates.ALIGN_CORNERS, NearestRounding.ROUND_PREFER_CEIL),
    ],
    ids=lambda way: way.value,
)
def test_resize_nearest(way: Coordinates, nearest: NearestRounding, dtype: str):
    rng = np.random.default_rng(4)
    for size in SIZES:
        x = codes(rng, dtype, 2, 7, 6, 5)
        layer = ops.Resize(
            size=size, mode=Interpolation.NEAREST, coordinates=way, nearest=nearest
        )
        model = resize_model("RESIZE_NEAREST_NEIGHBOR", x, layer, QParams((0.1,), (0,)))
        op, taps = build_resize(layer, ResizeStyle.LITERT, (7, 6))
        assert_all(model, [x], Resolver, run(op, x, *taps.values()))


@pytest.mark.parametrize(
    "way",
    [Coordinates.HALF_PIXEL, Coordinates.ASYMMETRIC, Coordinates.ALIGN_CORNERS],
    ids=lambda way: way.value,
)
def test_resize_bilinear_of_uint8_is_one_of_floats(way: Coordinates):
    rng = np.random.default_rng(9)
    shown = 0
    for size in ((13, 18), (3, 25), (21, 11)):
        x = np.concatenate([codes(rng, "uint8", 2, 7, 6, 5) // n for n in (1, 85)])
        layer = ops.Resize(size=size, mode=Interpolation.LINEAR, coordinates=way)
        model = resize_model("RESIZE_BILINEAR", x, layer, QParams((0.1,), (0,)))
        results = []
        for style, resolver in (
            (ResizeStyle.LITERT, Resolver.REFERENCE),
            (ResizeStyle.LITERT_OPTIMIZED, Resolver.OPTIMIZED),
        ):
            op, taps = build_resize(layer, style, (7, 6), unsigned=True)
            results.append(run(op, x, *taps.values()))
            assert_all(model, [x], [resolver], results[-1])
        shown += int((results[0] != results[1]).sum())
    if way is Coordinates.HALF_PIXEL:
        assert shown > 0  # their orders of summation give other integers


# -- sums of XNNPACK ------------------------------------------------------------------


@pytest.mark.parametrize("name", ["ADD", "SUB"])
@pytest.mark.parametrize("dtype", ["int8", "uint8"])
def test_add_of_xnnpack_multiplies_by_integers_and_shifts(dtype: str, name: str):
    rng = np.random.default_rng(6)
    options = getattr(schema, f"{name.title()}OptionsT")()
    layer = ops.Add() if name == "ADD" else ops.Sub()
    for scale in (2.0**-6, 0.013, 0.21):
        held = np.iinfo(dtype)
        every = np.arange(held.min, held.max + 1).astype(dtype)
        x, y = np.repeat(every, 256)[None], np.tile(every, 256)[None]
        a, b = random_params(rng, dtype, scale), random_params(rng, dtype, 2.0**-6)
        c = random_params(rng, dtype, 2 * scale)
        first, second, shift = xnnpack_sum_factors(a.scale[0], b.scale[0], c.scale[0])
        sides = [
            run(
                ops.Mul(),
                v.astype(np.int32) - q.zero_point[0],
                np.array([factor], np.int32),
            )
            for v, q, factor in [(x, a, first), (y, b, second)]
        ]
        op = ops.Rescale(
            scheme=RescaleScheme.POWER_OF_TWO,
            format=FORMATS[dtype],
            zero_point=c.zero_point[0],
        )
        one = np.ones(1, np.int32)
        found = run(op, run(layer, *sides), one, one * np.int32(shift))
        assert sides[0].dtype == INT32.dtype
        model = single_op_model(name, options, [lite(x, a), lite(y, b)], [lite(x, c)])
        assert_all(model, [x, y], [Resolver.XNNPACK], found)
