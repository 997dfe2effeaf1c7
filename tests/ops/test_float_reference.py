"""The float kernels against ONNX Runtime, one operator a model."""

from typing import Any

import jax
import numpy as np
import onnxruntime
import pytest
from onnx import TensorProto, helper

from emu import ops
from emu.ops import KERNELS
from tests.ops.cases import CASES
from tests.ops.operands import Array, Case

pytestmark = pytest.mark.usefixtures("x64")

OPSET = 21
FLOATS = [
    case for case in CASES if all(o.dtype == "float32" for o in case.operands if o.shape)
]  # fmt: skip


def onnxruntime_result(
    op_type: str, operands: list[Array], fixed: dict[str, Array], **attributes: Any
) -> Array:
    """Run one ONNX operator: float operands first, then integer parameters.

    An empty parameter is one that the operator does without.
    """
    arrays = {f"i{n}": array for n, array in enumerate(operands)} | fixed
    names = [name if array.size else "" for name, array in arrays.items()]
    arrays = {name: array for name, array in arrays.items() if array.size}
    node = helper.make_node(op_type, names, ["y"], **attributes)
    graph = helper.make_graph(
        [node],
        op_type,
        [
            helper.make_tensor_value_info(
                name, helper.np_dtype_to_tensor_dtype(array.dtype), array.shape
            )
            for name, array in arrays.items()
        ],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
    )
    opset = helper.make_opsetid("", OPSET)
    model = helper.make_model(graph, opset_imports=[opset], ir_version=10)
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    return np.asarray(session.run(None, arrays)[0])


def channels_first(x: Array) -> Array:
    return np.moveaxis(x, -1, 1)


def channels_last(x: Array) -> Array:
    return np.moveaxis(x, 1, -1)


def pads(padding: tuple[tuple[int, int], ...]) -> list[int]:
    return [low for low, _ in padding] + [high for _, high in padding]


def ints(*values: int) -> Array:
    return np.array(values, np.int64)


def real(value: float) -> Array:
    return np.array(value, np.float32)


def windowed(name: str, operands: list[Array], **attributes: Any) -> Array:
    return channels_last(onnxruntime_result(name, operands, {}, **attributes))


def conv(op: ops.Conv, x: Array, w: Array, *bias: Array) -> Array:
    return windowed(
        "Conv",
        [channels_first(x), w.transpose(3, 2, 0, 1), *bias],
        strides=op.stride,
        pads=pads(op.padding),
        dilations=op.dilation,
        group=op.groups,
    )


def conv_transpose(op: ops.ConvTranspose, x: Array, w: Array, *bias: Array) -> Array:
    # ONNX has all input channels first, then the outputs of a group.
    parts = np.split(w.transpose(2, 3, 0, 1), op.groups, axis=1)
    return windowed(
        "ConvTranspose",
        [channels_first(x), np.concatenate(parts), *bias],
        strides=op.stride,
        pads=pads(op.padding),
        output_padding=op.output_padding,
        dilations=op.dilation,
        group=op.groups,
    )


def max_pool(op: ops.MaxPool, x: Array) -> Array:
    return windowed(
        "MaxPool",
        [channels_first(x)],
        kernel_shape=op.kernel,
        strides=op.stride,
        pads=pads(op.padding),
        dilations=op.dilation,
    )


def average_pool(op: ops.AveragePool, x: Array) -> Array:
    return windowed(
        "AveragePool",
        [channels_first(x)],
        kernel_shape=op.kernel,
        strides=op.stride,
        pads=pads(op.padding),
        count_include_pad=int(op.count_include_pad),
    )


def gemm(op: ops.Gemm, x: Array, w: Array, *bias: Array) -> Array:
    if bias:
        return onnxruntime_result("Gemm", [x, w, *bias], {})
    return onnxruntime_result("MatMul", [x, w], {})


def batch_normalization(op: ops.BatchNormalization, x: Array, *rest: Array) -> Array:
    operands = [channels_first(x), *rest]
    return windowed("BatchNormalization", operands, epsilon=op.epsilon)


def named(*fields: str) -> Any:
    """The ONNX operator of the same name, with these fields as attributes."""
    return lambda op, *xs: onnxruntime_result(
        type(op).__name__, list(xs), {}, **{f: getattr(op, f) for f in fields}
    )


def squared_difference(op: ops.SquaredDifference, x: Array, y: Array) -> Array:
    """ONNX has no such operator."""
    difference = onnxruntime_result("Sub", [x, y], {})
    return onnxruntime_result("Mul", [difference, difference], {})


