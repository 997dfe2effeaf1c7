"""Constants of an ONNX file: initializers, Constant nodes, nodes of constants only."""

import math
from typing import Final

import google.protobuf.message
import numpy as np
import onnx
from onnx import helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from emu.errors import ModelError, UnsupportedError
from emu.frontends.onnx_file import FileShape
from emu.frontends.onnx_node import OnnxNode

# Elements of the largest constant that is computed while importing.
LARGEST_FOLD: Final = 1 << 27

# Operators that are computed where all operands are constant: cheap in their sizes,
# the same in every engine, without subgraphs and without chance.
# fmt: off
FOLDABLE: Final = frozenset((
    "Abs", "Add", "Cast", "Ceil", "Concat", "ConstantOfShape", "Div", "Equal", "Exp",
    "Expand", "Flatten", "Floor", "Gather", "Identity", "Max", "Min", "Mul", "Neg",
    "Not", "Pow", "QuantizeLinear", "Reciprocal", "ReduceMax", "ReduceMean", "ReduceMin", "ReduceProd",
    "ReduceSum", "Relu", "Reshape", "Shape", "Size", "Slice", "Sqrt", "Squeeze",
    "Sub", "Tile", "Transpose", "Unsqueeze", "Where",
))
# fmt: on


def read_tensor(tensor: onnx.TensorProto) -> np.ndarray:
    """A tensor of the file as an array; ModelError where its data do not fit it."""
    try:
        return numpy_helper.to_array(tensor)
    except (ValueError, TypeError, KeyError, google.protobuf.message.Error) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ModelError(reason, where=f"tensor {tensor.name!r}") from error


def constant_value(node: OnnxNode) -> np.ndarray:
    """Value of a Constant node."""
    for name, value in node.attributes.items():
        if name == "value":
            return read_tensor(value)
        if name in ("value_float", "value_floats"):
            return np.array(value, np.float32)
        if name in ("value_int", "value_ints"):
            return np.array(value, np.int64)
    raise UnsupportedError(f"a value given by {sorted(node.attributes)}")


def fold(
    node: OnnxNode, constants: dict[str, np.ndarray], shapes: dict[str, FileShape]
) -> dict[str, np.ndarray]:
    """Compute a node whose operands are all constant, with ONNX's reference engine.

    The size of the results must be known beforehand, from shape inference.
    """
    for name in filter(None, node.outputs):
        shape = shapes.get(name)
        if shape is None or None in shape:
            raise UnsupportedError("a constant result of unknown size")
        if math.prod(size or 0 for size in shape) > LARGEST_FOLD:
            raise UnsupportedError(f"a constant result of shape {shape}")
    feeds = {name: constants[name] for name in node.inputs if name}
    inputs = [
        helper.make_tensor_value_info(
            name, helper.np_dtype_to_tensor_dtype(array.dtype), array.shape
        )
        for name, array in feeds.items()
    ]
    outputs = [onnx.ValueInfoProto(name=name) for name in node.outputs if name]
    graph = helper.make_graph([node.proto], "fold", inputs, outputs)
    opsets = [helper.make_opsetid("", node.opset)]
    model = helper.make_model(graph, opset_imports=opsets)
    try:
        results = ReferenceEvaluator(model).run(None, feeds)
    except Exception as error:
        # The reference engine raises whatever its NumPy code raises.
        raise ModelError(
            f"cannot be computed: {type(error).__name__}", where=node.name
        ) from error
    arrays = (np.asarray(result) for result in results)
    return dict(zip(filter(None, node.outputs), arrays, strict=True))
