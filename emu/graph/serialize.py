"""Save and load an integer Graph: one safetensors file, its JSON header the graph.

The header's metadata holds one JSON text under the key "emu"; the constants are the
file's tensors. Nothing is executed on loading: every operator is built from the
literal operator table by a validating schema.
"""

import json
import os
import tempfile
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from enum import Enum
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import numpy as np
from pydantic import TypeAdapter, ValidationError
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from emu.errors import EmuError, MissingError, ModelError
from emu.graph.graph import Graph, Node, Tensor
from emu.graph.verify import verify
from emu.ops import KERNELS, Op

SCHEMA_VERSION: Final = 2

_OPS: Final[Mapping[str, type[Op]]] = MappingProxyType(
    {op.__name__: op for op in KERNELS}
)


def save_graph(graph: Graph, path: str | Path) -> None:
    """Write the graph to `path` (by convention *.emu), whole or not at all."""
    arrays = {k: np.asarray(v, order="C") for k, v in graph.constants.items()}
    text = json.dumps(_header(graph), separators=(",", ":"))
    write_atomically(Path(path), save(arrays, metadata={"emu": text}))


def _header(graph: Graph) -> dict[str, Any]:
    return {
        "schema": SCHEMA_VERSION,
        "name": graph.name,
        "inputs": list(graph.inputs),
        "outputs": list(graph.outputs),
        "nodes": [
            {
                "name": node.name,
                "op": {"type": type(node.op).__name__, **_plain(node.op)},
                "inputs": list(node.inputs),
                "output": node.output,
                "layer": node.layer,
            }
            for node in graph.nodes
        ],
        "tensors": {name: _plain(tensor) for name, tensor in graph.tensors.items()},
        "constants": list(graph.constants),
        "provenance": dict(graph.provenance),
    }


def load_graph(path: str | Path) -> Graph:
    """Read and verify a graph.

    Raises MissingError for no file, ModelError for one that is damaged, truncated,
    too new or no .emu file.
    """
    path = Path(path)
    if not path.is_file():
        raise MissingError("there is no such file", file=path)
    try:
        with safe_open(path, framework="numpy") as file:
            text = (file.metadata() or {}).get("emu")
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a dict
    except (SafetensorError, OSError, ValueError, TypeError) as error:
        raise ModelError(
            f"no sound .emu file: {str(error).splitlines()[0]}", file=path
        ) from error
    if text is None:
        raise ModelError("a safetensors file without an emu graph", file=path)
    try:
        return verify(_decode(json.loads(text), arrays))
    except (ValidationError, KeyError, TypeError, ValueError, RecursionError) as error:
        reason = _first_reason(error)
        raise ModelError(f"damaged graph header: {reason}", file=path) from error
    except EmuError as error:
        raise ModelError(error.message, file=path, where=error.where) from error


def _decode(header: Mapping[str, Any], arrays: dict[str, np.ndarray]) -> Graph:
    if header["schema"] != SCHEMA_VERSION:
        raise ModelError(
            f"schema version {header['schema']!r}, this emu reads {SCHEMA_VERSION}"
        )
    if sorted(header["constants"]) != sorted(arrays):
        raise ModelError("the constants are not those the graph names")
    nodes = tuple(
        Node(
            name=str(node["name"]),
            op=_decode_op(node["op"]),
            inputs=tuple(map(str, node["inputs"])),
            output=str(node["output"]),
            layer=str(node["layer"]),
        )
        for node in header["nodes"]
    )
    schema = TypeAdapter(dict[str, Tensor])
    graph = Graph(
        name=str(header["name"]),
        inputs=tuple(map(str, header["inputs"])),
        outputs=tuple(map(str, header["outputs"])),
        nodes=nodes,
        tensors=schema.validate_json(json.dumps(header["tensors"]), strict=True),
        constants={name: arrays[name] for name in header["constants"]},
        provenance=dict(header["provenance"]),
    )
    # Whatever the graph did not take in as it stands: unknown, missing or converted.
    odd = _first_difference(header, _header(graph))
    if odd is not None:
        raise ModelError("a field is unknown, missing or of a wrong type", where=odd)
    return graph


def _first_difference(found: object, expected: object, where: str = "") -> str | None:
    """The place, as dotted keys, where two JSON values first differ."""
    if isinstance(found, dict) and isinstance(expected, dict):
        absent = object()
        keys = [*found, *(key for key in expected if key not in found)]
        pairs = [(k, found.get(k, absent), expected.get(k, absent)) for k in keys]
    elif isinstance(found, list) and isinstance(expected, list):
        pairs = [(i, *pair) for i, pair in enumerate(zip(found, expected))]  # noqa: B905
        if len(found) != len(expected):
            return where
    else:
        return None if found is expected or found == expected else where
    inner = (
        _first_difference(a, b, f"{where}.{key}" if where else str(key))
        for key, a, b in pairs
    )
    return next((place for place in inner if place is not None), None)


def _decode_op(data: Mapping[str, Any]) -> Op:
    values = dict(data)
    kind = _OPS.get(values.pop("type"))
    if kind is None:
        raise ModelError(f"unknown operator {data['type']!r}")
    unknown = set(values) - {field.name for field in fields(kind)}
    if unknown:
        raise ModelError(f"{data['type']} has no field {sorted(unknown)[0]!r}")
    return TypeAdapter(kind).validate_json(json.dumps(values), strict=True)


def _plain(value: object) -> Any:  # noqa: ANN401 - JSON data
    """Dataclasses as dicts, enums as their values, down to JSON's own types."""
    if is_dataclass(value) and not isinstance(value, type):
        return {f.name: _plain(getattr(value, f.name)) for f in fields(value)}
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    return value


def _first_reason(error: Exception) -> str:
    if isinstance(error, ValidationError):
        first = error.errors()[0]
        return f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
    return f"{type(error).__name__}: {error}"


def write_atomically(path: Path, data: bytes) -> None:
    """Write beside the path, then rename: an interrupted run leaves the old file."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(data)
            Path(temporary).chmod(0o644)
            Path(temporary).replace(path)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise MissingError(f"cannot write: {error.strerror}", file=path) from error
