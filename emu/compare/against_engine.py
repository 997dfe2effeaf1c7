"""A program against an engine that runs the quantized file it was made from."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from emu.compare.against import (
    AgainstReport,
    Batch,
    Other,
    Place,
    Progress,
    compare_tensors,
)
from emu.compare.golden import GoldenEngine
from emu.errors import GraphError
from emu.graph import Graph


def golden_names(graph: Graph) -> list[str]:
    """The names in the source file of all tensors that an engine could be asked for."""
    return [place.name for place in _places(graph).values()]


def compare_with_engine(
    graph: Graph,
    engine: GoldenEngine,
    batches: Iterable[Batch],
    batch_size: int,
    progress: Progress | None = None,
) -> AgainstReport:
    """Every tensor of the source file that the program and the engine both give.

    `batches` hold an array for each graph input; the engine is fed with what the
    program has under the names of the file's inputs.

    Raises GraphError if there is nothing to compare or to feed, DataError for an
    array of another shape or dtype.
    """
    places = _places(graph)
    other = Other(
        tensors={
            name: place
            for name, place in places.items()
            if place.name in engine.names and place.name not in engine.inputs
        },
        inputs=_fed(graph, engine.inputs),
        run=lambda feeds, _: engine.run(feeds),
        about=engine.about,
    )
    report = compare_tensors(graph, other, batches, batch_size, progress)
    known = engine.names.union(engine.inputs)
    missing = tuple(p.name for p in places.values() if p.name not in known)
    return replace(report, missing=missing)


def _places(graph: Graph) -> dict[str, Place]:
    """The first tensor made here for each tensor of the source file."""
    found: dict[str, Place] = {}
    seen: set[str] = set()
    for node in graph.nodes:
        golden = graph.tensors[node.output].golden
        if golden and golden.name not in seen:
            seen.add(golden.name)
            found[node.output] = Place.of(golden)
    return found


def _fed(graph: Graph, inputs: Sequence[str]) -> dict[str, Place]:
    """For each input of the file the tensor here that holds it."""
    found: dict[str, Place] = {}
    for wanted in inputs:
        for name in (*graph.inputs, *(node.output for node in graph.nodes)):
            golden = graph.tensors[name].golden
            if golden and golden.name == wanted:
                found[name] = Place.of(golden)
                break
        else:
            raise GraphError(
                f"no tensor is the file's input {wanted!r}", where=graph.name
            )
    return found
