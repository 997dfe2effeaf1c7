"""load_tosa: a TOSA file of the integer profile to a static integer Graph."""

import hashlib
from pathlib import Path
from typing import Final

from emu.errors import EmuError, GraphError, ModelError, UnsupportedError
from emu.frontends.tosa_file import TosaFile, TosaOperator, read_tosa
from emu.frontends.tosa_ops import IMPORTERS
from emu.frontends.tosa_scope import Call, Scope
from emu.graph import Graph, verify, without_dead
from emu.ops import Identity

# Their results are constants, which are read where they are needed.
_CONSTANTS: Final = frozenset({"CONST", "CONST_SHAPE"})


def load_tosa(path: str | Path) -> Graph:
    """Read a .tosa flatbuffer, or its JSON form, into a static integer Graph.

    Tensors and layouts are the file's; convolution weights become HWIO. INT4 is held
    in int8, INT48 in int64; numbers that RESCALE reads or writes without sign lie in
    the same bits.

    Raises MissingError for no file; ModelError for one that is damaged or no sound
    TOSA graph; UnsupportedError naming every operator that cannot be imported.
    """
    path = Path(path)
    try:
        file = read_tosa(path)
        graph = _import(file, path)
    except EmuError as error:
        kind = ModelError if isinstance(error, GraphError) else type(error)
        raise kind(error.message, file=path, where=error.where) from error
    return graph


def _import(file: TosaFile, path: Path) -> Graph:
    _refuse_unknown(file)
    scope = Scope(file, path.stem)
    refused: list[str] = []
    unknown: set[str] = set()  # results of refused operators
    for operator in file.operators:
        if operator.kind in _CONSTANTS:
            continue
        if unknown.intersection(operator.inputs):
            unknown.update(operator.outputs)
            continue
        try:
            _import_operator(scope, operator)
        except UnsupportedError as error:
            refused.append(f"{operator.name!r} ({operator.kind}: {error.message})")
            unknown.update(operator.outputs)
        except EmuError as error:
            where = f"{operator.kind} {operator.name!r}"
            raise ModelError(error.message, where=where) from error
    if refused:
        raise UnsupportedError(f"cannot import {', '.join(refused)}")
    outputs = tuple(_output(scope, name) for name in file.outputs)
    provenance = {
        "source": path.name,
        "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        "format": "tosa",
        "version": file.version,
    }
    return verify(without_dead(scope.builder.build(outputs, provenance)))


def _refuse_unknown(file: TosaFile) -> None:
    """One error for all operators that nobody imports."""
    known = _CONSTANTS | IMPORTERS.keys()
    refused = [
        f"{operator.name!r} ({operator.kind})"
        for operator in file.operators
        if operator.kind not in known
    ]
    if refused:
        raise UnsupportedError(f"cannot import {', '.join(refused)}")


def _import_operator(scope: Scope, operator: TosaOperator) -> None:
    """Add the operator's nodes; its result must be what the file describes."""
    if len(operator.outputs) != 1:
        raise ModelError(f"{len(operator.outputs)} results, expected one")
    (name,) = operator.outputs
    if name in scope.known:
        raise ModelError(f"{name!r} is made twice")
    op, inputs = IMPORTERS[operator.kind](Call(scope, operator))
    element = scope.element(name)
    inside = scope.builder.add(op, inputs, name, layer=name, format=element.format)
    found, described = scope.builder.tensors[inside], scope.described(name)
    if described is not None and found != described:
        raise ModelError(
            f"makes {found.dtype} {found.shape}, but the file describes "
            f"{described.dtype} {described.shape}"
        )
    scope.known[name] = inside


def _output(scope: Scope, name: str) -> str:
    """The tensor of an output; a constant passes through an Identity node."""
    try:
        inside = scope.tensor(name)
    except EmuError as error:
        raise type(error)(error.message, where=f"output {name!r}") from error
    if inside not in scope.builder.constants:
        return inside
    element = scope.element(name)
    return scope.builder.add(
        Identity(), (inside,), f"{name}:output", format=element.format
    )
