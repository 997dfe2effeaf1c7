"""Shapes and dtypes come from the kernels; the batch axis is first and alone."""

from typing import Any

import numpy as np
import pytest

from emu import ops
from emu.errors import GraphError
from emu.fixedpoint import Accumulator
from emu.graph import Tensor, infer
from tests.ops.cases import CASES
from tests.ops.operands import Case
from tests.oracles.interpreter import compute

IMAGE = Tensor(shape=(None, 5, 7, 3), dtype="int8")


@pytest.mark.parametrize("case", CASES[::4], ids=str)
def test_inferred_is_what_the_oracle_computes(case: Case):
    operands = case.draw()
    described = [
        Tensor(shape=(None, *array.shape[1:]), dtype=str(array.dtype))
        if operand.batched
        else array
        for operand, array in zip(case.operands, operands, strict=True)
    ]
    result = compute(case.op, *operands)
    free = any(operand.batched for operand in case.operands)
    shape = (None, *result.shape[1:]) if free else result.shape
    expected = (shape, str(result.dtype))
    assert infer(case.op, described, "node") == expected


def test_constants_alone_have_no_batch():
    row = np.zeros((5, 2), np.float32)
    assert infer(ops.Relu(), [row], "node") == ((5, 2), "float32")


def test_sizes_that_look_like_a_batch_are_no_batch():
    square = Tensor(shape=(None, 5, 5, 7), dtype="int8")
    assert infer(ops.Reshape(shape=(175,)), [square], "n") == ((None, 175), "int8")


def test_wide_accumulators_are_int64():
    op = ops.MatMul(accumulator=Accumulator(33))
    w, bias = np.zeros((4, 2), np.int8), np.zeros(2, np.int32)
    x = Tensor(shape=(None, 4), dtype="int8")
    assert infer(op, [x, w, bias], "node") == ((None, 2), "int64")


MOVES_THE_BATCH = [
    (ops.Transpose(perm=(3, 1, 2, 0)), [IMAGE], "first axis must be the batch"),
    (ops.Transpose(perm=(1, 0, 2, 3)), [IMAGE], "first axis"),
    # The axis of 5 is as long as the first trial batch.
    (ops.ReduceSum(axes=(0,), keepdims=False), [IMAGE], "must be the batch"),
    (ops.ReduceSum(axes=(0,)), [IMAGE], "first axis must be the batch"),
    (ops.ReduceSum(axes=(0, 1), keepdims=False), [IMAGE], "must be the batch"),
    (ops.Concat(axis=0), [IMAGE, IMAGE], "first axis must be the batch"),
    (
        ops.Pad(padding=((0, 1), (0, 0), (0, 0), (0, 0))),
        [IMAGE],
        "first axis must be the batch",
    ),
    # 5 = the first trial batch: only the second shows that this fits nothing else.
    (
        ops.Add(),
        [Tensor(shape=(None, 2), dtype="int32"), np.zeros((5, 2), np.int32)],
        "Add cannot take operands of shapes",
    ),
    (
        ops.MatMul(),
        [
            Tensor(shape=(None, 2), dtype="int8"),
            Tensor(shape=(2, None), dtype="int8"),
            np.zeros(1, np.int32),
        ],
        "MatMul cannot take operands of shapes|may depend on the batch",
    ),
    (
        ops.Gemm(),
        [
            Tensor(shape=(None, 2), dtype="float32"),
            Tensor(shape=(2, None), dtype="float32"),
        ],
        "only the first axis may depend on the batch",
    ),
]


@pytest.mark.parametrize(("op", "operands", "message"), MOVES_THE_BATCH)
def test_the_batch_axis_must_stay_first_and_alone(op: Any, operands: Any, message: str):
    with pytest.raises(GraphError, match=message) as caught:
        infer(op, operands, "culprit")
    assert caught.value.where == "culprit"


