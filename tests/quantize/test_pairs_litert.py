"""Sums, products and squared differences of LiteRT as chains of operators."""

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
    encode_scale,
)
from emu.ops import KERNELS
from tests.oracles.litert import Lite, Resolver, run_litert, single_op_model

pytestmark = pytest.mark.usefixtures("x64")

Array = np.ndarray[Any, Any]
FORMATS: Final = {"int8": INT8, "uint8": UINT8, "int16": INT16}
BOTH: Final = [Resolver.REFERENCE, Resolver.OPTIMIZED]
SCHEME: Final = RescaleScheme.DOUBLE_ROUND


def run(op: ops.Op, *operands: Array) -> Array:
    return np.asarray(KERNELS[type(op)](op, *map(jax.numpy.asarray, operands)))


def factors(scale: float) -> tuple[Array, Array]:
    return encode_scale(np.array([scale], np.float64), SCHEME)


def operands_of(dtype: str, rng: np.random.Generator) -> tuple[Array, Array]:
    """Every pair of 8-bit codes, or random pairs."""
    held = np.iinfo(dtype)
    if dtype == "int16":
        x, y = rng.integers(held.min, held.max + 1, (2, 1, 65536)).astype(dtype)
        return x, y
    every = np.arange(held.min, held.max + 1).astype(dtype)
    return np.repeat(every, 256)[None], np.tile(every, 256)[None]


def random_params(
    rng: np.random.Generator, dtype: str, near: float, *, exact: bool
) -> QParams:
    held = np.iinfo(dtype)
    scale = near * 10 ** rng.uniform(-0.3, 0.5)
    scale = 2.0 ** round(np.log2(scale)) if exact else scale
    zero = 0 if dtype == "int16" else int(rng.integers(held.min, held.max + 1))
    return QParams((scale,), (zero,))


def options_of(name: str) -> Any:
    kind = "".join(part.title() for part in name.split("_"))
    options = getattr(schema, f"{kind}OptionsT")()
    if name in ("ADD", "SUB"):
        options.potScaleInt16 = False
    return options


def litert(name: str, x: Array, y: Array, q: list[QParams], by: Resolver) -> Array:
    tensors = [
        Lite(
            shape=x.shape,
            dtype=str(x.dtype),
            scale=p.scale[0],
            zero_point=p.zero_point[0],
        )
        for p in q
    ]
    model = single_op_model(name, options_of(name), tensors[:2], tensors[2:])
    return run_litert(model, [x, y], by)


def centred(x: Array, q: QParams, left: int, scale: float) -> Array:
    op = ops.Rescale(
        scheme=SCHEME, format=INT32, x_zero_point=q.zero_point[0], x_left_shift=left
    )
    return run(op, x, *factors(scale))


def result(total: Array, scale: float, q: QParams, dtype: str) -> Array:
    fmt = FORMATS[dtype]
    op = ops.Rescale(scheme=SCHEME, format=fmt, zero_point=q.zero_point[0])
    return run(op, total, *factors(scale))


# An optimized int16 ADD rounds its operands once only.
SUMS: Final = [
    ("ADD", ops.Add(), "int8", 20, BOTH),
    ("ADD", ops.Add(), "uint8", 20, BOTH),
    ("ADD", ops.Add(), "int16", 15, BOTH[:1]),
    ("SUB", ops.Sub(), "int8", 20, BOTH),
    ("SUB", ops.Sub(), "uint8", 20, BOTH),
    ("SUB", ops.Sub(), "int16", 15, BOTH),
    ("SQUARED_DIFFERENCE", ops.SquaredDifference(), "int8", 7, list(Resolver)),
]


@pytest.mark.parametrize(("name", "layer", "dtype", "left", "resolvers"), SUMS)
def test_sum(
    name: str, layer: ops.Op, dtype: str, left: int, resolvers: list[Resolver]
):
    rng = np.random.default_rng(5)
    squared = isinstance(layer, ops.SquaredDifference)
    for exact in (False, True):
        x, y = operands_of(dtype, rng)
        a, b = (random_params(rng, dtype, 0.03, exact=exact) for _ in range(2))
        c = random_params(rng, dtype, 0.02 if squared else 0.08, exact=exact)
        largest = 2.0 * max(a.scale[0], b.scale[0])
        sides = [centred(v, q, left, q.scale[0] / largest) for v, q in [(x, a), (y, b)]]
        unit = largest * largest / 2.0**14 if squared else largest / 2.0**left
        found = result(run(layer, *sides), unit / c.scale[0], c, dtype)
        for resolver in resolvers:
            expected = litert(name, x, y, [a, b, c], resolver)
            assert found.dtype == expected.dtype
            np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("dtype", FORMATS)
def test_product_has_a_factor_computed_in_float32(dtype: str):
    rng = np.random.default_rng(6)
    F = np.float32  # noqa: N806 - a type
    for exact in (False, True):
        x, y = operands_of(dtype, rng)
        a, b = (random_params(rng, dtype, 0.03, exact=exact) for _ in range(2))
        near = a.scale[0] * b.scale[0] * (2**13 if dtype == "int16" else 50)
        c = random_params(rng, dtype, near, exact=exact)
        product = run(
            ops.Mul(),
            x.astype(np.int32) - a.zero_point[0],
            y.astype(np.int32) - b.zero_point[0],
        )
        factor = float(F(a.scale[0]) * F(b.scale[0]) / F(c.scale[0]))
        found = result(product, factor, c, dtype)
        for resolver in BOTH:
            expected = litert("MUL", x, y, [a, b, c], resolver)
            np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("dtype", ["int8", "uint8"])
def test_product_of_xnnpack_is_rounded_in_float32(dtype: str):
    rng = np.random.default_rng(7)
    F = np.float32  # noqa: N806 - a type
    x, y = operands_of(dtype, rng)
    a, b = (random_params(rng, dtype, 0.03, exact=True) for _ in range(2))
    c = random_params(rng, dtype, a.scale[0] * b.scale[0] * 50, exact=True)
    scheme = RescaleScheme.FLOAT32_HALF_EVEN
    product = run(
        ops.Mul(),
        x.astype(np.int32) - a.zero_point[0],
        y.astype(np.int32) - b.zero_point[0],
    )
    scale = np.array([F(a.scale[0]) * F(b.scale[0]) / F(c.scale[0])], np.float64)
    op = ops.Rescale(scheme=scheme, format=FORMATS[dtype], zero_point=c.zero_point[0])
    found = run(op, product, *encode_scale(scale, scheme))
    expected = litert("MUL", x, y, [a, b, c], Resolver.XNNPACK)
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("dtype", FORMATS)
@pytest.mark.parametrize(
    "op", [ops.Minimum(), ops.Maximum()], ids=["MINIMUM", "MAXIMUM"]
)
def test_extremes_are_those_of_the_codes(op: ops.Op, dtype: str):
    rng = np.random.default_rng(8)
    x, y = operands_of(dtype, rng)
    q = random_params(rng, dtype, 0.03, exact=False)
    for resolver in Resolver:
        name = type(op).__name__.upper()
        tensors = [
            Lite(
                shape=x.shape, dtype=dtype, scale=q.scale[0], zero_point=q.zero_point[0]
            )
        ] * 3
        model = single_op_model(
            name, schema.MaximumMinimumOptionsT(), tensors[:2], tensors[2:]
        )
        np.testing.assert_array_equal(
            run(op, x, y), run_litert(model, [x, y], resolver)
        )
