"""The carriers that programs choose: right on every operator, bounds from what is known."""

from dataclasses import replace
from typing import Any, cast

import numpy as np
import pytest

from emu import ops
from emu.execute import (
    Program,
    accumulation_bound,
    choose_carriers,
    safe_accumulator_bits,
)
from emu.fixedpoint import (
    Accumulator,
    Carrier,
    IntFormat,
    Overflow,
    Stage,
    bits_needed,
)
from emu.graph import Graph, GraphBuilder, Tensor
from tests.graph.samples import graph_of, inputs_of
from tests.ops.operands import Array, Case, Data, activation, bias, weight
from tests.ops.product_cases import (
    BATCH_MATMUL,
    CONV3D,
    STAGED,
    TRANSPOSED,
    WEIGHT_ZERO_POINTS,
)
from tests.oracles.interpreter import compute

CASES = [
    *WEIGHT_ZERO_POINTS[5:15:2],
    CONV3D[-1],
    TRANSPOSED[0],
    *BATCH_MATMUL,
    *STAGED[::4],
]
SATURATE = Overflow.SATURATE
X4, X8 = (Tensor(shape=(None, 4), dtype="int8", format=IntFormat(b)) for b in (4, 8))


def static_graph(case: Case, operands: tuple[Array, ...]) -> Graph:
    """One node whose operands, weights too, are all inputs."""
    builder = GraphBuilder("static")
    names = [
        builder.input(f"x{i}", Tensor(shape=a.shape, dtype=str(a.dtype)))
        for i, a in enumerate(operands)
    ]
    return builder.build((builder.add(case.op, tuple(names), "y"),))


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_program_sums_exactly_with_known_and_with_computed_weights(case: Case):
    operands = case.draw()
    want = compute(case.op, *operands)
    known = Program(graph_of([case]), 2)(inputs_of([case]))
    computed = Program(static_graph(case, operands), 2)(
        {f"x{i}": a for i, a in enumerate(operands)}
    )
    for found in (known[str(case)], computed["y"]):
        assert found.dtype == want.dtype
        np.testing.assert_array_equal(found, want)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_no_input_leaves_the_bound_or_the_safe_width(case: Case):
    drawn = case.draw()
    known, computed = graph_of([case]), static_graph(case, drawn)
    wide: Any = replace(cast("Any", case.op), accumulator=Accumulator(64))
    for graph in (known, computed):
        (node,) = graph.nodes
        bound = accumulation_bound(graph, node)
        limit = 2 ** (safe_accumulator_bits(graph, node) - 1)
        for data in Data:
            # Known weights stay, whatever the data.
            operands = [
                other if operand.batched or graph is computed else first
                for operand, first, other in zip(
                    case.operands, drawn, case.draw(data), strict=True
                )
            ]
            sums = compute(wide, *operands).astype(object)
            assert abs(sums).max() <= bound
            assert -limit <= sums.min() <= sums.max() < limit


def dense(x: Tensor, w: Array, b: Array, accumulator: Accumulator) -> Graph:
    builder = GraphBuilder("dense")
    names = (builder.input("x", x), builder.constant("w", w), builder.constant("b", b))
    op = ops.MatMul(accumulator=accumulator)
    return builder.build((builder.add(op, names, "y", name="y"),))


WEIGHTS = np.array([[3], [-7], [2], [5]], np.int8)
BIAS = np.array([100], np.int32)


@pytest.mark.parametrize(
    ("x", "bits", "stage", "carrier"),
    [
        # sum|w| = 17: 17 * 128 + 100 = 2276 fits 13 bits, 17 * 8 + 100 fits 9.
        (X8, 13, Stage.PRODUCT, Carrier.INT8),
        (X8, 12, Stage.PRODUCT, Carrier.SEQUENTIAL),
        (X8, 12, Stage.END, Carrier.INT8),
        (X4, 9, Stage.PRODUCT, Carrier.INT8),
        (X4, 8, Stage.PRODUCT, Carrier.SEQUENTIAL),
    ],
)
def test_only_registers_that_can_overflow_on_the_way_run_step_by_step(
    x, bits, stage, carrier
):
    graph = dense(x, WEIGHTS, BIAS, Accumulator(bits, SATURATE, stage))
    assert choose_carriers(graph) == {"y": carrier}


def test_the_safe_width_knows_the_signs_of_weights_and_bias():
    graph = dense(X8, WEIGHTS, BIAS, Accumulator(32, SATURATE, Stage.PRODUCT))
    (node,) = graph.nodes
    assert accumulation_bound(graph, node) == 17 * 128 + 100
    greatest = 10 * 127 + 7 * 128 + 100
    assert safe_accumulator_bits(graph, node) == bits_needed(0, greatest) == 13
    lower = dense(X4, WEIGHTS, -BIAS, Accumulator(32))
    least = -10 * 8 - 7 * 7 - 100
    assert safe_accumulator_bits(lower, lower.nodes[0]) == bits_needed(least, 0) == 9


def test_uint8_operands_are_carried_in_int8():
    case = Case(
        name="bytes",
        op=ops.Conv2d(x_zero_point=128, w_zero_point=120),
        operands=(
            activation(5, 5, 3, dtype="uint8"),
            weight(3, 3, 3, 2, dtype="uint8", low=0, high=255),
            bias(2),
        ),
    )
    assert list(choose_carriers(graph_of([case])).values()) == [Carrier.INT8]
