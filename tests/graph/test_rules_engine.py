"""Tables and numbers that do not fit an engine's operator are refused."""

import numpy as np
import pytest

from emu.fixedpoint import INT8, IntFormat, QParams, Rounding
from emu.graph import Tensor
from emu.graph.rules_engine import ENGINE_RULES as RULES
from emu.ops import (
    BinaryTable,
    ChannelTable,
    DequantizedAvgPool2d,
    FloatRescale,
    IntegerSoftmax,
    ResizeInteger,
    ResizeSingle,
    SoftmaxStyle,
)

X4 = Tensor(shape=(None, 4), dtype="int8", format=IntFormat(4))
X8 = Tensor(shape=(None, 4), dtype="int8", format=INT8)
IMAGE = Tensor(shape=(None, 5, 4, 3), dtype="int8", format=INT8)
SUM = Tensor(shape=(None, 4), dtype="int32")
REALS, INTS = np.ones(256, np.float32), np.ones(256, np.int32)
PAIRS = np.zeros(65536, np.int8)
ROWS = np.array([[0, 4], [1, 4], [512, 0]], np.int32)
COLUMNS = np.array([[0], [3], [1024]], np.int32)
Q = QParams((0.1,), (3,))
Q2 = QParams((0.1, 0.2), (0, 0), axis=-1)
FIXED, FLOAT = SoftmaxStyle.LITERT_FIXED, SoftmaxStyle.LITERT_FLOAT
RESIZE = ResizeInteger(bits=10, rounding=Rounding.HALF_UP)
SINGLE = ResizeSingle(joint=True)
SHARES = [np.full((2, 2), 0.5, np.float32), np.full((2, 1), 0.5, np.float32)]

SOUND = [
    (IntegerSoftmax(style=FIXED), [X8, INTS]),
    (IntegerSoftmax(style=FLOAT), [X8, REALS]),
    (BinaryTable(x_min=-128, y_min=-128), [X8, X8, PAIRS]),
    (ChannelTable(x_min=-128), [X8, np.zeros((4, 256), np.int8)]),
    (ChannelTable(x_min=-8), [X4, np.zeros((4, 16), np.int8)]),
    (FloatRescale(format=INT8, scale=0.1), [SUM]),
    (DequantizedAvgPool2d(kernel=(2, 2), x=Q, y=Q), [IMAGE]),
    (RESIZE, [IMAGE, ROWS, COLUMNS]),
    (SINGLE, [IMAGE, ROWS[:2], COLUMNS[:2], *SHARES]),
]
BROKEN = [
    (IntegerSoftmax(style=FIXED), [X8, REALS], "['float32'] entries, expected"),
    (IntegerSoftmax(style=FIXED), [X8, INTS[:9]], "tables of [9]"),
    (IntegerSoftmax(style=FIXED), [SUM, INTS], "expected 8 bits on both sides"),
    (IntegerSoftmax(style=FLOAT, zero_point=128), [X8, REALS], "outside int8"),
    (IntegerSoftmax(style=FLOAT, scale=0.0), [X8, REALS], "scale is 0.0"),
    (IntegerSoftmax(style=FIXED, shift=63), [X8, INTS], "shift 63"),
    (BinaryTable(x_min=0, y_min=-128), [X8, X8, PAIRS], "least values are (0, -128)"),
    (BinaryTable(x_min=-128, y_min=-128), [X8, SUM, PAIRS], "as 8 bits hold"),
    (BinaryTable(x_min=-128, y_min=-128), [X8, X8, PAIRS[1:]], "65535 entries"),
    (ChannelTable(x_min=-128), [X8, np.zeros((3, 256), np.int8)], "shape (3, 256)"),
    (ChannelTable(x_min=-128), [X4, np.zeros((4, 256), np.int8)], "expected (4, 16)"),
    (ChannelTable(x_min=0), [X8, np.zeros((4, 256), np.int8)], "x_min is 0"),
    (FloatRescale(format=INT8, scale=np.inf), [SUM], "must be finite"),
    (FloatRescale(format=INT8, scale=1.0, zero_point=200), [SUM], "outside int8"),
    (DequantizedAvgPool2d(kernel=(1, 1), x=Q2, y=Q), [IMAGE], "per channel"),
    (SINGLE, [IMAGE, ROWS[:2] + 9, COLUMNS[:2], *SHARES], "rows name a pixel outside"),
    (SINGLE, [IMAGE, ROWS, COLUMNS[:2], *SHARES], "rows and their shares are no"),
    (
        SINGLE,
        [IMAGE, ROWS[:2], COLUMNS[:2], SHARES[0], SHARES[1] + np.inf],
        "columns have a share that is not finite",
    ),
    (RESIZE, [IMAGE, ROWS + 1, COLUMNS], "rows name a pixel outside"),
    (RESIZE, [IMAGE, ROWS, COLUMNS[:2]], "columns are no constant of shape"),
    (RESIZE, [IMAGE, ROWS, COLUMNS * 2 // 2 + [[0], [0], [1]]], "have a share outside"),
    (
        ResizeInteger(bits=40, rounding=Rounding.HALF_UP),
        [IMAGE, ROWS, COLUMNS],
        "shares of 40 bits",
    ),
]


@pytest.mark.parametrize(("op", "operands"), SOUND)
def test_sound_numbers_pass(op, operands):
    assert RULES[type(op)](op, operands) is None


@pytest.mark.parametrize(("op", "operands", "complaint"), BROKEN)
def test_broken_numbers_are_named(op, operands, complaint):
    assert complaint in (RULES[type(op)](op, operands) or "")


def test_every_rule_has_a_broken_case():
    assert {type(op) for op, _, _ in BROKEN} == set(RULES)
