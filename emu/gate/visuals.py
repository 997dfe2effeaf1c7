"""What a page shows of a case beyond its figures: graph, histograms, pictures.

It is measured where program and data are at hand, and only if somebody asks.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from emu.compare import LayerReport, Mode
from emu.evaluate import (
    ClassifyResult,
    Dataset,
    DetectResult,
    EvalResult,
    ModelEntry,
    first_rows,
    model_inputs,
)
from emu.evaluate.inspection import inspect_graph
from emu.execute import Family
from emu.gate.histograms import Histogram, measure_histograms
from emu.gate.pictures import Picture, Scene, choose_pictures, choose_scenes
from emu.graph import Graph, fold_constants

# Layers with a histogram, and the samples that go into one.
_LAYERS: Final = 6
_SAMPLES: Final = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """A box of the drawn network: a layer, an input or an output.

    `shape` is that of its result for one sample; `macs` are multiply-accumulates for
    one sample, `parameters` weights and biases; 0 where there are none.
    """

    name: str
    op: str
    shape: tuple[int, ...]
    dtype: str
    macs: int = 0
    parameters: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Visuals:
    """What can be drawn of a case.

    Fields:
        blocks: of the integer program, in execution order.
        edges: (from, to), positions in `blocks`.
        histograms: of the worst layers, the worst first; none without golden FP32.
        pictures: samples that the program gets wrong, with all predictions.
        scenes: images with boxes of what there is to find and of what was found.
    """

    blocks: tuple[Block, ...]
    edges: tuple[tuple[int, int], ...]
    histograms: tuple[Histogram, ...] = ()
    pictures: tuple[Picture, ...] = ()
    scenes: tuple[Scene, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Before:
    """What is known of an earlier run: what it measured, and the predictions kept."""

    case: Mapping[str, str | None] = field(default_factory=dict)
    predictions: tuple[str, ...] = ()

    def classes(self, now: Mapping[str, str | None]) -> tuple[int, ...]:
        """Its classes sample by sample; none if it measured other samples."""
        same = all(self.case.get(key) == now.get(key) for key in ("data", "samples"))
        return tuple(map(int, " ".join(self.predictions).split())) if same else ()


def measure_visuals(
    program: Graph,
    entry: ModelEntry,
    dataset: Dataset,
    *,
    quantized: EvalResult,
    fp32: EvalResult | None,
    layers: LayerReport | None,
    before: Before,
    identity: Mapping[str, str | None],
    family: Family,
) -> Visuals:
    """Everything that can be drawn of a program on the data that it was measured on.

    `before` is an earlier run, `identity` what this one was asked for. Raises an
    EmuError for a sample that cannot be read.
    """
    blocks, edges = draw_program(program)
    histograms: tuple[Histogram, ...] = ()
    if layers is not None:
        rows = min(_SAMPLES, len(dataset))
        histograms = measure_histograms(
            program,
            entry.file,
            first_rows(model_inputs(dataset, entry, rows), rows),
            worst_layers(layers),
            rows,
            family,
        )
    pictures: tuple[Picture, ...] = ()
    scenes: tuple[Scene, ...] = ()
    if isinstance(quantized, ClassifyResult):
        golden = fp32.predictions if isinstance(fp32, ClassifyResult) else None
        pictures = choose_pictures(dataset, quantized, golden, before.classes(identity))
    if isinstance(quantized, DetectResult):
        scenes = choose_scenes(
            dataset, quantized, fp32 if isinstance(fp32, DetectResult) else None
        )
    return Visuals(
        blocks=blocks,
        edges=edges,
        histograms=histograms,
        pictures=pictures,
        scenes=scenes,
    )


def worst_layers(report: LayerReport, count: int = _LAYERS) -> tuple[str, ...]:
    """Names of the layers with the least SQNR, alone if that was compared."""
    table = report.tables.get(Mode.ISOLATED)
    if table is None:
        table = next(iter(report.tables.values()))
    order = table.sort_values(by="sqnr_db", kind="stable")
    return tuple(map(str, order["name"][:count]))


def draw_program(
    program: Graph,
) -> tuple[tuple[Block, ...], tuple[tuple[int, int], ...]]:
    """The layers of an integer program with its inputs and outputs, and who reads whom.

    Several nodes make one layer; edges inside of a layer, and what leads back to an
    earlier one, are left out.
    """
    graph = fold_constants(program)
    layers = inspect_graph(graph).layers
    blocks = [_end(graph, name, "input") for name in graph.inputs]
    made = dict(zip(graph.inputs, range(len(blocks)), strict=True))
    place = {layer.name: len(blocks) + i for i, layer in enumerate(layers)}
    blocks += [
        Block(
            name=layer.name,
            op=layer.op,
            shape=layer.shape,
            dtype=layer.dtype,
            macs=layer.macs,
            parameters=layer.parameters,
        )
        for layer in layers
    ]
    edges: dict[tuple[int, int], None] = {}
    for node in graph.nodes:
        here = place[node.layer or node.name]
        for name in node.inputs:
            source = made.get(name)
            if source is not None and source < here:
                edges[source, here] = None
        made[node.output] = here
    for name in graph.outputs:
        if name in made:
            edges[made[name], len(blocks)] = None
            blocks.append(_end(graph, name, "output"))
    return tuple(blocks), tuple(edges)


def _end(graph: Graph, name: str, op: str) -> Block:
    tensor = graph.tensors[name]
    shape = tuple(size for size in tensor.shape if size is not None)
    return Block(name=name, op=op, shape=shape, dtype=tensor.dtype)
