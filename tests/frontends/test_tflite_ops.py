"""Every TFLite operator that is imported, in float, against LiteRT."""

from typing import Any

import numpy as np
import pytest

from emu.frontends.tflite_ops import IMPORTERS
from tests.frontends.tflite_models import check, options, single
from tests.oracles.litert import Lite, Resolver, lite_constant

RNG = np.random.default_rng(3)


def real(*shape: int) -> Lite:
    return Lite(shape=shape, dtype="float32")


def weights(*shape: int) -> Lite:
    return lite_constant(RNG.normal(0, 0.5, shape).astype(np.float32))


def ints(*values: int) -> Lite:
    return lite_constant(np.array(values, np.int32))


def pairs(*values: tuple[int, int]) -> Lite:
    return lite_constant(np.array(values, np.int32))


IMAGE = real(1, 9, 8, 6)
WINDOW = {"strideH": 1, "strideW": 1}
DILATED = WINDOW | {"dilationHFactor": 1, "dilationWFactor": 1}
SAME, VALID = 0, 1
RELU, RELU_N1_TO_1, RELU6, TANH = 1, 2, 3, 4

# Name -> operator, options, operands, results.
CASES: dict[str, tuple[str, Any, list[Any], list[Lite]]] = {
    "conv-same": (
        "CONV_2D",
        options("Conv2DOptions", **DILATED | {"strideH": 2, "strideW": 2}),
        [IMAGE, weights(4, 3, 3, 6), weights(4)],
        [real(1, 5, 4, 4)],
    ),
    "conv-valid-dilated-relu6": (
        "CONV_2D",
        options(
            "Conv2DOptions",
            **DILATED | {"dilationHFactor": 2, "dilationWFactor": 3},
            padding=VALID,
            fusedActivationFunction=RELU6,
        ),
        [IMAGE, weights(4, 3, 2, 6), weights(4)],
        [real(1, 5, 5, 4)],
    ),
    "conv-even-kernel": (
        "CONV_2D",
        options("Conv2DOptions", **DILATED),
        [IMAGE, weights(4, 4, 2, 6), weights(4)],
        [real(1, 9, 8, 4)],
    ),
    "conv-groups": (
        "CONV_2D",
        options("Conv2DOptions", **DILATED),
        [IMAGE, weights(4, 3, 3, 3), weights(4)],
        [real(1, 9, 8, 4)],
    ),
    "depthwise-multiplier": (
        "DEPTHWISE_CONV_2D",
        options(
            "DepthwiseConv2DOptions",
            **DILATED | {"strideH": 2, "strideW": 2},
            depthMultiplier=2,
            fusedActivationFunction=RELU,
        ),
        [IMAGE, weights(1, 3, 3, 12), weights(12)],
        [real(1, 5, 4, 12)],
    ),
    "depthwise-dilated": (
        "DEPTHWISE_CONV_2D",
        options(
            "DepthwiseConv2DOptions",
            **DILATED | {"dilationHFactor": 2, "dilationWFactor": 2},
            depthMultiplier=1,
        ),
        [IMAGE, weights(1, 3, 3, 6), weights(6)],
        [real(1, 9, 8, 6)],
    ),
    "transpose-conv-same": (
        "TRANSPOSE_CONV",
        options("TransposeConvOptions", strideH=2, strideW=2, padding=SAME),
        [ints(1, 17, 16, 5), weights(5, 3, 3, 6), IMAGE, weights(5)],
        [real(1, 17, 16, 5)],
    ),
    "transpose-conv-valid": (
        "TRANSPOSE_CONV",
        options("TransposeConvOptions", strideH=2, strideW=3, padding=VALID),
        [ints(1, 19, 25, 5), weights(5, 3, 4, 6), IMAGE],
        [real(1, 19, 25, 5)],
    ),
    "average-pool-same": (
        "AVERAGE_POOL_2D",
        options("Pool2DOptions", strideH=2, strideW=2, filterHeight=3, filterWidth=3),
        [IMAGE],
        [real(1, 5, 4, 6)],
    ),
    "max-pool-valid-relu": (
        "MAX_POOL_2D",
        options(
            "Pool2DOptions",
            strideH=2,
            strideW=1,
            filterHeight=2,
            filterWidth=3,
            padding=VALID,
            fusedActivationFunction=RELU_N1_TO_1,
        ),
        [IMAGE],
        [real(1, 4, 6, 6)],
    ),
    "resize-bilinear": (
        "RESIZE_BILINEAR",
        options("ResizeBilinearOptions"),
        [IMAGE, ints(5, 20)],
        [real(1, 5, 20, 6)],
    ),
    "resize-bilinear-corners": (
        "RESIZE_BILINEAR",
        options("ResizeBilinearOptions", alignCorners=True),
        [IMAGE, ints(5, 20)],
        [real(1, 5, 20, 6)],
    ),
    "resize-bilinear-half-pixel": (
        "RESIZE_BILINEAR",
        options("ResizeBilinearOptions", halfPixelCenters=True),
        [IMAGE, ints(18, 3)],
        [real(1, 18, 3, 6)],
    ),
    "resize-nearest": (
        "RESIZE_NEAREST_NEIGHBOR",
        options("ResizeNearestNeighborOptions"),
        [IMAGE, ints(5, 20)],
        [real(1, 5, 20, 6)],
    ),
    "resize-nearest-corners": (
        "RESIZE_NEAREST_NEIGHBOR",
        options("ResizeNearestNeighborOptions", alignCorners=True),
        [IMAGE, ints(5, 20)],
        [real(1, 5, 20, 6)],
    ),
    "resize-nearest-half-pixel": (
        "RESIZE_NEAREST_NEIGHBOR",
        options("ResizeNearestNeighborOptions", halfPixelCenters=True),
        [IMAGE, ints(5, 20)],
        [real(1, 5, 20, 6)],
    ),
    "dense-of-images": (
        "FULLY_CONNECTED",
        options("FullyConnectedOptions", fusedActivationFunction=RELU),
        [real(1, 2, 3, 4), weights(5, 24), weights(5)],
        [real(1, 5)],
    ),
    "dense-keeps-axes": (
        "FULLY_CONNECTED",
        options("FullyConnectedOptions", keepNumDims=True),
        [real(1, 3, 4), weights(5, 4), None],
        [real(1, 3, 5)],
    ),
    "matmul": (
        "BATCH_MATMUL",
        options("BatchMatMulOptions"),
        [real(1, 3, 4, 5), real(1, 3, 5, 2)],
        [real(1, 3, 4, 2)],
    ),
    "matmul-adjoint": (
        "BATCH_MATMUL",
        options("BatchMatMulOptions", adjX=True, adjY=True),
        [real(1, 5, 4), real(1, 2, 5)],
        [real(1, 4, 2)],
    ),
    "matmul-constant": (
        "BATCH_MATMUL",
        options("BatchMatMulOptions"),
        [real(1, 4, 5), weights(1, 5, 2)],
        [real(1, 4, 2)],
    ),
    "matmul-constant-adjoint": (
        "BATCH_MATMUL",
        options("BatchMatMulOptions", adjY=True),
        [real(1, 4, 5), weights(1, 2, 5)],
        [real(1, 4, 2)],
    ),
    "add-relu": (
        "ADD",
        options("AddOptions", fusedActivationFunction=RELU),
        [IMAGE, IMAGE],
        [IMAGE],
    ),
    "add-broadcasts": (
        "ADD",
        options("AddOptions"),
        [IMAGE, real(1, 1, 1, 6)],
        [IMAGE],
    ),
    "sub-from-a-constant": (
        "SUB",
        options("SubOptions"),
        [weights(6), IMAGE],
        [IMAGE],
    ),
    "mul-by-a-scalar": ("MUL", options("MulOptions"), [IMAGE, weights()], [IMAGE]),
    "minimum": (
        "MINIMUM",
        options("MaximumMinimumOptions"),
        [IMAGE, weights(6)],
        [IMAGE],
    ),
    "maximum": ("MAXIMUM", options("MaximumMinimumOptions"), [IMAGE, IMAGE], [IMAGE]),
    "squared-difference": (
        "SQUARED_DIFFERENCE",
        options("SquaredDifferenceOptions"),
        [IMAGE, weights(1, 9, 8, 6)],
        [IMAGE],
    ),
    "mean": (
        "MEAN",
        options("ReducerOptions", keepDims=True),
        [IMAGE, ints(1, 2)],
        [real(1, 1, 1, 6)],
    ),
    "mean-of-channels": (
        "MEAN",
        options("ReducerOptions"),
        [IMAGE, ints(-1)],
        [real(1, 9, 8)],
    ),
    "sum": ("SUM", options("ReducerOptions"), [IMAGE, ints(2, 1)], [real(1, 6)]),
    "reduce-max": (
        "REDUCE_MAX",
        options("ReducerOptions"),
        [IMAGE, ints(1, 3)],
        [real(1, 8)],
    ),
    "reduce-min": (
        "REDUCE_MIN",
        options("ReducerOptions", keepDims=True),
        [IMAGE, ints(1)],
        [real(1, 1, 8, 6)],
    ),
    "softmax": ("SOFTMAX", options("SoftmaxOptions", beta=1.0), [IMAGE], [IMAGE]),
    "softmax-beta": (
        "SOFTMAX",
        options("SoftmaxOptions", beta=0.5),
        [real(1, 7)],
        [real(1, 7)],
    ),
    "logistic": ("LOGISTIC", None, [IMAGE], [IMAGE]),
    "tanh": ("TANH", None, [IMAGE], [IMAGE]),
    "hard-swish": ("HARD_SWISH", None, [IMAGE], [IMAGE]),
    "leaky-relu": (
        "LEAKY_RELU",
        options("LeakyReluOptions", alpha=0.3),
        [IMAGE],
        [IMAGE],
    ),
    "prelu": ("PRELU", None, [IMAGE, weights(1, 1, 6)], [IMAGE]),
    "elu": ("ELU", None, [IMAGE], [IMAGE]),
    "gelu": ("GELU", options("GeluOptions"), [IMAGE], [IMAGE]),
    "gelu-approximate": (
        "GELU",
        options("GeluOptions", approximate=True),
        [IMAGE],
        [IMAGE],
    ),
    "exp": ("EXP", options("ExpOptions"), [IMAGE], [IMAGE]),
    "relu": ("RELU", None, [IMAGE], [IMAGE]),
    "relu6": ("RELU6", None, [IMAGE], [IMAGE]),
    "relu-n1-to-1": ("RELU_N1_TO_1", None, [IMAGE], [IMAGE]),
    "relu-0-to-1": ("RELU_0_TO_1", None, [IMAGE], [IMAGE]),
    "concatenation": (
        "CONCATENATION",
        options("ConcatenationOptions", axis=-1),
        [IMAGE, real(1, 9, 8, 2)],
        [real(1, 9, 8, 8)],
    ),
    "pack": (
        "PACK",
        options("PackOptions", axis=2, valuesCount=2),
        [real(1, 3, 4), real(1, 3, 4)],
        [real(1, 3, 2, 4)],
    ),
    "split": (
        "SPLIT",
        options("SplitOptions", numSplits=2),
        [ints(3), IMAGE],
        [real(1, 9, 8, 3), real(1, 9, 8, 3)],
    ),
    "slice": (
        "SLICE",
        options("SliceOptions"),
        [IMAGE, ints(0, 2, 1, 0), ints(1, 4, -1, 3)],
        [real(1, 4, 7, 3)],
    ),
    "strided-slice": (
        "STRIDED_SLICE",
        options("StridedSliceOptions", beginMask=1, endMask=1 | 4),
        [IMAGE, ints(0, -7, 1), ints(0, 9, 0), ints(1, 2, 3)],
        [real(1, 4, 3, 6)],
    ),
    "strided-slice-shrinks": (
        "STRIDED_SLICE",
        options("StridedSliceOptions", beginMask=1, endMask=1, shrinkAxisMask=2),
        [IMAGE, ints(0, -2), ints(0, 0), ints(1, 1)],
        [real(1, 8, 6)],
    ),
    "pad": (
        "PAD",
        options("PadOptions"),
        [IMAGE, pairs((0, 0), (1, 2), (0, 3), (0, 0))],
        [real(1, 12, 11, 6)],
    ),
    "pad-value": (
        "PADV2",
        options("PadV2Options"),
        [
            IMAGE,
            pairs((0, 0), (1, 2), (0, 0), (0, 1)),
            lite_constant(np.array([1.5], np.float32)),
        ],
        [real(1, 12, 8, 7)],
    ),
    "reshape": (
        "RESHAPE",
        options("ReshapeOptions", newShape=[1, 72, 6]),
        [IMAGE, ints(1, 72, 6)],
        [real(1, 72, 6)],
    ),
    "reshape-infers": (
        "RESHAPE",
        options("ReshapeOptions"),
        [IMAGE, ints(-1, 432)],
        [real(1, 432)],
    ),
    "squeeze": (
        "SQUEEZE",
        options("SqueezeOptions", squeezeDims=[1, -2]),
        [real(1, 1, 1, 6)],
        [real(1, 6)],
    ),
    "expand-dims": (
        "EXPAND_DIMS",
        options("ExpandDimsOptions"),
        [real(1, 6), ints(-1)],
        [real(1, 6, 1)],
    ),
    "transpose": (
        "TRANSPOSE",
        options("TransposeOptions"),
        [IMAGE, ints(0, 3, 1, 2)],
        [real(1, 6, 9, 8)],
    ),
    "transpose-conv-of-19": (
        "TRANSPOSE_CONV",
        options("TransposeConvOptions", strideH=2, strideW=2, padding=SAME),
        [ints(1, 17, 15, 19), weights(19, 3, 3, 6), IMAGE, weights(19)],
        [real(1, 17, 15, 19)],
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_an_operator_gives_what_litert_gives(name):
    data, graph, inputs = single(*CASES[name])
    # LiteRT has no reference kernel of ELU.
    resolver = Resolver.OPTIMIZED if name == "elu" else Resolver.REFERENCE
    check(data, graph, inputs, resolver=resolver)


# Their own tests are in test_tflite_quantized and in tests/ops/test_detection.
ELSEWHERE = {"QUANTIZE", "DEQUANTIZE", "custom TFLite_Detection_PostProcess"}


def test_every_importer_has_a_case():
    assert {case[0] for case in CASES.values()} | ELSEWHERE == set(IMPORTERS)
