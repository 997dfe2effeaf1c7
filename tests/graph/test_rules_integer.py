"""The rules of the integer functions, each broken once."""

import numpy as np
import pytest

from emu import ops
from emu.graph.graph import Tensor
from emu.graph.rules import RULES

BYTES = Tensor(shape=(None, 4), dtype="int8")
SHORTS = Tensor(shape=(None, 4), dtype="int16")
WORDS = Tensor(shape=(None, 4), dtype="int32")
MASK = Tensor(shape=(None, 4), dtype="bool")
ROWS = np.zeros((2, 3), np.int32)

BROKEN = {
    "two dtypes": (ops.Add(), [BYTES, WORDS], "int8 and int32, expected one dtype"),
    "a shift of another dtype": (
        ops.LogicalLeftShift(),
        [BYTES, SHORTS],
        "expected one dtype",
    ),
    "two dtypes to select from": (
        ops.Select(),
        [MASK, BYTES, WORDS],
        "int8 and int32",
    ),
    "rows of another dtype": (ops.Scatter(), [BYTES, ROWS, WORDS], "int8 and int32"),
    "a shifted product of bytes": (
        ops.Mul(shift=3),
        [BYTES, BYTES],
        "shift is 3 on int8, expected 0, or up to 63 on int32",
    ),
    "a shift beyond 64 bits": (ops.Mul(shift=64), [WORDS, WORDS], "shift is 64"),
    "a negative shift": (ops.Mul(shift=-1), [WORDS, WORDS], "shift is -1"),
    "a zero point beyond the dtype": (
        ops.Negate(zero_point=128),
        [BYTES],
        "zero_point is 128, expected -128..127",
    ),
    "a table of 256 entries": (
        ops.InterpolatedTable(),
        [SHORTS, np.zeros(256, np.int16)],
        "256 entries, expected 513",
    ),
    "an index without a level": (
        ops.Codebook(),
        [np.array([0, 3], np.uint8), np.zeros(3, np.int8)],
        "index 3 in a codebook of 3 levels",
    ),
    "more levels than a byte counts": (
        ops.Codebook(),
        [BYTES, np.zeros(257, np.int16)],
        "257 levels, expected 1..256",
    ),
    "an average's other zero point": (
        ops.AvgPool2d(kernel=(1, 1), x_zero_point=-129),
        [BYTES],
        "x_zero_point is -129",
    ),
}

SOUND = [
    (ops.Add(), [WORDS, WORDS]),
    (ops.Mul(), [BYTES, BYTES]),
    (ops.Mul(shift=63), [WORDS, WORDS]),
    (ops.Select(), [MASK, BYTES, BYTES]),
    (ops.Scatter(), [BYTES, ROWS, BYTES]),
    (ops.Negate(x_zero_point=-128, zero_point=127), [BYTES]),
    (ops.InterpolatedTable(), [SHORTS, np.zeros(513, np.int16)]),
    (ops.Codebook(), [np.array([0, 2], np.uint8), np.zeros(3, np.int8)]),
    (ops.AvgPool2d(kernel=(1, 1), zero_point=5, x_zero_point=-128), [BYTES]),
]


@pytest.mark.parametrize(("op", "operands", "message"), BROKEN.values(), ids=BROKEN)
def test_a_broken_rule_is_told(op: ops.Op, operands: list, message: str):
    assert message in (RULES[type(op)](op, operands) or "")


@pytest.mark.parametrize(("op", "operands"), SOUND, ids=lambda v: type(v).__name__)
def test_sound_numbers_are_no_complaint(op: ops.Op, operands: list):
    assert RULES[type(op)](op, operands) is None
