"""load_onnx: an ONNX file to a float Graph."""

from pathlib import Path

import onnx

from emu.errors import EmuError, GraphError, ModelError, UnsupportedError
from emu.frontends.onnx_file import OnnxSource, is_registered, read_onnx, tensor_shape
from emu.frontends.onnx_fold import FOLDABLE, constant_value, fold, read_tensor
from emu.frontends.onnx_layout import Scope
from emu.frontends.onnx_node import OnnxNode, read_node
from emu.frontends.onnx_ops import IMPORTERS
from emu.graph import Graph, GraphBuilder, without_dead


def load_onnx(path: str | Path) -> Graph:
    """Read an ONNX file into a float Graph with a free batch.

    Inputs and outputs keep the file's names and layout; inside, rank-4 activations
    are NHWC and convolution weights HWIO. A tensor that equals one of the file says
    so in its `golden`.

    Raises MissingError for no file; ModelError for one that is damaged, invalid or
    refers to data outside its folder; UnsupportedError naming every node that cannot
    be imported.
    """
    try:
        return _import(read_onnx(Path(path)))
    except EmuError as error:
        raise type(error)(error.message, file=path, where=error.where) from error


def _import(source: OnnxSource) -> Graph:
    """Import the parts: constants, inputs, nodes in order, outputs."""
    graph = source.model.graph
    if graph.sparse_initializer:
        name = graph.sparse_initializer[0].values.name
        raise UnsupportedError("a sparse tensor", where=f"tensor {name!r}")
    scope = Scope(
        GraphBuilder(source.path.stem),
        {tensor.name: read_tensor(tensor) for tensor in graph.initializer},
        names=_names(graph),
        outputs=[info.name for info in graph.output],
    )
    for info in graph.input:
        if info.name not in scope.constants:
            _import_input(scope, info)
    _import_nodes(scope, source)
    for info in graph.output:
        try:
            scope.output(info.name)
        except UnsupportedError as error:
            raise UnsupportedError(
                error.message, where=f"output {info.name!r}"
            ) from error
    scope.check_shapes(dict(source.shapes))
    (digest, *external) = source.digests.items()
    provenance: dict[str, object] = {
        "source": digest[0],
        "sha256": digest[1],
        "format": "onnx",
        "opset": source.opset,
    }
    if external:
        provenance["external"] = dict(external)
    outputs = tuple(info.name for info in graph.output)
    return without_dead(scope.builder.build(outputs, provenance))


def _names(graph: onnx.GraphProto) -> set[str]:
    """Every tensor name the file uses."""
    infos = (*graph.input, *graph.initializer)
    return {info.name for info in infos} | {n for v in graph.node for n in v.output}


def _import_input(scope: Scope, info: onnx.ValueInfoProto) -> None:
    """Declare an input; its first axis becomes the free batch."""
    where = f"input {info.name!r}"
    tensor = info.type.tensor_type
    if tensor.elem_type != onnx.TensorProto.FLOAT:
        names = {number: name for name, number in onnx.TensorProto.DataType.items()}
        found = names.get(tensor.elem_type, tensor.elem_type)
        raise UnsupportedError(f"found elements {found}, expected FLOAT", where=where)
    if not tensor.HasField("shape") or not tensor.shape.dim:
        raise UnsupportedError("an input without a shape, or a scalar", where=where)
    batch, *sizes = tensor_shape(info)
    known = tuple(size for size in sizes if size)
    if len(known) != len(sizes) or min(known, default=1) < 1:
        shape = (*(size or "?" for size in (batch, *sizes)),)
        raise UnsupportedError(
            f"found shape {shape}; only the batch, the first size, may be free",
            where=where,
        )
    if batch is not None and scope.batch not in (None, batch):
        raise UnsupportedError(
            f"found a batch of {batch} beside one of {scope.batch}", where=where
        )
    scope.batch = batch if scope.batch is None else scope.batch
    scope.input(info.name, known)


def _import_nodes(scope: Scope, source: OnnxSource) -> None:
    """Import all nodes; raise one UnsupportedError for those that cannot be."""
    shapes = dict(source.shapes)
    refused: list[str] = []
    unknown: set[str] = set()  # results of refused nodes
    for proto in source.model.graph.node:
        node = read_node(proto, source.opset)
        registered = is_registered(proto, source.opset)
        listed = registered and node.kind in IMPORTERS
        constant = registered and _is_constant(scope, node)
        if not listed and not constant:
            refused.append(f"{node.name!r} ({node.kind})")
            unknown.update(node.outputs)
        elif unknown.intersection(node.inputs):
            unknown.update(node.outputs)
        else:
            try:
                if constant:
                    _import_constant(scope, node, shapes)
                else:
                    _import_node(scope, node)
            except UnsupportedError as error:
                refused.append(f"{node.name!r} ({node.kind}: {error.message})")
                unknown.update(node.outputs)
    if refused:
        count = f"{len(refused)} unsupported node{'s' if len(refused) > 1 else ''}"
        raise UnsupportedError(f"{count}: {', '.join(refused)}")


def _is_constant(scope: Scope, node: OnnxNode) -> bool:
    """Whether the node can be computed now, from constants alone."""
    if node.kind == "Constant":
        return True
    operands = [name for name in node.inputs if name]
    known = all(name in scope.constants for name in operands)
    return node.kind in FOLDABLE and bool(operands) and known


def _import_constant(
    scope: Scope, node: OnnxNode, shapes: dict[str, tuple[int | None, ...]]
) -> None:
    if node.kind == "Constant":
        scope.constants[node.outputs[0]] = constant_value(node)
    else:
        scope.constants.update(fold(node, scope.constants, shapes))


def _import_node(scope: Scope, node: OnnxNode) -> None:
    try:
        IMPORTERS[node.kind](scope, node)
    except GraphError as error:
        raise UnsupportedError(f"fixes the batch size: {error.message}") from error
    except (IndexError, ValueError, OverflowError) as error:
        raise ModelError(
            f"{node.kind} with operands or attributes missing", where=node.name
        ) from error