def resize(op: ops.Resize, x: Array) -> Array:
    names = {
        "half-pixel": "half_pixel",
        "pytorch-half-pixel": "pytorch_half_pixel",
        "tf-half-pixel": "tf_half_pixel_for_nn",
        "asymmetric": "asymmetric",
        "align-corners": "align_corners",
    }
    none = np.zeros(0, np.float32)
    if op.scale:
        sizes = {"roi": none, "scales": np.array([1, 1, *op.scale], np.float32)}
    else:
        sizes = {
            "roi": none,
            "scales": none,
            "sizes": ints(len(x), x.shape[-1], *op.size),
        }
    return channels_last(
        onnxruntime_result(
            "Resize",
            [channels_first(x)],
            sizes,
            mode=op.mode.value,
            coordinate_transformation_mode=names[op.coordinates.value],
            nearest_mode=op.nearest.value.replace("-", "_"),
        )
    )


REFERENCES = {
    ops.Conv: conv,
    ops.ConvTranspose: conv_transpose,
    ops.Gemm: gemm,
    ops.BatchGemm: lambda op, x, y: onnxruntime_result("MatMul", [x, y], {}),
    ops.MaxPool: max_pool,
    ops.AveragePool: average_pool,
    ops.BatchNormalization: batch_normalization,
    ops.Add: named(),
    ops.Sub: named(),
    ops.Mul: named(),
    ops.Relu: named(),
    ops.Sigmoid: named(),
    ops.HardSwish: named(),
    ops.LeakyRelu: named("alpha"),
    ops.HardSigmoid: named("alpha", "beta"),
    ops.Softmax: lambda op, x: onnxruntime_result(
        "Softmax", [np.float32(op.beta) * x], {}, axis=op.axis
    ),
    ops.Tanh: named(),
    ops.Exp: named(),
    ops.Elu: named("alpha"),
    ops.PRelu: named(),
    ops.Identity: named(),
    ops.Gelu: lambda op, x: onnxruntime_result(
        "Gelu", [x], {}, approximate="tanh" if op.approximate else "none"
    ),
    ops.Silu: lambda op, x: x * onnxruntime_result("Sigmoid", [x], {}),
    ops.Minimum: lambda op, x, y: onnxruntime_result("Min", [x, y], {}),
    ops.Maximum: lambda op, x, y: onnxruntime_result("Max", [x, y], {}),
    ops.SquaredDifference: squared_difference,
    ops.Resize: resize,
    ops.ReduceSum: lambda op, x: onnxruntime_result(
        "ReduceSum", [x], {"axes": ints(*op.axes)}, keepdims=int(op.keepdims)
    ),
    ops.Concat: named("axis"),
    ops.Transpose: named("perm"),
    ops.Clip: lambda op, x: onnxruntime_result(
        "Clip", [x, real(op.low), real(op.high)], {}
    ),
    ops.ReduceMean: lambda op, x: onnxruntime_result(
        "ReduceMean", [x], {"axes": ints(*op.axes)}, keepdims=int(op.keepdims)
    ),
    ops.Reshape: lambda op, x: onnxruntime_result(
        "Reshape", [x], {"shape": ints(len(x), *op.shape)}
    ),
    ops.Pad: lambda op, x: onnxruntime_result(
        "Pad", [x], {"pads": ints(*pads(op.padding)), "value": real(op.value)}
    ),
}

# Quantize reads floats too, but is checked to the bit in the battery.
COMPARED = [case for case in FLOATS if type(case.op) in REFERENCES]


# Operators of these cases that are exact (the battery holds them to NumPy), or whose
# reference is elsewhere: ONNX's node tests, LiteRT's post-processing.
ELSEWHERE = {
    ops.Clz,
    ops.DetectionPostprocess,
    ops.Div,
    ops.DynamicScale,
    ops.DynamicZeroPoint,
    ops.FloatCast,
    ops.IntDiv,
    ops.Quantize,
    ops.QuantizeBy,
    ops.Reverse,
    ops.Round,
    ops.Slice,
    ops.Tile,
}


def test_every_float_operator_has_a_reference():
    assert {type(case.op) for case in FLOATS} - ELSEWHERE == set(REFERENCES)


@pytest.mark.parametrize("case", COMPARED, ids=str)
def test_float_kernel_agrees_with_onnxruntime(case: Case):
    operands = case.draw()
    expected = REFERENCES[type(case.op)](case.op, *operands)
    kernel = jax.jit(lambda *xs: KERNELS[type(case.op)](case.op, *xs))
    found = np.asarray(kernel(*operands))
    assert found.dtype == np.float32
    assert found.shape == expected.shape
    if isinstance(case.op, ops.Resize):
        np.testing.assert_array_equal(found, expected)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)