IMPOSSIBLE = [
    (ops.MaxPool(kernel=(9, 9)), [IMAGE]),
    (ops.MaxPool(kernel=(6, 1)), [IMAGE]),
    (ops.MaxPool(kernel=(0, 1)), [IMAGE]),
    (ops.MaxPool(kernel=(1, 1), stride=(0, 1)), [IMAGE]),
    (ops.MaxPool(kernel=(1, 1), stride=(-1, 1)), [IMAGE]),
    (ops.MaxPool(kernel=(1, 1), padding=((-5, 0), (0, 0))), [IMAGE]),
    (ops.MaxPool(kernel=(2, 2), dilation=(-1, 1)), [IMAGE]),
    (ops.AvgPool2d(kernel=(9, 9)), [IMAGE]),
    (ops.AvgPool2d(kernel=(1, 1), padding=((2, 0), (0, 0))), [IMAGE]),
    (ops.AvgPool2d(kernel=(1, 1), padding=((-9, 0), (0, 0))), [IMAGE]),
    (ops.AvgPool2d(kernel=(0, 0)), [IMAGE]),
    (ops.AvgPool2d(kernel=(-1, 2)), [IMAGE]),
    (ops.Reshape(shape=(4,)), [IMAGE]),
    (ops.Reshape(shape=(-1, -1)), [IMAGE]),
    (ops.Transpose(perm=(0, 1)), [IMAGE]),
    (ops.Transpose(perm=(0, 1, 2, 9)), [IMAGE]),
    (ops.Concat(axis=9), [IMAGE, IMAGE]),
    (ops.Concat(axis=1), []),
    (ops.Relu(), [IMAGE, IMAGE]),
    (ops.Relu(), []),
    (ops.Pad(padding=((0, 0),)), [IMAGE]),
    (ops.Pad(padding=((0, 0), (-9, 0), (0, 0), (0, 0))), [IMAGE]),
    (ops.ReduceSum(axes=(4,)), [IMAGE]),
    (ops.ReduceSum(axes=(1, 1)), [IMAGE]),
    (ops.Conv2d(), [IMAGE, np.zeros((3, 3, 2, 4), np.int8), np.zeros(4, np.int32)]),
    (ops.Conv2d(), [IMAGE, np.zeros((3, 3, 3, 4), np.int8), np.zeros(5, np.int32)]),
    (
        ops.Conv2d(groups=2),
        [IMAGE, np.zeros((3, 3, 3, 4), np.int8), np.zeros(4, np.int32)],
    ),
    (
        ops.Conv2d(groups=0),
        [IMAGE, np.zeros((3, 3, 3, 4), np.int8), np.zeros(4, np.int32)],
    ),
    (
        ops.Conv2d(x_zero_point=200, padding=((1, 0), (0, 0))),
        [IMAGE, np.zeros((3, 3, 3, 4), np.int8), np.zeros(4, np.int32)],
    ),
    (ops.Conv2d(), [IMAGE, np.zeros((3, 3), np.int8), np.zeros(4, np.int32)]),
    (
        ops.DepthwiseConv2d(),
        [IMAGE, np.zeros((3, 3, 2, 1), np.int8), np.zeros(2, np.int32)],
    ),
    (ops.MatMul(), [Tensor(shape=(None,), dtype="int8"), np.zeros((3, 2), np.int8)]),
    (ops.Softmax(axis=7), [Tensor(shape=(None, 3))]),
    (ops.Pad(padding=((0, 0), (1, 0), (0, 0), (0, 0)), value=1e10), [IMAGE]),
    (ops.Pad(padding=((0, 0), (1 << 40, 0), (0, 0), (0, 0))), [IMAGE]),
    (ops.MaxPool(kernel=(3, 3), padding=((1 << 40, 1), (1 << 40, 1))), [IMAGE]),
    (ops.AvgPool2d(kernel=(3, 3), padding=((1 << 20, 1), (1 << 20, 1))), [IMAGE]),
]


@pytest.mark.parametrize(("op", "operands"), IMPOSSIBLE, ids=str)
def test_what_a_kernel_cannot_take_is_a_graph_error(op: Any, operands: Any):
    with pytest.raises(GraphError) as caught:
        infer(op, operands, "culprit")
    assert caught.value.where == "culprit"
    assert "\n" not in str(caught.value)


WRONG_KINDS = [
    (
        ops.Relu(),
        [IMAGE],
        "Relu cannot take operand 0 of dtype int8, expected float16 or float32",
    ),
    (
        ops.Add(),
        [Tensor(shape=(None, 2), dtype=dtype) for dtype in ("float16", "float32")],
        "operands of float16 and of float32",
    ),
    (ops.Relu(), [Tensor(shape=(None, 2), dtype="float64")], "of dtype float64"),
    (ops.Add(), [Tensor(shape=(None, 2), dtype="complex64")] * 2, "dtype complex64"),
    (ops.Reshape(shape=(2,)), [Tensor(shape=(None, 2), dtype="U4")], "dtype U4"),
    (ops.Reshape(shape=(2,)), [Tensor(shape=(None, 2), dtype="made-up")], "made-up"),
    (
        ops.Clamp(low=0, high=1),
        [Tensor(shape=(None, 2))],
        "dtype float32, expected int",
    ),
    (
        ops.Concat(axis=1),
        [IMAGE, Tensor(shape=(None, 5, 7, 3), dtype="object")],
        "operand 1 of dtype object",
    ),
    (
        ops.Conv2d(),
        [IMAGE, np.zeros((3, 3, 3, 4), np.int8), np.zeros(4, np.float32)],
        "Conv2d cannot take operand 2 of dtype float32",
    ),
]


@pytest.mark.parametrize(("op", "operands", "message"), WRONG_KINDS)
def test_no_operand_is_converted_silently(op: Any, operands: Any, message: str):
    with pytest.raises(GraphError, match=message):
        infer(op, operands, "culprit")
