"""Eager float execution of a Graph, and ONNX Runtime beside it."""

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import jax
import jax.numpy as jnp
import numpy as np
import onnx
import onnxruntime
from onnx import helper, shape_inference

from emu.frontends import load_onnx
from emu.graph import Graph, verify
from emu.ops import KERNELS

# ONNX Runtime 1.31 refuses models of later opsets.
NEWEST_OPSET_OF_ONNXRUNTIME: Final = 26


def run_graph(graph: Graph, feeds: Mapping[str, Any]) -> dict[str, jax.Array]:
    """Every tensor of the graph, computed node by node."""
    with jax.enable_x64(True):
        values = {
            name: jnp.asarray(x)
            for name, x in (*graph.constants.items(), *feeds.items())
        }
        for node in graph.nodes:
            operands = [values[name] for name in node.inputs]
            values[node.output] = KERNELS[type(node.op)](node.op, *operands)
    return {name: values[name] for name in graph.tensors}


def run_onnxruntime(
    model: onnx.ModelProto | Path,
    feeds: Mapping[str, np.ndarray],
    names: Sequence[str],
) -> list[np.ndarray]:
    """The named tensors as ONNX Runtime computes them, without its fusions."""
    proto = onnx.load(model) if isinstance(model, Path) else onnx.ModelProto()
    if not isinstance(model, Path):
        proto.CopyFrom(model)
    listed = {info.name for info in (*proto.graph.output, *proto.graph.input)}
    extra = [onnx.ValueInfoProto(name=n) for n in names if n not in listed]
    proto.graph.output.extend(extra)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.graph_optimization_level = (
        onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    )
    session = onnxruntime.InferenceSession(
        proto.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    wanted = [name for name in names if name not in feeds]
    found = dict(zip(wanted, session.run(wanted, dict(feeds)), strict=True))
    return [np.asarray(found.get(name, feeds.get(name))) for name in names]


def one_node_model(
    op: str,
    shapes: Sequence[Sequence[int | str]],
    *,
    opset: int = 13,
    constants: Mapping[str, np.ndarray] | None = None,
    operands: Sequence[str] | None = None,
    element: int = onnx.TensorProto.FLOAT,
    **attributes: Any,
) -> onnx.ModelProto:
    """A model of one node "node": inputs x0, x1, ..., then constants; output y."""
    constants = constants or {}
    inputs = [f"x{i}" for i in range(len(shapes))]
    node = helper.make_node(
        op, list(operands or (*inputs, *constants)), ["y"], name="node", **attributes
    )
    return model_of(
        [node],
        dict(zip(inputs, shapes, strict=True)),
        constants,
        opset=opset,
        element=element,
    )


def model_of(
    nodes: Sequence[onnx.NodeProto],
    inputs: Mapping[str, Sequence[int | str]],
    constants: Mapping[str, np.ndarray] | None = None,
    *,
    outputs: Sequence[str] = ("y",),
    opset: int = 13,
    element: int = onnx.TensorProto.FLOAT,
) -> onnx.ModelProto:
    """A model of float32 inputs, and outputs of `element`, their shapes inferred."""
    graph = helper.make_graph(
        list(nodes),
        "test",
        [
            helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, list(shape))
            for name, shape in inputs.items()
        ],
        [helper.make_tensor_value_info(name, element, None) for name in outputs],
        [onnx.numpy_helper.from_array(a, n) for n, a in (constants or {}).items()],
    )
    opsets = [helper.make_opsetid("", opset)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=8)
    return shape_inference.infer_shapes(model)


def save(model: onnx.ModelProto, folder: Path) -> Path:
    """Write the model as folder/model.onnx."""
    path = folder / "model.onnx"
    path.write_bytes(model.SerializeToString())
    return path


def random_feeds(
    model: onnx.ModelProto, batch: int | None, seed: int = 0
) -> dict[str, np.ndarray]:
    """Inputs over their dtype, floats normal; the first axis is `batch` if given."""
    rng = np.random.default_rng(seed)
    known = {tensor.name for tensor in model.graph.initializer}
    feeds = {}
    for info in model.graph.input:
        if info.name in known:
            continue
        tensor = info.type.tensor_type
        first, *rest = (dim.dim_value for dim in tensor.shape.dim)
        shape = (first if batch is None else batch, *rest)
        dtype = helper.tensor_dtype_to_np_dtype(tensor.elem_type)
        if dtype == np.float32:
            feeds[info.name] = rng.standard_normal(shape).astype(np.float32)
        else:
            held = np.iinfo(dtype)
            feeds[info.name] = rng.integers(held.min, held.max, shape, dtype, True)
    return feeds


def import_model(model: onnx.ModelProto) -> Graph:
    """The Graph of a model that was written to a file and read again."""
    with tempfile.TemporaryDirectory() as folder:
        return load_onnx(save(model, Path(folder)))


def in_our_layout(array: np.ndarray, perm: Sequence[int]) -> np.ndarray:
    """ONNX Runtime's array of one sample, whose batch the file may have left out."""
    lacks_batch = array.ndim == len(perm) - 1
    return np.transpose(array[None] if lacks_batch else array, perm)


def check_against_onnxruntime(
    model: onnx.ModelProto, *, tolerance: float = 1e-5
) -> Graph:
    """Import the model and hold every tensor that has a golden against ONNX Runtime.

    The difference is taken relative to the largest value of the tensor. ONNX Runtime
    runs opsets newer than its own as its newest; `opsets_of` proves that harmless.
    """
    graph = verify(import_model(model))
    known = {tensor.name for tensor in model.graph.initializer}
    free = all(
        info.type.tensor_type.shape.dim[0].HasField("dim_param")
        for info in model.graph.input
        if info.name not in known
    )
    feeds = random_feeds(model, 2 if free else None)
    ours = {name: np.asarray(x) for name, x in run_graph(graph, feeds).items()}
    goldens = {name: t.golden for name, t in graph.tensors.items() if t.golden}
    runnable = onnx.ModelProto()
    runnable.CopyFrom(model)
    opset = runnable.opset_import[0]
    opset.version = min(opset.version, NEWEST_OPSET_OF_ONNXRUNTIME)
    theirs = run_onnxruntime(runnable, feeds, [g.name for g in goldens.values()])
    for (name, golden), array in zip(goldens.items(), theirs, strict=True):
        expected = in_our_layout(array, golden.perm)
        assert ours[name].shape == expected.shape, name
        scale = max(float(np.abs(expected).max(initial=0.0)), 1e-6)
        assert ours[name].dtype == expected.dtype, name
        if expected.dtype != np.float32:
            np.testing.assert_array_equal(ours[name], expected, name)
            continue
        worst = float(np.abs(ours[name] - expected).max(initial=0.0))
        assert worst <= tolerance * scale, f"{name}: {worst} of {scale}"
    assert {g.name for g in goldens.values()} >= set(graph.outputs)
    return graph


def opsets_of(op: str) -> list[int]:
    """Opsets in which the operator's definition differs, from 7 to the newest."""
    newest = onnx.defs.onnx_opset_version()
    found = {}
    for opset in range(7, newest + 1):
        if onnx.defs.has(op, opset, ""):
            since = onnx.defs.get_schema(op, opset, "").since_version
            found[since] = max(since, 7)
    assert max(found) <= NEWEST_OPSET_OF_ONNXRUNTIME
    return [*sorted(found.values()), newest]
