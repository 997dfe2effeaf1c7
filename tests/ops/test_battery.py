"""Every kernel against the oracle, itself without jit, and itself one sample at a time.

Integer results are equal to the bit; float results to rounding.
"""

import math
from collections import Counter
from collections.abc import Callable, Iterable
from functools import cache
from typing import Any

import jax
import numpy as np
import pytest

from emu.fixedpoint import Carrier, Overflow, Stage, bits_needed, exact_carrier
from emu.ops import (
    KERNELS,
    Accumulating,
    BatchMatMul,
    Conv,
    Conv2d,
    DepthwiseConv2d,
    DynamicScale,
    DynamicZeroPoint,
    Kernel,
)
from tests.ops.cases import CASES
from tests.ops.operands import Array, Case, Data
from tests.oracles.interpreter import OPS, compute

pytestmark = pytest.mark.usefixtures("x64")

each_case = pytest.mark.parametrize("case", CASES, ids=str)


@cache
def compiled(case: Case) -> Callable[..., Any]:
    """The jitted kernel of a case: every operand an argument."""
    kernel: Kernel = KERNELS[type(case.op)]
    return jax.jit(lambda *operands: kernel(case.op, *operands))


def assert_same(found: Any, expected: Array) -> None:
    """Equal dtype, shape and values; floats within float32's or float16's rounding."""
    result = np.asarray(found)
    assert result.dtype == expected.dtype
    assert result.shape == expected.shape
    if result.dtype == np.float32:
        np.testing.assert_allclose(result, expected, rtol=1e-5, atol=1e-5)
    elif result.dtype == np.float16:
        # The same rounding, after which the next number may be the nearest.
        np.testing.assert_allclose(result, expected, rtol=2**-10, atol=1e-5)
    else:
        np.testing.assert_array_equal(result, expected)


def test_battery_covers_every_kernel_and_the_oracle_too():
    assert {type(case.op) for case in CASES} == set(KERNELS) == set(OPS)


def test_cases_have_different_names():
    assert Counter(map(str, CASES)).most_common(1)[0][1] == 1


@each_case
def test_kernel_equals_the_oracle(case: Case):
    for data in Data:
        operands = case.draw(data)
        assert_same(compiled(case)(*operands), compute(case.op, *operands))


def taps(case: Case) -> int:
    """How many slices the kernel makes: without jit each is compiled by itself."""
    if isinstance(case.op, Conv | Conv2d | DepthwiseConv2d):
        return math.prod(case.operands[1].shape[:2])
    return math.prod(getattr(case.op, "kernel", ()))


def first_of_each(count: int, cases: Iterable[Case]) -> list[Case]:
    """So many cases of each operator and rounding: every compilation takes time."""
    seen = Counter()
    chosen = []
    for case in cases:
        rounding = getattr(case.op, "scheme", getattr(case.op, "rounding", None))
        seen[type(case.op), rounding] += 1
        if seen[type(case.op), rounding] <= count:
            chosen.append(case)
    return chosen


# Parameters of a whole tensor: there is no batch to take apart.
WHOLE = {DynamicScale, DynamicZeroPoint}
FEW = first_of_each(1, (case for case in CASES if type(case.op) not in WHOLE))
EAGER = first_of_each(1, (case for case in CASES if taps(case) <= 4))


def test_every_kernel_runs_without_jit_and_with_other_batches():
    assert {type(case.op) for case in EAGER} == set(KERNELS)
    assert {type(case.op) for case in FEW} == set(KERNELS) - WHOLE


@pytest.mark.slow
@pytest.mark.parametrize("case", EAGER, ids=str)
def test_without_jit_nothing_changes(case: Case):
    operands = case.draw()
    eager = KERNELS[type(case.op)](case.op, *map(jax.numpy.asarray, operands))
    assert_same(eager, np.asarray(compiled(case)(*operands)))


@pytest.mark.parametrize("case", FEW, ids=str)
def test_batch_of_two_equals_two_batches_of_one(case: Case):
    operands = case.draw()
    singles = [
        compiled(case)(
            *(
                values[i : i + 1] if operand.batched else values
                for values, operand in zip(operands, case.operands, strict=True)
            )
        )
        for i in range(2)
    ]
    assert_same(np.concatenate(singles), np.asarray(compiled(case)(*operands)))


SUMS = [case for case in CASES if isinstance(case.op, Accumulating)]


def exact_carriers(case: Case, operands: tuple[Array, ...]) -> set[Carrier]:
    """Every carrier whose proof holds for these weights, whatever the input."""
    assert isinstance(case.op, Accumulating)
    op, (x, w, *bias) = case.op, operands
    held = np.iinfo(x.dtype)
    reach = max(abs(int(limit) - op.x_zero_point) for limit in (held.min, held.max))
    sizes = abs(w.astype(object) - op.w_zero_point)
    if isinstance(op, DepthwiseConv2d | BatchMatMul):
        summed = sizes.sum(axis=(0, 1) if isinstance(op, DepthwiseConv2d) else -2)
    else:
        summed = sizes.reshape(-1, sizes.shape[-1]).sum(axis=0)
    biases = abs(bias[0].astype(object)) if bias else np.zeros(1, object)
    bound = summed.max() * reach + biases.max()
    register = op.accumulator
    wraps = register.overflow is Overflow.WRAP
    bytes_only = x.dtype.itemsize == w.dtype.itemsize == 1
    settled = not register.in_steps or bound <= register.max
    proofs = {
        Carrier.SEQUENTIAL: register.saturate is not Stage.END,
        Carrier.INT8: settled
        and bytes_only
        and ((wraps and register.bits <= 32) or bound < 2**31),
        Carrier.FLOAT32: settled and bound <= 2**24,
        Carrier.FLOAT64: settled and bound <= 2**53,
        Carrier.INT64: settled and (wraps or bits_needed(-bound, bound) <= 64),
    }
    return {carrier for carrier, exact in proofs.items() if exact}


@pytest.mark.parametrize("case", SUMS, ids=str)
def test_every_exact_carrier_gives_the_same_sums(case: Case):
    assert isinstance(case.op, Accumulating)
    drawn = [case.draw(data) for data in (Data.RANDOM, Data.LOW_HIGH)]
    carriers = sorted(
        set.intersection(*(exact_carriers(case, operands) for operands in drawn))
        - {exact_carrier(case.op.accumulator)},  # that of every other test
        key=lambda carrier: carrier.value,
    )
    kernel = KERNELS[type(case.op)]
    every = jax.jit(lambda *o: [kernel(case.op, *o, carrier=c) for c in carriers])
    for operands in drawn:
        expected = compute(case.op, *operands)
        for found in every(*operands):
            assert_same(found, expected)


def test_every_carrier_is_tried():
    tried = {c for case in SUMS for c in exact_carriers(case, case.draw())}
    assert tried == set(Carrier)
