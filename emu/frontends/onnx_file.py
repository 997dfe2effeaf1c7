"""Reading an untrusted ONNX file: parsed, its external data bounded, checked.

Nothing outside the model's folder is read, and nothing is read before its size is
known to fit the file it is in.
"""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Final

import google.protobuf.message
import numpy as np
import onnx
from onnx import checker, helper, shape_inference

from emu.errors import MissingError, ModelError, UnsupportedError

OLDEST_OPSET: Final = 7
DEFAULT_DOMAINS: Final = ("", "ai.onnx")

# Where QONNX's operators have been; old files have them among ONNX's own.
QONNX_OPERATORS: Final = ("Quant", "IntQuant", "BipolarQuant", "Trunc")
QONNX_DOMAINS: Final = (
    "qonnx.custom_op.general",
    "finn.custom_op.general",
    "onnx.brevitas",
)

# Sizes of a tensor as ONNX infers them; None for what it does not know.
FileShape = tuple[int | None, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class OnnxSource:
    """A sound ONNX model: parsed, checked, its shapes inferred by the onnx package."""

    path: Path
    model: onnx.ModelProto
    opset: int
    shapes: Mapping[str, FileShape]
    digests: Mapping[str, str]  # file as named -> sha256, the model file first


def read_onnx(path: Path) -> OnnxSource:
    """Read and check an ONNX file.

    Raises MissingError for no file, ModelError for one that is damaged or reads
    outside its folder, UnsupportedError for an opset out of range or operators that
    ONNX itself does not know.
    """
    if not path.is_file():
        raise MissingError("there is no such file")
    try:
        data = path.read_bytes()
    except OSError as error:
        raise MissingError(f"cannot read: {error.strerror}") from error
    model = onnx.ModelProto()
    try:
        model.ParseFromString(data)
    except google.protobuf.message.DecodeError as error:
        raise ModelError(
            f"truncated, or no ONNX file ({len(data)} bytes): {_one_line(error)}"
        ) from error
    if not model.HasField("graph"):
        raise ModelError(f"no ONNX file ({len(data)} bytes): it holds no graph")
    _check_names(model.graph)
    opset = _default_opset(model)
    _move_qonnx_operators(model)
    digests = {str(path): hashlib.sha256(data).hexdigest()}
    digests |= _load_external_data(model, path.parent)
    return OnnxSource(
        path=path,
        model=model,
        opset=opset,
        shapes=_checked_shapes(model, opset),
        digests=digests,
    )


def _one_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0] if lines else type(error).__name__


def _check_names(graph: onnx.GraphProto) -> None:
    """Names must be text: protobuf hands over damaged ones as bytes."""
    named = (*graph.input, *graph.output, *graph.initializer, *graph.value_info)
    names = [part.name for part in named]
    for node in graph.node:
        names += [node.name, node.op_type, node.domain, *node.input, *node.output]
        names += [attribute.name for attribute in node.attribute]
    for name in names:
        if not isinstance(name, str):
            raise ModelError(f"damaged: the name {name!r} is no text")


def _default_opset(model: onnx.ModelProto) -> int:
    """The version of the default operator set."""
    versions = [o.version for o in model.opset_import if o.domain in DEFAULT_DOMAINS]
    if not versions:
        raise ModelError("the file names no version of the default operator set")
    newest = onnx.defs.onnx_opset_version()
    if not OLDEST_OPSET <= versions[0] <= newest:
        raise UnsupportedError(
            f"opset {versions[0]}; this emu reads {OLDEST_OPSET} to {newest}"
        )
    return versions[0]


def _move_qonnx_operators(model: onnx.ModelProto) -> None:
    """Give operators of QONNX that have no domain the one they belong to."""
    domain = QONNX_DOMAINS[0]
    strays = [
        node
        for node in model.graph.node
        if node.domain in DEFAULT_DOMAINS and node.op_type in QONNX_OPERATORS
    ]
    for node in strays:
        node.domain = domain
    if strays and all(imported.domain != domain for imported in model.opset_import):
        model.opset_import.append(helper.make_opsetid(domain, 1))


def _checked_shapes(model: onnx.ModelProto, opset: int) -> dict[str, FileShape]:
    """Run onnx's checker and strict shape inference; return the shapes found.

    Operators that onnx does not know are left to the importer, which lists them with
    all others it cannot run; the checker would stop at the first.
    """
    if any(not is_registered(node, opset) for node in model.graph.node):
        return {}
    try:
        checker.check_model(model)
        inferred = shape_inference.infer_shapes(
            model, check_type=True, strict_mode=True, data_prop=True
        )
    except (
        checker.ValidationError,
        shape_inference.InferenceError,
        google.protobuf.message.Error,
        ValueError,
        TypeError,
        RuntimeError,
    ) as error:
        raise ModelError(f"no valid ONNX model: {_one_line(error)}") from error
    graph = inferred.graph
    found = {
        info.name: tensor_shape(info)
        for info in (*graph.input, *graph.value_info, *graph.output)
        if info.type.tensor_type.HasField("shape")
    }
    return found | {t.name: tuple(t.dims) for t in graph.initializer}


