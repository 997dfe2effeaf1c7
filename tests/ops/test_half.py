"""float16: jitted, eager and NumPy agree to the bit where one operation is rounded."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from emu import ops
from emu.ops import KERNELS, FloatCast
from tests.ops.half_cases import CASTS
from tests.ops.operands import Array, Case

pytestmark = pytest.mark.usefixtures("x64")


def run(op: ops.Op, *operands: Array) -> tuple[Array, Array]:
    """The result of a kernel with and without jit."""
    kernel = KERNELS[type(op)]
    jitted = jax.jit(lambda *xs: kernel(op, *xs))(*operands)
    return np.asarray(jitted), np.asarray(kernel(op, *map(jnp.asarray, operands)))


def assert_bits(found: Array, expected: Array) -> None:
    """Equal to the last bit, the sign of zeros included; NaN is NaN."""
    assert found.dtype == expected.dtype
    nan = np.isnan(expected)
    np.testing.assert_array_equal(np.isnan(found), nan)
    word = f"u{expected.itemsize}"
    np.testing.assert_array_equal(found[~nan].view(word), expected[~nan].view(word))


@pytest.mark.parametrize("case", CASTS, ids=str)
def test_casts_are_numpys(case: Case):
    (x,) = case.draw()
    assert isinstance(case.op, FloatCast)
    with np.errstate(over="ignore"):
        expected = x.astype(case.op.dtype.value)
    for found in run(case.op, x):
        assert_bits(found, expected)


def pairs(count: int = 1 << 18) -> tuple[Array, Array]:
    """Any float16 numbers: subnormal, huge, infinite, NaN."""
    rng = np.random.default_rng(11)
    x, y = rng.integers(0, 1 << 16, (2, 1, count), np.uint16).view(np.float16)
    return x, y


PAIRWISE = {
    ops.Add(): np.add,
    ops.Sub(): np.subtract,
    ops.Mul(): np.multiply,
}


@pytest.mark.filterwarnings("ignore:(overflow|invalid value):RuntimeWarning")
@pytest.mark.parametrize("op", PAIRWISE, ids=lambda op: type(op).__name__)
def test_one_operation_is_that_of_numpys_float16(op: ops.Op):
    x, y = pairs()
    expected = PAIRWISE[op](x, y)
    assert np.count_nonzero(np.abs(expected) < 2.0**-14) > 100
    for found in run(op, x, y):
        assert_bits(found, expected)


def test_functions_that_choose_change_no_bit():
    x, _ = pairs()
    numbers = x[~np.isnan(x)].reshape(1, -1)
    for op, expected in (
        (ops.Relu(), np.maximum(numbers, np.float16(0))),
        (ops.Identity(), numbers),
        (ops.Reverse(axis=1), numbers[:, ::-1]),
    ):
        for found in run(op, numbers):
            # A rectified -0.0 may have either sign.
            assert_bits(found + np.float16(0), expected + np.float16(0))


@pytest.mark.filterwarnings("ignore:(overflow|invalid value):RuntimeWarning")
def test_every_step_of_a_chain_is_rounded_whatever_the_compiler_fuses():
    x, y = pairs()

    def chain(a, b):
        product = KERNELS[ops.Mul](ops.Mul(), a, b)
        total = KERNELS[ops.Add](ops.Add(), product, a)
        return KERNELS[ops.Sub](ops.Sub(), total, b)

    expected = x * y + x - y
    assert_bits(np.asarray(jax.jit(chain)(x, y)), expected)
    assert_bits(np.asarray(chain(jnp.asarray(x), jnp.asarray(y))), expected)


def test_sums_of_products_are_float32_and_rounded_once():
    """2048 + 1 is no float16 number, but 2048 + 1 + 1 is one."""
    x = np.array([[2048, 1, 1]], np.float16)
    w = np.ones((3, 1), np.float16)
    for found in run(ops.Gemm(), x, w):
        assert_bits(found, np.array([[2050]], np.float16))


def test_sums_of_products_are_within_their_rounding():
    rng = np.random.default_rng(5)
    x = rng.normal(size=(1, 12, 12, 32)).astype(np.float16)
    w = rng.normal(size=(3, 3, 32, 16)).astype(np.float16)
    wide = [v.astype(np.float64) for v in (x, w)]
    columns = np.lib.stride_tricks.sliding_window_view(wide[0], (3, 3), (1, 2))
    exact = np.einsum("nhwcij,ijco->nhwo", columns, wide[1])
    size = np.einsum("nhwcij,ijco->nhwo", abs(columns), abs(wide[1]))
    # Half a step of float16, and 288 float32 additions in any order.
    bound = np.abs(exact) * 2.0**-11 + size * 288 * 2.0**-24
    for found in run(ops.Conv(), x, w):
        assert found.dtype == np.float16
        assert np.all(np.abs(found - exact) <= bound)
