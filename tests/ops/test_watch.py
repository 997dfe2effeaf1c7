"""Every addition of every register against the oracle."""

import jax
import numpy as np
import pytest

from emu.fixedpoint import Stage
from emu.ops import WATCHERS, Accumulating, watch
from tests.ops.operands import Case
from tests.ops.product_cases import BATCH_MATMUL, CONV3D, STAGED, TRANSPOSED
from tests.ops.sum_cases import CONV2D, DEPTHWISE, MATMUL
from tests.oracles.sums import watch as watch_exactly

pytestmark = pytest.mark.usefixtures("x64")

SUMS = [
    *STAGED,
    *(cases[-1] for cases in (CONV2D, DEPTHWISE, MATMUL)),
    *(cases[-1] for cases in (CONV3D, TRANSPOSED, BATCH_MATMUL)),
]


def test_every_operator_that_sums_is_watched():
    assert set(WATCHERS) == set(Accumulating.__args__)
    assert {type(case.op) for case in SUMS} == set(WATCHERS)


@pytest.mark.parametrize("case", SUMS, ids=str)
def test_a_register_is_watched_exactly(case: Case):
    op, operands = case.op, case.draw()
    assert isinstance(op, Accumulating)
    got = jax.jit(lambda *o: watch(op, *o))(*operands)
    want = watch_exactly(op, *operands)
    # A register on the way starts at 0.
    at_end = op.accumulator.saturate is Stage.END
    low = want.low if at_end else np.minimum(want.low, 0)
    high = want.high if at_end else np.maximum(want.high, 0)
    assert got.held.dtype == want.held.dtype == op.accumulator.dtype
    np.testing.assert_array_equal(got.held, want.held)
    np.testing.assert_array_equal(got.low, low)
    np.testing.assert_array_equal(got.high, high)
    np.testing.assert_array_equal(got.overflows, want.overflows)


def test_some_watched_registers_overflow_and_some_never():
    counts = sorted(watch_exactly(c.op, *c.draw()).overflows.sum() for c in SUMS)
    assert counts[0] == 0
    assert counts[-len(counts) // 4] > 10
