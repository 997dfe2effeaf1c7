"""load_onnx: an ONNX file to a float Graph."""

from contextlib import suppress
from pathlib import Path

import onnx

from emu.errors import EmuError, GraphError, ModelError, UnsupportedError
from emu.frontends.onnx_batch import with_batch
from emu.frontends.onnx_file import OnnxSource, is_registered, read_onnx, tensor_shape
from emu.frontends.onnx_fold import FOLDABLE, constant_value, fold, read_tensor
from emu.frontends.onnx_layout import Coding
from emu.frontends.onnx_node import OnnxNode, read_node
from emu.frontends.onnx_ops import IMPORTERS, STATED_FOLDS
from emu.frontends.onnx_qlinear import EXPANSIONS, stated_qparams
from emu.frontends.onnx_scope import Scope
from emu.frontends.onnx_stated import element_format
from emu.graph import Graph, GraphBuilder, without_dead


def load_onnx(path: str | Path) -> Graph:
    """Read an ONNX file into a Graph of float layers.

    Inputs and outputs keep the file's names and layout; inside, rank-4 activations
    are NHWC and convolution weights HWIO. A tensor that equals one of the file says
    so in its `golden`. What the file quantizes (QDQ, QOperator or QONNX form) stands
    between Quantize and Dequantize, constants as integers behind a Dequantize.

    The batch is the first axis, and free. Where that cannot be, because an operator
    does not keep the first axis or a constant fixes it, a file that fixes the sizes
    of all its inputs becomes a static Graph, which has no batch.

    Raises MissingError for no file; ModelError for one that is damaged, invalid or
    refers to data outside its folder; UnsupportedError naming every node that cannot
    be imported.
    """
    try:
        source = read_onnx(Path(path))
        try:
            return _import(source, static=False)
        except UnsupportedError:
            if not _is_fixed(source.model.graph):
                raise
        with suppress(UnsupportedError):
            if kept := with_batch(source):
                return _import(kept, static=False)
        return _import(source, static=True)
    except EmuError as error:
        raise type(error)(error.message, file=path, where=error.where) from error


def _is_fixed(graph: onnx.GraphProto) -> bool:
    """Whether every size of every input is a number."""
    constants = {tensor.name for tensor in graph.initializer}
    inputs = [info for info in graph.input if info.name not in constants]
    return all(None not in tensor_shape(info) for info in inputs)


def _import(source: OnnxSource, *, static: bool) -> Graph:
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
        static=static,
    )
    nodes = [read_node(proto, source.opset) for proto in graph.node]
    for info in graph.input:
        if info.name not in scope.constants:
            _import_input(scope, info, nodes)
    _import_nodes(scope, source, nodes)
    for info in graph.output:
        try:
            scope.output(info.name)
        except UnsupportedError as error:
            raise UnsupportedError(
                error.message, where=f"output {info.name!r}"
            ) from error
    scope.check_shapes(dict(source.shapes))
    outputs = tuple(info.name for info in graph.output)
    return without_dead(scope.builder.build(outputs, _provenance(source)))


def _provenance(source: OnnxSource) -> dict[str, object]:
    """Where the Graph comes from: the file and its digest, external files too."""
    (digest, *external) = source.digests.items()
    provenance: dict[str, object] = {
        "source": digest[0],
        "sha256": digest[1],
        "format": "onnx",
        "opset": source.opset,
    }
    if external:
        provenance["external"] = dict(external)
    return provenance


def _names(graph: onnx.GraphProto) -> set[str]:
    """Every tensor name the file uses."""
    infos = (*graph.input, *graph.initializer)
    return {info.name for info in infos} | {n for v in graph.node for n in v.output}


def _import_input(
    scope: Scope, info: onnx.ValueInfoProto, nodes: list[OnnxNode]
) -> None:
    """Declare an input; its first axis becomes the free batch, but not in a static."""
    where = f"input {info.name!r}"
    tensor = info.type.tensor_type
    coding = None
    dtype = "bool" if tensor.elem_type == onnx.TensorProto.BOOL else "float32"
    try:
        if tensor.elem_type not in (onnx.TensorProto.FLOAT, onnx.TensorProto.BOOL):
            fmt = element_format(tensor.elem_type)
            coding = Coding(
                format=fmt,
                qparams=stated_qparams(scope, info.name, tensor_shape(info), nodes),
            )
    except UnsupportedError as error:
        found = f"found {error.message}, FLOAT or BOOL"
        raise UnsupportedError(found, where=where) from error
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
    if scope.static:
        scope.input(info.name, (batch, *known), coding, dtype=dtype)
        return
    if batch is not None and scope.batch not in (None, batch):
        raise UnsupportedError(
            f"found a batch of {batch} beside one of {scope.batch}", where=where
        )
    scope.batch = batch if scope.batch is None else scope.batch
    scope.input(info.name, (None, *known), coding, dtype=dtype)


def _import_nodes(scope: Scope, source: OnnxSource, nodes: list[OnnxNode]) -> None:
    """Import all nodes; raise one UnsupportedError for those that cannot be."""
    shapes = dict(source.shapes)
    refused: list[str] = []
    unknown: set[str] = set()  # results of refused nodes
    for node in nodes:
        registered = is_registered(node.proto, source.opset)
        listed = registered and (node.kind in IMPORTERS or node.kind in EXPANSIONS)
        constant = registered and _is_constant(scope, node)
        if not listed and not constant:
            refused.append(f"{node.name!r} ({node.kind})")
            unknown.update(node.outputs)
        elif unknown.intersection(node.inputs):
            unknown.update(node.outputs)
        else:
            try:
                _import_node(scope, node, shapes)
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
    foldable = node.kind in FOLDABLE or node.kind in STATED_FOLDS
    return foldable and bool(operands) and known


def _import_constant(
    scope: Scope, node: OnnxNode, shapes: dict[str, tuple[int | None, ...]]
) -> None:
    constants = scope.constants
    if node.kind == "Constant":
        constants.arrays[node.outputs[0]] = constant_value(node)
        return
    fold_stated = STATED_FOLDS.get(node.kind)
    stated = fold_stated(constants, node) if fold_stated else None
    if stated:
        constants.stated[node.outputs[0]] = stated
        return
    operands = {name: constants.value(name, "operand") for name in node.inputs if name}
    constants.arrays.update(fold(node, operands, shapes))


def _import_node(
    scope: Scope, node: OnnxNode, shapes: dict[str, tuple[int | None, ...]]
) -> None:
    """Import a node, or the nodes that an operator of a quantized file stands for."""
    try:
        expand = EXPANSIONS.get(node.kind)
        for part in expand(scope, node) if expand else (node,):
            if _is_constant(scope, part):
                _import_constant(scope, part, shapes)
            else:
                IMPORTERS[part.kind](scope, part)
    except GraphError as error:
        batch = "" if scope.static else "fixes the batch size: "
        raise UnsupportedError(f"{batch}{error.message}") from error
    except (IndexError, ValueError, OverflowError) as error:
        raise ModelError(
            f"{node.kind} with operands or attributes missing", where=node.name
        ) from error
