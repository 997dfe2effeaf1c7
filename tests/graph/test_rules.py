"""Numbers in operators that their operands' formats cannot hold are refused."""

import numpy as np
import pytest

from emu.fixedpoint import INT8, UINT8, IntFormat, RescaleScheme, Rounding
from emu.graph import Tensor
from emu.graph.rules import RULES
from emu.graph.rules_engine import ENGINE_RULES
from emu.graph.rules_integer import INTEGER_RULES
from emu.ops import (
    AvgPool2d,
    BatchMatMul,
    Clamp,
    Conv2d,
    Conv3d,
    DepthwiseConv2d,
    MatMul,
    ReduceSum,
    Rescale,
    Table,
    TransposeConv2d,
)

X8 = Tensor(shape=(None, 4), dtype="int8", format=INT8)
X4 = Tensor(shape=(None, 4), dtype="int8", format=IntFormat(4))
X32 = Tensor(shape=(None, 4), dtype="int32")
W8 = np.zeros((1, 1, 4, 4), np.int8)
INTS, FLOATS = np.ones(1, np.int32), np.ones(1, np.float32)
ONE, FP32 = RescaleScheme.SINGLE_ROUND, RescaleScheme.FLOAT32_HALF_EVEN

SOUND = [
    (Conv2d(x_zero_point=-128), [X8, W8]),
    (Conv3d(w_zero_point=-128), [X8, W8]),
    (BatchMatMul(y_zero_point=-8), [X8, X4]),
    (MatMul(w_zero_point=255), [X8, W8.astype(np.uint8)]),
    (Clamp(low=-8, high=7), [X4]),
    (Table(x_min=-8), [X4, np.zeros(16, np.int8)]),
    (Rescale(scheme=ONE, format=INT8, zero_point=127), [X32, INTS, INTS]),
    (Rescale(scheme=FP32, format=INT8, x_zero_point=-128), [X8, FLOATS, INTS * 0]),
    (AvgPool2d(kernel=(1, 1), format=INT8), [X8]),
]
BROKEN = [
    (Conv2d(x_zero_point=128), [X8, W8], "x_zero_point is 128, expected -128..127"),
    (MatMul(x_zero_point=8), [X4, W8], "x_zero_point is 8, expected -8..7 as int4"),
    (DepthwiseConv2d(x_zero_point=-9), [X4, W8], "x_zero_point is -9"),
    (Conv3d(w_zero_point=128), [X8, W8], "w_zero_point is 128"),
    (TransposeConv2d(w_zero_point=-129), [X8, W8], "w_zero_point is -129"),
    (BatchMatMul(y_zero_point=8), [X8, X4], "y_zero_point is 8, expected -8..7"),
    (ReduceSum(axes=(1,), x_zero_point=-129), [X8], "x_zero_point is -129"),
    (Clamp(low=-(1 << 40), high=0), [X8], "low is -1099511627776"),
    (Clamp(low=0, high=8), [X4], "high is 8, expected -8..7"),
    (Table(x_min=-8), [X4, np.zeros(15, np.int8)], "15 entries from -8"),
    (Table(x_min=1 << 40), [X4, np.zeros(16, np.int8)], "16 entries from"),
    (
        Rescale(scheme=ONE, format=INT8, x_zero_point=3),
        [X32, INTS, INTS],
        "expected 0 for int32",
    ),
    (
        Rescale(scheme=FP32, format=INT8),
        [X32, INTS, INTS],
        "multipliers are int32, float32-half-even has float32",
    ),
    (
        Rescale(scheme=ONE, format=INT8),
        [X32, FLOATS, INTS],
        "multipliers are float32, single-round has int32",
    ),
    (
        Rescale(scheme=ONE, format=INT8, x_left_shift=32),
        [X8, INTS, INTS],
        "x_left_shift is 32",
    ),
    (
        Rescale(scheme=ONE, format=INT8, rounding=Rounding.FLOOR),
        [X32, INTS, INTS],
        "rounding is floor, single-round has its own",
    ),
    (
        Rescale(scheme=ONE, format=INT8),
        [X32, -INTS, INTS],
        "multipliers are -1..-1, single-round has 0..2147483647",
    ),
    (
        Rescale(scheme=RescaleScheme.TOSA_SCALE16, format=INT8),
        [X32, INTS << 15, INTS],
        "multipliers are 32768..32768, tosa-scale16 has 0..32767",
    ),
    (
        Rescale(scheme=ONE, format=INT8),
        [X32, INTS, INTS * 63],
        "shifts are 63..63, single-round has 1..62",
    ),
    (
        Rescale(scheme=FP32, format=INT8),
        [X32, FLOATS * np.float32("nan"), INTS * 0],
        "multipliers are nan..nan",
    ),
    (
        Rescale(scheme=ONE, format=UINT8, zero_point=-1),
        [X32, INTS, INTS],
        "zero_point is -1, expected 0..255 as uint8",
    ),
    (AvgPool2d(kernel=(1, 1), format=UINT8), [X8], "format uint8 on an operand"),
]


@pytest.mark.parametrize(("op", "operands"), SOUND)
def test_numbers_inside_the_formats_pass(op, operands):
    assert RULES[type(op)](op, operands) is None


@pytest.mark.parametrize(("op", "operands", "message"), BROKEN)
def test_numbers_outside_the_formats_are_named(op, operands, message):
    assert message in RULES[type(op)](op, operands)


def test_every_rule_has_a_broken_case():
    elsewhere = {**INTEGER_RULES, **ENGINE_RULES}
    assert {type(op) for op, _, _ in BROKEN} == set(RULES) - set(elsewhere)
