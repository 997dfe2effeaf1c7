"""load_tflite: a TFLite file to a Graph, of floats or of what its integers stand for."""

from collections.abc import Callable, Sequence
from pathlib import Path

from emu.errors import ConfigError, EmuError, ModelError, UnsupportedError
from emu.frontends.tflite_file import TfliteFile, TfliteNode, read_tflite
from emu.frontends.tflite_fold import fold
from emu.frontends.tflite_ops import IMPORTERS
from emu.frontends.tflite_scope import Scope
from emu.graph import Graph, without_dead


def load_tflite(path: str | Path) -> Graph:
    """Read a TFLite file into a Graph with a free batch.

    The file's batch of 1 becomes the free axis; its layouts are ours already, except
    that weights become kh kw ci co and ci co. Tensors keep the file's names, and one
    that equals the file's says so in its `golden`.

    A float file, or one with integer weights only, gives a float Graph. A quantized
    file gives float layers between Quantize and Dequantize nodes: executed literally
    these simulate it in floats; `emu.quantize.lower_stated` makes the integer program.

    Raises MissingError for no file; ModelError for one that is damaged or
    contradicts itself; UnsupportedError naming every operator that cannot be
    imported.
    """
    try:
        return _import(read_tflite(Path(path)))
    except EmuError as error:
        raise type(error)(error.message, file=path, where=error.where) from error


def _import(file: TfliteFile) -> Graph:
    """Import the parts: inputs, operators in order, outputs."""
    scope = Scope(file)
    if not file.inputs or not file.outputs:
        raise ModelError("a file without inputs or outputs")
    _import_edges(scope, file.inputs, scope.input, "input")
    _import_nodes(scope, file.nodes)
    _import_edges(scope, file.outputs, scope.held, "output")
    outputs = dict.fromkeys(scope.held(index) for index in file.outputs)
    provenance = {"source": str(file.path), "sha256": file.sha256, "format": "tflite"}
    return without_dead(scope.builder.build(tuple(outputs), provenance))


def _import_edges(
    scope: Scope,
    indices: Sequence[int],
    step: Callable[[int], object],
    what: str,
) -> None:
    """Declare inputs or look outputs up; an error says which."""
    for index in indices:
        try:
            step(index)
        except UnsupportedError as error:
            where = f"{what} {scope.tensor(index).name!r}"
            raise UnsupportedError(error.message, where=where) from error


def _import_nodes(scope: Scope, nodes: Sequence[TfliteNode]) -> None:
    """Import all operators; raise one UnsupportedError for those that cannot be."""
    refused: list[str] = []
    unknown: set[int] = set()  # results of refused operators
    for node in nodes:
        if unknown.intersection(node.inputs):
            if node.kind not in IMPORTERS:
                refused.append(f"{node.name!r} ({node.kind})")
            unknown.update(node.outputs)
            continue
        try:
            if not fold(scope, node):
                _import_node(scope, node)
        except UnsupportedError as error:
            reason = f": {error.message}" if error.message else ""
            refused.append(f"{node.name!r} ({node.kind}{reason})")
            unknown.update(node.outputs)
    if refused:
        count = f"{len(refused)} unsupported operator{'s' if len(refused) > 1 else ''}"
        raise UnsupportedError(f"{count}: {', '.join(refused)}")


def _import_node(scope: Scope, node: TfliteNode) -> None:
    if node.kind not in IMPORTERS:
        raise UnsupportedError("")
    where = f"operator {node.name!r}"
    try:
        IMPORTERS[node.kind](scope, node)
    except ConfigError as error:
        raise ModelError(error.message, where=where) from error
    except ModelError as error:
        raise ModelError(error.message, where=error.where or where) from error
    except (IndexError, ValueError, OverflowError) as error:
        raise ModelError(
            f"{node.kind} with operands or options missing", where=where
        ) from error
