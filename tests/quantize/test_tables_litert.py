"""Tables of one value against LiteRT's three kernel sets: every code, random scales."""

from typing import Final

import numpy as np
import pytest

from emu import ops
from emu.errors import UnsupportedError
from emu.fixedpoint import INT8, INT16, UINT8, IntFormat, QParams
from emu.quantize.tables import build_table
from emu.quantize.tables.litert import prelu
from emu.targets import TableStyle
from tests.oracles.litert import (
    Lite,
    Resolver,
    lite_constant,
    run_litert,
    single_op_model,
)
from tests.quantize.litert_layers import (
    FORMATS,
    every_code,
    litert_codes,
    operator_of,
    random_qparams,
)

_BYTES: Final = ("int8", "uint8")
_ALL: Final = (*_BYTES, "int16")

# The formats that the kernels of each layer take.
LAYERS: Final[dict[str, tuple[ops.Op, tuple[str, ...]]]] = {
    "logistic": (ops.Sigmoid(), _ALL),
    "tanh": (ops.Tanh(), _ALL),
    "hard-swish": (ops.HardSwish(), _BYTES),
    "leaky-relu": (ops.LeakyRelu(alpha=0.1), _ALL),
    "leaky-relu-negative": (ops.LeakyRelu(alpha=-0.37), _BYTES),
    "relu": (ops.Relu(), _ALL),
    "relu6": (ops.Clip(low=0.0, high=6.0), _ALL),
    "relu-n1-to-1": (ops.Clip(low=-1.0, high=1.0), _BYTES),
    "relu-0-to-1": (ops.Clip(low=0.0, high=1.0), _BYTES),
    "gelu": (ops.Gelu(), _BYTES),
    "gelu-tanh": (ops.Gelu(approximate=True), _BYTES),
    "elu": (ops.Elu(), ("int8",)),
    "exp": (ops.Exp(), ("int8", "int16")),
    "requantize": (ops.Identity(), _ALL),
}
STYLES: Final = {
    Resolver.REFERENCE: TableStyle.LITERT,
    Resolver.OPTIMIZED: TableStyle.LITERT_OPTIMIZED,
    Resolver.XNNPACK: TableStyle.XNNPACK,
}
# The reference kernel set has no ELU.
CASES: Final = [
    pytest.param(op, FORMATS[dtype], resolver, id=f"{name}-{dtype}-{resolver.name}")
    for name, (op, dtypes) in LAYERS.items()
    for dtype in dtypes
    for resolver in Resolver
    if (name, resolver) != ("elu", Resolver.REFERENCE)
]


@pytest.mark.parametrize(("op", "fmt", "resolver"), CASES)
def test_table_equals_litert(op: ops.Op, fmt: IntFormat, resolver: Resolver):
    rng = np.random.default_rng(7)
    for _ in range(3 if fmt is INT16 else 12):
        x, y = random_qparams(rng, op, fmt)
        expected = litert_codes(op, x, y, fmt, resolver)
        found = build_table(op, STYLES[resolver], x, fmt, y, fmt)
        assert found.dtype == expected.dtype
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("op", [ops.Sigmoid(), ops.Tanh()], ids=["logistic", "tanh"])
@pytest.mark.parametrize("log2", [-12, -11])
def test_int16_with_a_scale_of_a_power_of_two_equals_the_reference(
    op: ops.Op, log2: int
):
    x, y = QParams((2.0**log2,), (0,)), QParams((2.0**-15,), (0,))
    expected = litert_codes(op, x, y, INT16, Resolver.REFERENCE)
    found = build_table(op, TableStyle.LITERT, x, INT16, y, INT16)
    np.testing.assert_array_equal(found, expected)
    if log2 == -12 or isinstance(op, ops.Tanh):
        with pytest.raises(UnsupportedError, match="another kernel"):
            build_table(op, TableStyle.LITERT_OPTIMIZED, x, INT16, y, INT16)


@pytest.mark.parametrize("approximate", [False, True])
def test_int16_gelu_differs_in_few_segments_by_one(approximate: bool):
    """The C library of the engine rounds erfcf and tanhf less than correctly."""
    op, rng = ops.Gelu(approximate=approximate), np.random.default_rng(3)
    for _ in range(4):
        x, y = random_qparams(rng, op, INT16)
        expected = litert_codes(op, x, y, INT16, Resolver.REFERENCE).astype(int)
        found = build_table(op, TableStyle.LITERT, x, INT16, y, INT16).astype(int)
        assert np.abs(found - expected).max() <= 1
        # A point belongs to two segments of 128 codes; at most two points are off.
        assert np.count_nonzero(found - expected) <= 4 * 128


def test_requantization_without_delegates_rounds_the_rest_of_16_as_the_reference():
    """QUANTIZE in vectors of 16 elements, half up; what is left over, half away."""
    x, y = QParams((0.05,), (3,)), QParams((0.2,), (-7,))
    reference, optimized = (
        build_table(ops.Identity(), style, x, INT8, y, INT8)
        for style in (TableStyle.LITERT, TableStyle.LITERT_OPTIMIZED)
    )
    code = int(np.flatnonzero(reference != optimized)[0])
    codes = np.full((1, 20), code + INT8.min, np.int8)
    sides = [
        Lite(shape=(1, 20), scale=q.scale[0], zero_point=q.zero_point[0])
        for q in (x, y)
    ]
    model = single_op_model(*operator_of(ops.Identity()), sides[:1], sides[1:])
    found = run_litert(model, [codes], Resolver.OPTIMIZED)[0]
    assert found.tolist() == [optimized[code]] * 16 + [reference[code]] * 4


@pytest.mark.parametrize("fmt", [INT8, UINT8], ids=str)
@pytest.mark.parametrize("resolver", Resolver, ids=lambda r: r.name)
def test_prelu_has_a_table_for_each_channel(resolver: Resolver, fmt: IntFormat):
    rng = np.random.default_rng(8)
    codes = np.repeat(every_code(fmt).T, 3, axis=1)[None, None]
    slopes = rng.integers(fmt.min, fmt.max + 1, 3).astype(fmt.dtype)
    for _ in range(4):
        x, y = random_qparams(rng, ops.PRelu(), fmt)
        slope = QParams((0.01,), (int(rng.integers(fmt.min, fmt.max)),))
        sides = [
            Lite(
                shape=codes.shape,
                dtype=str(fmt),
                scale=q.scale[0],
                zero_point=q.zero_point[0],
            )
            for q in (x, y)
        ]
        constant = lite_constant(
            slopes[None, None], slope.scale[0], slope.zero_point[0]
        )
        model = single_op_model("PRELU", None, [sides[0], constant], sides[1:])
        centred = [int(code) - slope.zero_point[0] for code in slopes]
        tables = np.stack(
            [prelu(code, slope.scale[0], x, fmt, y, fmt) for code in centred]
        )
        expected = run_litert(model, [codes], resolver)[0, 0].T
        assert tables.dtype == expected.dtype
        np.testing.assert_array_equal(tables, expected)


@pytest.mark.parametrize("fmt", [INT8, UINT8], ids=str)
def test_exact_table_rounds_the_real_function_once(fmt: IntFormat):
    x, y = QParams((0.05,), (3,)), QParams((1 / 256,), (fmt.min,))
    table = build_table(ops.Sigmoid(), TableStyle.EXACT, x, fmt, y, fmt)
    reals = (np.arange(fmt.min, fmt.max + 1) - 3) * x.scale[0]
    steps = np.rint(256 / (1 + np.exp(-reals))) + fmt.min
    np.testing.assert_array_equal(table, np.clip(steps, fmt.min, fmt.max))
