"""LiteRT as an oracle: TFLite files of one operator, made here, and its interpreter.

The three kernel sets compute different integers from the same file:
    REFERENCE: the portable C++ kernels (OpResolverType.BUILTIN_REF);
    OPTIMIZED: LiteRT's own kernels for this processor, without delegates;
    XNNPACK: what a user gets, with the XNNPACK delegate.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

import flatbuffers
import numpy as np

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter, OpResolverType

Array = np.ndarray[Any, Any]

_TYPES = {
    "float32": schema.TensorType.FLOAT32,
    "int8": schema.TensorType.INT8,
    "uint8": schema.TensorType.UINT8,
    "int16": schema.TensorType.INT16,
    "int32": schema.TensorType.INT32,
    "int64": schema.TensorType.INT64,
    "bool": schema.TensorType.BOOL,
}


class Resolver(Enum):
    """A kernel set of LiteRT."""

    REFERENCE = OpResolverType.BUILTIN_REF
    OPTIMIZED = OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
    XNNPACK = OpResolverType.AUTO


@dataclass(frozen=True, kw_only=True, eq=False)
class Lite:
    """A tensor of a TFLite file; with `data` a constant. No scale: not quantized."""

    shape: tuple[int, ...]
    dtype: str = "int8"
    scale: float | tuple[float, ...] = ()
    zero_point: int | tuple[int, ...] = 0
    axis: int = 0
    data: Array | None = None


def lite_constant(
    values: Array,
    scale: float | tuple[float, ...] = (),
    zero_point: int | tuple[int, ...] = 0,
    axis: int = 0,
) -> Lite:
    """A constant tensor of these values."""
    return Lite(
        shape=values.shape,
        dtype=str(values.dtype),
        scale=scale,
        zero_point=zero_point,
        axis=axis,
        data=values,
    )


def single_op_model(
    operator: str,
    options: Any,
    inputs: Sequence[Lite | None],
    outputs: Sequence[Lite],
) -> bytes:
    """A .tflite file of one builtin operator, such as "ADD".

    `options` is the operator's options object of `schema_py_generated` or None; None
    among the inputs is an operand left out. Constants are no inputs of the file.
    """
    file = schema.ModelT()
    file.version = 3
    file.description = "one operator"
    file.buffers = [schema.BufferT()]
    graph = schema.SubGraphT()
    graph.tensors = []
    indices = [_add_tensor(file, graph, tensor) for tensor in inputs]
    results = [_add_tensor(file, graph, tensor) for tensor in outputs]
    code = schema.OperatorCodeT()
    code.builtinCode = getattr(schema.BuiltinOperator, operator)
    code.deprecatedBuiltinCode = min(code.builtinCode, 127)
    # Newer versions admit every type; unknown ones are not refused.
    code.version = 1
    node = schema.OperatorT()
    node.inputs, node.outputs = indices, results
    if options is not None:
        node.builtinOptions = options
        name = type(options).__name__.removesuffix("T")
        node.builtinOptionsType = getattr(schema.BuiltinOptions, name)
    graph.operators = [node]
    graph.inputs = [
        index
        for index, tensor in zip(indices, inputs, strict=True)
        if tensor is not None and tensor.data is None
    ]
    graph.outputs = results
    file.subgraphs = [graph]
    file.operatorCodes = [code]
    builder = flatbuffers.Builder(1024)
    builder.Finish(file.Pack(builder), file_identifier=b"TFL3")
    return bytes(builder.Output())


def _add_tensor(file: Any, graph: Any, tensor: Lite | None) -> int:
    if tensor is None:
        return -1
    made = schema.TensorT()
    made.name = f"t{len(graph.tensors)}"
    made.shape = list(tensor.shape)
    made.type = _TYPES[tensor.dtype]
    made.buffer = 0
    if tensor.data is not None:
        buffer = schema.BufferT()
        buffer.data = list(tensor.data.tobytes())
        file.buffers.append(buffer)
        made.buffer = len(file.buffers) - 1
    scales = np.atleast_1d(np.asarray(tensor.scale, np.float32))
    if scales.size:
        made.quantization = schema.QuantizationParametersT()
        made.quantization.scale = scales.tolist()
        points = np.broadcast_to(np.asarray(tensor.zero_point, np.int64), scales.shape)
        made.quantization.zeroPoint = points.tolist()
        made.quantization.quantizedDimension = tensor.axis
    graph.tensors.append(made)
    return len(graph.tensors) - 1


def run_litert(model: bytes, inputs: Sequence[Array], resolver: Resolver) -> Array:
    """The first output of the file for the operands of its inputs, in their order."""
    return run_litert_all(model, inputs, resolver)[0][0]


def run_litert_all(
    model: bytes, inputs: Sequence[Array], resolver: Resolver
) -> tuple[list[Array], dict[str, Array]]:
    """The outputs, and every tensor that LiteRT has, by name."""
    interpreter = Interpreter(
        model_content=model,
        experimental_op_resolver_type=resolver.value,
        experimental_preserve_all_tensors=resolver is not Resolver.XNNPACK,
        num_threads=1,
    )
    interpreter.allocate_tensors()
    for detail, values in zip(interpreter.get_input_details(), inputs, strict=True):
        interpreter.set_tensor(detail["index"], values)
    interpreter.invoke()
    outputs = [
        interpreter.get_tensor(detail["index"])
        for detail in interpreter.get_output_details()
    ]
    tensors = {}
    if resolver is not Resolver.XNNPACK:
        for detail in interpreter.get_tensor_details():
            tensors[detail["name"]] = interpreter.get_tensor(detail["index"])
    return outputs, tensors
