"""Test vectors of an integer program: what goes into each layer and must come out.

One folder a layer holds hex files for `$readmemh` and `layer.vh` with the layer's
numbers; `manifest.json` describes all of them with digests.
"""

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase
from importlib import resources
from pathlib import Path, PurePosixPath
from typing import Any, Final

import numpy as np
from jaxtyping import Shaped
from pydantic import TypeAdapter

from emu import __version__
from emu.errors import ConfigError
from emu.execute import Program
from emu.export.bench import BENCH, bench_refuses
from emu.export.defines import DEFINES, defines_text
from emu.export.folder import check_replaceable, replace_folder
from emu.export.hexfile import hex_text
from emu.export.units import Port, Unit, op_name, split, word_format
from emu.graph import Graph, Node, fold_constants
from emu.jsondata import strict_json

MANIFEST: Final = "manifest.json"
KIND: Final = "emu-vectors"
VERSION: Final = 1

Arrays = Mapping[str, Shaped[np.ndarray, "..."]]


def export_vectors(
    graph: Graph,
    inputs: Arrays,
    folder: Path,
    origin: Mapping[str, object] | None = None,
    *,
    layers: str = "*",
    force: bool = False,
) -> dict[str, Any]:
    """Write the vectors of one batch into `folder` and return the manifest.

    Arguments:
        graph: an integer program.
        inputs: one batch for each of its inputs, by name.
        folder: made anew; an older export there is replaced.
        origin: what the manifest shall say on program and inputs.
        layers: a pattern (`*`, `?`) of the names of the layers to write.
        force: replace a folder that holds other files too.

    Weights that a codebook holds are written as the integers that they are.

    Raises:
        ConfigError: no layer fits the pattern, or the folder holds other files.
    """
    graph = fold_constants(graph)
    units, floats = split(graph)
    chosen = [unit for unit in units if _matches(unit, layers)]
    if not chosen:
        known = ", ".join(dict.fromkeys(unit.layer for unit in units)) or "none"
        raise ConfigError(
            f"no integer layer fits {layers!r}; there are: {known}", where="--layers"
        )
    check_folder(folder, force=force)
    wanted = {p.tensor for unit in chosen for p in unit.ports} - set(graph.constants)
    size = max((len(x) for x in inputs.values() if x.ndim), default=1)
    results = Program(graph, size, tuple(sorted(wanted)))(inputs)
    values = {**graph.constants, **results}
    manifest: dict[str, Any] = {
        "kind": KIND,
        "version": VERSION,
        "emu": __version__,
        **(origin or {}),
        "layers": [],
        "not_exported": [
            {"layer": n.layer or n.name, "op": op_name(n.op)} for n in floats
        ],
        "bench": BENCH,
    }

    def fill(place: Path) -> None:
        for unit in chosen:
            manifest["layers"].append(_write_unit(graph, unit, values, place))
        bench = resources.files("emu.export") / "verilog" / BENCH
        (place / BENCH).write_bytes(bench.read_bytes())
        text = json.dumps(strict_json(manifest), indent=1, allow_nan=False)
        (place / MANIFEST).write_text(text + "\n", "utf-8")

    replace_folder(folder, fill)
    return manifest


def check_folder(folder: Path, *, force: bool) -> None:
    """Raise ConfigError or MissingError if an export may not be written there."""
    check_replaceable(folder, _older_files(folder), force=force)


def _matches(unit: Unit, pattern: str) -> bool:
    return fnmatchcase(unit.layer, pattern)


def _write_unit(
    graph: Graph, unit: Unit, values: Arrays, place: Path
) -> dict[str, Any]:
    """Write one unit's folder; its entry in the manifest."""
    first = op_name(unit.nodes[0].op)
    safe = re.sub(r"[^A-Za-z0-9_.-]", "_", unit.layer)[:80]
    entry: dict[str, Any] = {
        "layer": unit.layer,
        "op": first,
        "folder": f"{unit.number:03}_{safe}_{first}",
        "operators": [_operator(node) for node in unit.nodes],
        "files": {},
    }
    (place / entry["folder"]).mkdir()
    for port in unit.ports:
        file, data = _file(graph, unit, port, values[port.tensor])
        name = f"{entry['folder']}/{port.role}.hex"
        (place / name).write_bytes(data)
        entry["files"][port.role] = {"file": name, **file}
    entry["bench_refuses"] = bench_refuses(entry)
    header = defines_text(entry).encode()
    entry["defines"] = f"{entry['folder']}/{DEFINES}"
    (place / entry["defines"]).write_bytes(header)
    return entry


def _operator(node: Node) -> dict[str, Any]:
    fields = TypeAdapter(type(node.op)).dump_python(node.op, mode="json")
    return {"op": op_name(node.op), "node": node.name, "fields": fields}


def _file(
    graph: Graph, unit: Unit, port: Port, values: Shaped[np.ndarray, "..."]
) -> tuple[dict[str, Any], bytes]:
    """What the manifest says of a file, and the file."""
    word = word_format(graph, unit, port)
    shape = "x".join(map(str, values.shape)) or "1"
    comment = (
        f"{port.role} of {' '.join(unit.layer.split())}: {word}, shape {shape} "
        f"({port.axes}), row-major, {values.size} words"
    )
    data = hex_text(values, word, comment)
    about = {
        "tensor": port.tensor,
        "shape": list(values.shape),
        "axes": port.axes,
        "format": str(word),
        "bits": word.bits,
        "dtype": str(values.dtype),
        "words": values.size,
        "sha256": hashlib.sha256(data).hexdigest(),
    }
    return about, data


def _older_files(folder: Path) -> set[str]:
    """The files of the export that lies in a folder; none if there is none."""
    try:
        manifest = json.loads((folder / MANIFEST).read_text("utf-8"))
        if manifest["kind"] != KIND:
            return set()
        return {MANIFEST, str(manifest["bench"]), *_layer_files(manifest["layers"])}
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        # Damaged, or no export of ours: none of its files may be lost.
        return set()


def _layer_files(layers: list[dict[str, Any]]) -> Iterator[str]:
    for layer in layers:
        yield layer["defines"]
        for file in layer["files"].values():
            yield PurePosixPath(file["file"]).as_posix()
