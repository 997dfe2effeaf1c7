"""Small files that are already quantized, for tests of what takes them directly."""

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from tests.frontends.tflite_models import LiteNode, options, packed, tflite_model
from tests.oracles.litert import Lite, lite_constant


def tiny_tflite() -> bytes:
    """Conv 3x3 with Relu, reshape, dense, softmax; int8 [4, 4, 2] to int8 [4]."""
    rng = np.random.default_rng(6)

    def integers(*shape: int) -> np.ndarray:
        return rng.integers(-127, 128, shape, np.int8)

    conv_scale = (0.004, 0.006, 0.003)
    bias_scale = tuple(0.05 * scale for scale in conv_scale)
    tensors = {
        "x": Lite(shape=(1, 4, 4, 2), scale=0.05, zero_point=3),
        "conv/w": lite_constant(integers(3, 3, 3, 2), conv_scale, (0, 0, 0)),
        "conv/b": lite_constant(
            np.array([100, -500, 0], np.int32), bias_scale, (0, 0, 0)
        ),
        "conv": Lite(shape=(1, 4, 4, 3), scale=0.08, zero_point=-128),
        "shape": lite_constant(np.array([1, 48], np.int32)),
        "flat": Lite(shape=(1, 48), scale=0.08, zero_point=-128),
        "dense/w": lite_constant(integers(4, 48), 0.01),
        "dense/b": lite_constant(np.array([9, -9, 0, 99], np.int32), 0.08 * 0.01),
        "dense": Lite(shape=(1, 4), scale=0.4, zero_point=5),
        "y": Lite(shape=(1, 4), scale=1 / 256, zero_point=-128),
    }
    relu = 1
    nodes = [
        LiteNode(
            operator="CONV_2D",
            inputs=(0, 1, 2),
            outputs=(3,),
            options=options(
                "Conv2DOptions", strideH=1, strideW=1, fusedActivationFunction=relu
            ),
        ),
        LiteNode(
            operator="RESHAPE",
            inputs=(3, 4),
            outputs=(5,),
            options=options("ReshapeOptions", newShape=[1, 48]),
        ),
        LiteNode(
            operator="FULLY_CONNECTED",
            inputs=(5, 6, 7),
            outputs=(8,),
            options=options("FullyConnectedOptions"),
        ),
        LiteNode(
            operator="SOFTMAX",
            inputs=(8,),
            outputs=(9,),
            options=options("SoftmaxOptions", beta=1.0),
        ),
    ]
    file = tflite_model(list(tensors.values()), nodes, [0], [9], list(tensors))
    return packed(file)


def tiny_qdq() -> onnx.ModelProto:
    """Quantize, dense, Relu, quantize, dequantize: float [6] to float [4], QDQ."""
    rng = np.random.default_rng(7)
    arrays = {
        "xs": np.float32(0.02),
        "xz": np.uint8(120),
        "ws": np.float32(0.01),
        "wz": np.int8(0),
        "w": rng.integers(-127, 128, (6, 4), np.int8),
        "bs": np.float32(0.0002),
        "bz": np.int32(0),
        "b": np.array([100, -400, 0, 7], np.int32),
        "ys": np.float32(0.01),
        "yz": np.uint8(3),
    }
    nodes = [
        helper.make_node("QuantizeLinear", ["x", "xs", "xz"], ["xq"], "xq"),
        helper.make_node("DequantizeLinear", ["xq", "xs", "xz"], ["xd"], "xd"),
        helper.make_node("DequantizeLinear", ["w", "ws", "wz"], ["wd"], "wd"),
        helper.make_node("DequantizeLinear", ["b", "bs", "bz"], ["bd"], "bd"),
        helper.make_node("Gemm", ["xd", "wd", "bd"], ["sums"], "dense"),
        helper.make_node("Relu", ["sums"], ["real"], "relu"),
        helper.make_node("QuantizeLinear", ["real", "ys", "yz"], ["yq"], "yq"),
        helper.make_node("DequantizeLinear", ["yq", "ys", "yz"], ["y"], "yd"),
    ]
    graph = helper.make_graph(
        nodes,
        "tiny_qdq",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 6])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", 4])],
        [numpy_helper.from_array(np.asarray(a), n) for n, a in arrays.items()],
    )
    opsets = [helper.make_opsetid("", 17)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=8)