def is_registered(node: onnx.NodeProto, opset: int) -> bool:
    """Whether the onnx package knows this operator in this opset."""
    return node.domain not in DEFAULT_DOMAINS or onnx.defs.has(node.op_type, opset, "")


def tensor_shape(info: onnx.ValueInfoProto) -> FileShape:
    """Sizes of a described tensor; None where unknown or symbolic."""
    return tuple(
        dim.dim_value if dim.HasField("dim_value") else None
        for dim in info.type.tensor_type.shape.dim
    )


def _tensors(graph: onnx.GraphProto) -> Iterator[onnx.TensorProto]:
    """Every tensor a graph holds, in initializers, attributes and subgraphs."""
    yield from graph.initializer
    for sparse in graph.sparse_initializer:
        yield from (sparse.values, sparse.indices)
    for node in graph.node:
        yield from _attribute_tensors(node)


def _attribute_tensors(node: onnx.NodeProto) -> Iterator[onnx.TensorProto]:
    for attribute in node.attribute:
        if attribute.HasField("t"):
            yield attribute.t
        yield from attribute.tensors
        sparse = (
            [attribute.sparse_tensor] if attribute.HasField("sparse_tensor") else []
        )
        for tensor in (*sparse, *attribute.sparse_tensors):
            yield from (tensor.values, tensor.indices)
        graphs = [attribute.g] if attribute.HasField("g") else []
        for graph in (*graphs, *attribute.graphs):
            yield from _tensors(graph)


def _load_external_data(model: onnx.ModelProto, folder: Path) -> dict[str, str]:
    """Bring external data into the model; return the digest of each file read."""
    tensors = [
        *_tensors(model.graph),
        *(t for f in model.functions for n in f.node for t in _attribute_tensors(n)),
    ]
    digests: dict[str, str] = {}
    for tensor in tensors:
        if tensor.data_location != onnx.TensorProto.EXTERNAL:
            continue
        entries = {entry.key: entry.value for entry in tensor.external_data}
        location = entries.get("location", "")
        file = _inside(folder, location, tensor.name)
        tensor.raw_data = _read_part(tensor, file, entries)
        tensor.data_location = onnx.TensorProto.DEFAULT
        del tensor.external_data[:]
        if location not in digests:
            with file.open("rb") as stream:
                digests[location] = hashlib.file_digest(stream, "sha256").hexdigest()
    return digests


def _inside(folder: Path, location: str, tensor: str) -> Path:
    """The file at `location`, which must lie in the model's folder, links followed."""
    where = f"tensor {tensor!r}"
    absolute = PurePosixPath(location).is_absolute() or PureWindowsPath(location).anchor
    home = folder.resolve()
    try:
        file = (home / location).resolve()
    except (OSError, ValueError, RuntimeError) as error:
        raise ModelError(
            f"external data at {location!r}: {_one_line(error)}", where=where
        ) from error
    if absolute or ".." in PurePosixPath(location).parts or home not in file.parents:
        raise ModelError(
            f"external data at {location!r} is outside the model's folder; refused",
            where=where,
        )
    if not file.is_file():
        raise ModelError(f"there is no external data file {location!r}", where=where)
    return file


def _read_part(
    tensor: onnx.TensorProto, file: Path, entries: Mapping[str, str]
) -> bytes:
    """The bytes of one tensor, after its size has been held against the file's."""
    where = f"tensor {tensor.name!r}"
    try:
        dtype = helper.tensor_dtype_to_np_dtype(tensor.data_type)
        offset = int(entries.get("offset", "0"))
        length = int(entries["length"]) if entries.get("length") else None
    except (KeyError, ValueError, TypeError) as error:
        raise ModelError(
            f"external data badly described: {_one_line(error)}", where=where
        ) from error
    if any(size < 0 for size in tensor.dims) or offset < 0:
        raise ModelError("external data of a negative size or offset", where=where)
    expected = np.dtype(dtype).itemsize
    for size in tensor.dims:
        expected *= size
    size = file.stat().st_size
    if length not in (None, expected) or offset + expected > size:
        raise ModelError(
            f"external data: found {length} bytes at {offset} of a file of {size}, "
            f"expected {expected} for shape {tuple(tensor.dims)}",
            where=where,
        )
    with file.open("rb") as stream:
        stream.seek(offset)
        return stream.read(expected)
