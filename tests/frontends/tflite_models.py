"""TFLite files of several operators, made in memory, and LiteRT beside our Graph."""

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import flatbuffers
import jax
import numpy as np
from ai_edge_litert import schema_py_generated as schema

from emu.frontends import load_tflite
from emu.graph import Graph, verify
from tests.frontends.run import run_graph
from tests.oracles.litert import Lite, Resolver, run_litert_all, single_op_model

Array = np.ndarray[Any, Any]

_TYPES = {
    "float32": schema.TensorType.FLOAT32,
    "float16": schema.TensorType.FLOAT16,
    "int8": schema.TensorType.INT8,
    "uint8": schema.TensorType.UINT8,
    "int16": schema.TensorType.INT16,
    "int32": schema.TensorType.INT32,
    "int64": schema.TensorType.INT64,
    "int4": schema.TensorType.INT4,
    "int2": schema.TensorType.INT2,
}


@dataclass(frozen=True, kw_only=True, eq=False)
class LiteNode:
    """An operator over the tensors of a file; with `custom` a custom one."""

    operator: str
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    options: Any = None
    custom: bytes | None = None


def tflite_model(
    tensors: Sequence[Lite],
    nodes: Sequence[LiteNode],
    inputs: Sequence[int],
    outputs: Sequence[int],
    names: Sequence[str] | None = None,
) -> Any:
    """The object form of a file; tensors are called t0, t1, ... without `names`."""
    file = schema.ModelT()
    file.version, file.description = 3, "test"
    file.buffers, file.operatorCodes = [schema.BufferT()], []
    graph = schema.SubGraphT()
    graph.tensors, graph.operators = [], []
    graph.inputs, graph.outputs = list(inputs), list(outputs)
    for i, tensor in enumerate(tensors):
        made = schema.TensorT()
        made.name = names[i] if names else f"t{i}"
        made.shape, made.type = list(tensor.shape), _TYPES[tensor.dtype]
        made.buffer = 0
        if tensor.data is not None:
            buffer: Any = schema.BufferT()
            buffer.data = np.frombuffer(tensor.data.tobytes(), np.uint8)
            file.buffers.append(buffer)
            made.buffer = len(file.buffers) - 1
        scales = np.atleast_1d(np.asarray(tensor.scale, np.float32))
        if scales.size:
            made.quantization = schema.QuantizationParametersT()
            made.quantization.scale = scales.tolist()
            points = np.asarray(tensor.zero_point, np.int64)
            made.quantization.zeroPoint = np.broadcast_to(points, scales.shape).tolist()
            made.quantization.quantizedDimension = tensor.axis
        graph.tensors.append(made)
    for node in nodes:
        code = schema.OperatorCodeT()
        code.version = 1
        if node.custom is not None:
            code.builtinCode = schema.BuiltinOperator.CUSTOM
            code.customCode = node.operator
        else:
            code.builtinCode = getattr(schema.BuiltinOperator, node.operator)
        code.deprecatedBuiltinCode = min(code.builtinCode, 127)
        made = schema.OperatorT()
        made.opcodeIndex = len(file.operatorCodes)
        made.inputs, made.outputs = list(node.inputs), list(node.outputs)
        if node.options is not None:
            made.builtinOptions = node.options
            name = type(node.options).__name__.removesuffix("T")
            made.builtinOptionsType = getattr(schema.BuiltinOptions, name)
        if node.custom is not None:
            made.customOptions = list(node.custom)
        file.operatorCodes.append(code)
        graph.operators.append(made)
    file.subgraphs = [graph]
    return file


def packed(file: Any) -> bytes:
    """The bytes of a file from its object form."""
    builder = flatbuffers.Builder(1024)
    builder.Finish(file.Pack(builder), file_identifier=b"TFL3")
    return bytes(builder.Output())


def options(name: str, **fields: Any) -> Any:
    """Options of an operator, such as options("Conv2DOptions", strideH=2)."""
    made = getattr(schema, f"{name}T")()
    for field, value in fields.items():
        assert hasattr(made, field), field
        setattr(made, field, value)
    return made


def import_bytes(data: bytes) -> Graph:
    """The Graph of a file written and read again."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.tflite"
        path.write_bytes(data)
        return verify(load_tflite(path))


def run_ours(graph: Graph, feeds: Sequence[Array]) -> dict[str, Array]:
    """Every tensor of the Graph."""
    with jax.enable_x64(True):
        named = dict(zip(graph.inputs, feeds, strict=True))
        return {name: np.asarray(x) for name, x in run_graph(graph, named).items()}


def run_theirs(
    data: bytes, feeds: Sequence[Array], resolver: Resolver = Resolver.REFERENCE
) -> dict[str, Array]:
    """Every tensor of LiteRT, the samples one by one."""
    singles = [
        run_litert_all(data, [x[i : i + 1] for x in feeds], resolver)[1]
        for i in range(len(feeds[0]))
    ]
    return {
        name: np.concatenate([np.atleast_1d(one[name]) for one in singles])
        for name in singles[0]
    }


def draw(rng: np.random.Generator, tensor: Lite, batch: int) -> Array:
    """Values of an input: normal reals, or integers of the whole range."""
    shape = (batch, *tensor.shape[1:])
    if tensor.dtype == "float32":
        return rng.normal(0, 2, shape).astype(np.float32)
    limits = np.iinfo(tensor.dtype)
    return rng.integers(limits.min, limits.max, shape, tensor.dtype, endpoint=True)


def single(
    operator: str,
    made: Any,
    inputs: Sequence[Lite | None],
    outputs: Sequence[Lite],
) -> tuple[bytes, Graph, list[Lite]]:
    """A file of one operator, its Graph and its inputs."""
    data = single_op_model(operator, made, inputs, outputs)
    feeds = [tensor for tensor in inputs if tensor is not None and tensor.data is None]
    return data, import_bytes(data), feeds


def check(
    data: bytes,
    graph: Graph,
    inputs: Sequence[Lite],
    *,
    resolver: Resolver = Resolver.REFERENCE,
    tolerance: float = 1e-5,
    steps: int = 1,
) -> None:
    """Every tensor with a golden equals LiteRT's: reals nearly, integers to so many steps.

    Reals differ by at most `tolerance` of the largest value of the tensor.
    """
    rng = np.random.default_rng(7)
    feeds = [draw(rng, tensor, 2) for tensor in inputs]
    ours, theirs = run_ours(graph, feeds), run_theirs(data, feeds, resolver)
    goldens = {name: t.golden for name, t in graph.tensors.items() if t.golden}
    assert set(graph.outputs) <= set(goldens)
    for name, golden in goldens.items():
        found, expected = ours[name], theirs[golden.name]
        assert golden.perm == tuple(range(expected.ndim))
        assert found.dtype == expected.dtype, name
        assert found.shape == expected.shape, name
        error = np.abs(found.astype(np.float64) - expected).max(initial=0)
        scale = float(steps)
        if found.dtype == np.float32:
            scale = tolerance * max(float(np.abs(expected).max(initial=0)), 1e-6)
        assert error <= scale, f"{name}: {error}"
