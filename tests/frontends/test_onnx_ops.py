"""Each ONNX operator, in each of its versions, beside ONNX Runtime."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import helper

from tests.frontends.run import (
    check_against_onnxruntime,
    model_of,
    one_node_model,
    opsets_of,
)

IMAGE = ("N", 4, 6, 5)
Arrays = Mapping[str, np.ndarray]


def normal(*shape: int, seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def whole(*values: int) -> np.ndarray:
    return np.array(values, np.int64)


def model(
    op: str,
    opset: int,
    *shapes: Sequence[int | str],
    constants: Arrays | None = None,
    **attributes: Any,
) -> onnx.ModelProto:
    return one_node_model(op, shapes, opset=opset, constants=constants, **attributes)


def conv(opset: int) -> onnx.ModelProto:
    constants = {"w": normal(6, 2, 3, 2), "b": normal(6)}
    geometry: dict[str, Any] = {"group": 2, "strides": [2, 1], "pads": [1, 0, 2, 1]}
    return model("Conv", opset, IMAGE, constants=constants, **geometry)


def max_pool(opset: int) -> onnx.ModelProto:
    newer: dict[str, Any] = {"dilations": [1, 2], "ceil_mode": 1} if opset >= 10 else {}
    window: dict[str, Any] = {
        "kernel_shape": [3, 2],
        "strides": [2, 2],
        "pads": [1, 0, 1, 1],
    }
    return model("MaxPool", opset, IMAGE, **window, **newer)


def average_pool(opset: int) -> onnx.ModelProto:
    window: dict[str, Any] = {
        "kernel_shape": [3, 2],
        "strides": [2, 1],
        "pads": [1, 0, 1, 1],
    }
    return model("AveragePool", opset, IMAGE, **window)


def average_pool_with_pads(opset: int) -> onnx.ModelProto:
    window: dict[str, Any] = {
        "kernel_shape": [3, 2],
        "pads": [1, 0, 1, 1],
        "count_include_pad": 1,
    }
    return model("AveragePool", opset, IMAGE, **window)


def gemm(opset: int) -> onnx.ModelProto:
    constants = {"w": normal(7, 4), "b": normal(1, 7)}
    scales = {"alpha": 0.5, "beta": 2.0, "transB": 1}
    return model("Gemm", opset, ("N", 4), constants=constants, **scales)


def gemm_plain(opset: int) -> onnx.ModelProto:
    return model("Gemm", opset, ("N", 4), constants={"w": normal(4, 7), "b": normal(7)})


def matmul(opset: int) -> onnx.ModelProto:
    return model("MatMul", opset, ("N", 4), constants={"w": normal(4, 3)})


def matmul_of_images(opset: int) -> onnx.ModelProto:
    return model("MatMul", opset, IMAGE, constants={"w": normal(1, 5, 3)})


def batch_normalization(opset: int) -> onnx.ModelProto:
    return _batch_normalization(opset, IMAGE)


def batch_normalization_of_sequences(opset: int) -> onnx.ModelProto:
    return _batch_normalization(opset, ("N", 4, 3))


def _batch_normalization(opset: int, shape: Sequence[int | str]) -> onnx.ModelProto:
    names = ("scale", "bias", "mean", "var")
    constants = {name: normal(4, seed=i) for i, name in enumerate(names)}
    constants["var"] = np.square(constants["var"]) + np.float32(0.1)
    op = "BatchNormalization"
    return model(op, opset, shape, constants=constants, epsilon=1e-3)


def clip(opset: int) -> onnx.ModelProto:
    if opset < 11:
        return model("Clip", opset, IMAGE, min=-0.5, max=0.25)
    limits = {"low": np.float32(-0.5), "high": np.float32(0.25)}
    limits = {name: np.array(value) for name, value in limits.items()}
    return model("Clip", opset, IMAGE, constants=limits)


def clip_above_only(opset: int) -> onnx.ModelProto:
    if opset < 11:
        return model("Clip", opset, IMAGE, max=0.25)
    high = {"high": np.array(np.float32(0.25))}
    operands = ["x0", "", "high"]
    return one_node_model(
        "Clip", [IMAGE], opset=opset, constants=high, operands=operands
    )


def softmax(opset: int) -> onnx.ModelProto:
    return model("Softmax", opset, IMAGE)


def softmax_of_axis(opset: int) -> onnx.ModelProto:
    return model("Softmax", opset, IMAGE, axis=2)


def softmax_of_rows(opset: int) -> onnx.ModelProto:
    return model("Softmax", opset, ("N", 7), axis=-1)


def dropout(opset: int) -> onnx.ModelProto:
    nodes = [
        helper.make_node("Dropout", ["x0"], ["d"], name="drop"),
        helper.make_node("Relu", ["d"], ["y"], name="relu"),
    ]
    return model_of(nodes, {"x0": IMAGE}, opset=opset)


def reshape(opset: int) -> onnx.ModelProto:
    return model("Reshape", opset, IMAGE, constants={"s": whole(0, 2, -1, 5)})


def reshape_to_rows(opset: int) -> onnx.ModelProto:
    return model("Reshape", opset, IMAGE, constants={"s": whole(-1, 120)})


def flatten(opset: int) -> onnx.ModelProto:
    return model("Flatten", opset, IMAGE)


def squeeze(opset: int) -> onnx.ModelProto:
    return _with_axes("Squeeze", opset, ("N", 4, 1, 5), 2)


def unsqueeze(opset: int) -> onnx.ModelProto:
    return _with_axes("Unsqueeze", opset, ("N", 4, 5), 2)


def _with_axes(
    op: str, opset: int, shape: Sequence[int | str], axis: int
) -> onnx.ModelProto:
    if opset < 13:
        return model(op, opset, shape, axes=[axis])
    return model(op, opset, shape, constants={"axes": whole(axis)})


def transpose(opset: int) -> onnx.ModelProto:
    return model("Transpose", opset, IMAGE, perm=[0, 3, 1, 2])


def concat(opset: int) -> onnx.ModelProto:
    return model("Concat", opset, IMAGE, ("N", 3, 6, 5), axis=1)


def concat_of_rows(opset: int) -> onnx.ModelProto:
    return model("Concat", opset, IMAGE, ("N", 4, 2, 5), axis=2)


def pad(opset: int) -> onnx.ModelProto:
    amounts = [0, 1, 2, 0, 0, 0, 1, 3]
    if opset < 11:
        return model("Pad", opset, IMAGE, pads=amounts, value=0.5)
    constants = {"pads": whole(*amounts), "value": np.array(np.float32(0.5))}
    return model("Pad", opset, IMAGE, constants=constants)


def reduce_mean(opset: int) -> onnx.ModelProto:
    return _reduce_mean(opset, (2, 3), keepdims=1)


def reduce_mean_to_rows(opset: int) -> onnx.ModelProto:
    return _reduce_mean(opset, (-1,), keepdims=0)


def _reduce_mean(opset: int, axes: tuple[int, ...], keepdims: int) -> onnx.ModelProto:
    if opset < 18:
        return model("ReduceMean", opset, IMAGE, axes=list(axes), keepdims=keepdims)
    constants = {"axes": whole(*axes)}
    return model("ReduceMean", opset, IMAGE, constants=constants, keepdims=keepdims)


def arithmetic(op: str, *, constant_first: bool = False):
    def build(opset: int) -> onnx.ModelProto:
        constants = {"c": normal(4, 1, 1)}
        operands = ["c", "x0"] if constant_first else ["x0", "c"]
        return one_node_model(
            op, [IMAGE], opset=opset, constants=constants, operands=operands
        )

    return build


def of_two(op: str):
    return lambda opset: model(op, opset, IMAGE, ("N", 4, 1, 1))


def of_image(op: str, **attributes: Any):
    return lambda opset: model(op, opset, IMAGE, **attributes)


CASES = {
    "conv": ("Conv", conv),
    "max pool": ("MaxPool", max_pool),
    "average pool": ("AveragePool", average_pool),
    "average pool counting pads": ("AveragePool", average_pool_with_pads),
    "global average pool": ("GlobalAveragePool", of_image("GlobalAveragePool")),
    "global max pool": ("GlobalMaxPool", of_image("GlobalMaxPool")),
    "gemm": ("Gemm", gemm),
    "gemm without scales": ("Gemm", gemm_plain),
    "matmul": ("MatMul", matmul),
    "matmul of images": ("MatMul", matmul_of_images),
    "batch norm": ("BatchNormalization", batch_normalization),
    "batch norm of rank 3": ("BatchNormalization", batch_normalization_of_sequences),
    "add constant": ("Add", arithmetic("Add")),
    "sub constant": ("Sub", arithmetic("Sub")),
    "sub from constant": ("Sub", arithmetic("Sub", constant_first=True)),
    "mul constant": ("Mul", arithmetic("Mul")),
    "add": ("Add", of_two("Add")),
    "sub": ("Sub", of_two("Sub")),
    "mul": ("Mul", of_two("Mul")),
    "relu": ("Relu", of_image("Relu")),
    "clip": ("Clip", clip),
    "clip above only": ("Clip", clip_above_only),
    "leaky relu": ("LeakyRelu", of_image("LeakyRelu", alpha=0.2)),
    "sigmoid": ("Sigmoid", of_image("Sigmoid")),
    "hard sigmoid": ("HardSigmoid", of_image("HardSigmoid", alpha=0.3)),
    "hard swish": ("HardSwish", of_image("HardSwish")),
    "softmax": ("Softmax", softmax),
    "softmax of an inner axis": ("Softmax", softmax_of_axis),
    "softmax of rows": ("Softmax", softmax_of_rows),
    "identity": ("Identity", of_image("Identity")),
    "dropout": ("Dropout", dropout),
    "reshape": ("Reshape", reshape),
    "reshape to rows": ("Reshape", reshape_to_rows),
    "flatten": ("Flatten", flatten),
    "squeeze": ("Squeeze", squeeze),
    "unsqueeze": ("Unsqueeze", unsqueeze),
    "transpose": ("Transpose", transpose),
    "concat": ("Concat", concat),
    "concat of rows": ("Concat", concat_of_rows),
    "pad": ("Pad", pad),
    "reduce mean": ("ReduceMean", reduce_mean),
    "reduce mean to rows": ("ReduceMean", reduce_mean_to_rows),
}


@pytest.mark.parametrize(
    ("name", "opset"),
    [(name, opset) for name, (op, _) in CASES.items() for opset in opsets_of(op)],
)
def test_operator_agrees_with_onnxruntime(name, opset):
    check_against_onnxruntime(CASES[name][1](opset))
