"""One model entry at work: opened, quantized, evaluated; what commands and gates call."""

from collections.abc import Callable, Iterable, Iterator, Mapping

import numpy as np
from pydantic import ValidationError

from emu.errors import ConfigError, ModelError
from emu.evaluate.batches import batches
from emu.evaluate.datasets import Dataset
from emu.evaluate.detect.loop import PredictAll, evaluate_detector
from emu.evaluate.detect.result import DetectResult
from emu.evaluate.entries import ModelEntry, find_dataset
from emu.evaluate.loop import RowResult, evaluate
from emu.execute import Family, Program
from emu.frontends import load_model
from emu.graph import Graph, load_graph, with_real_edges
from emu.quantize import (
    Recipe,
    Record,
    calibration_gaps,
    lower_stated,
    quantize_model,
)
from emu.recall import Checkpoint, Recall, compute_anew
from emu.targets import Target

Progress = Callable[[int, int], None]
EvalResult = RowResult | DetectResult


def open_model(entry: ModelEntry) -> tuple[ModelEntry, Graph]:
    """The Graph of an entry: as its file says, an integer one for an .emu file.

    An .emu file remembers the entry that it was made from (preprocessing, task,
    label offset); that entry comes back with it.
    """
    if entry.file.suffix.lower() != ".emu":
        return entry, load_model(entry.file)
    graph = load_graph(entry.file)
    recorded = graph.provenance.get("entry")
    if not isinstance(recorded, dict):
        return entry, graph
    try:
        made_from = ModelEntry.model_validate({**recorded, "file": entry.file})
    except ValidationError as error:
        reason = error.errors()[0]["msg"]
        raise ModelError(f"damaged entry: {reason}", file=entry.file) from error
    return made_from, graph


def model_inputs(
    dataset: Dataset,
    entry: ModelEntry,
    batch_size: int,
) -> Iterator[np.ndarray]:
    """The model's inputs for a dataset, float32, `batch_size` rows at a time."""
    for batch in batches(dataset, entry.preprocess, batch_size):
        yield batch.x


def first_rows(batches: Iterable[np.ndarray], count: int) -> Iterator[np.ndarray]:
    """The first `count` rows of batches, in batches."""
    for x in batches:
        yield x[:count]
        count -= len(x)
        if count <= 0:
            return


def quantize_entry(
    entry: ModelEntry,
    graph: Graph,
    target: Target,
    recipe: Recipe,
    calibration: str | None = None,
    batch_size: int = 32,
    progress: Progress | None = None,
    *,
    record: Record | None = None,
    checkpoint: Checkpoint = Checkpoint(),  # noqa: B008 - has no state
) -> Graph:
    """The integer program of a float Graph, calibrated on a dataset reference.

    `calibration` defaults to the entry's own. The entry and the digest of the
    calibration data are recorded in the provenance, and where the model lies. With a
    `record` of factors data is needed, and opened, only for what it does not say.
    Batches that an earlier run has finished by its `checkpoint` are not run again.
    """
    reference = calibration or entry.calibration
    gaps = calibration_gaps(graph, recipe, target, record) if record else ("",)
    if not gaps:
        return quantize_model(graph, (), recipe, target, origin(entry), record=record)
    if reference is None and record is not None:
        named = ", ".join(repr(name) for name in gaps[:3])
        more = f" and {len(gaps) - 3} more" if len(gaps) > 3 else ""
        raise ConfigError(
            f"says nothing of the tensors {named}{more}; name calibration data with "
            "--calib",
            file=record.file,
        )
    if reference is None:
        raise ConfigError(
            "no calibration data: name it with --calib, or in the model's entry",
            where=entry.name,
        )
    dataset = find_dataset(reference).first(recipe.batch_count)
    seen = 0

    def count(rows: int) -> None:
        nonlocal seen
        seen += rows
        if progress:
            progress(seen, max(seen, len(dataset)))

    provenance = {
        **origin(entry),
        "calibration": {
            "data": reference,
            "samples": len(dataset),
            "digest": dataset.digest(),
        },
    }

    def inputs() -> Iterator[np.ndarray]:
        nonlocal seen
        seen = 0
        return model_inputs(dataset, entry, batch_size)

    return quantize_model(
        graph,
        inputs,
        recipe,
        target,
        provenance,
        count,
        record=record,
        checkpoint=checkpoint,
    )


def lower_entry(entry: ModelEntry, graph: Graph, target: Target) -> Graph:
    """The integer program of a quantized file; its parameters are the file's own."""
    return lower_stated(graph, target, {**origin(entry), "parameters": "file"})


def from_quantized_file(graph: Graph) -> bool:
    """Whether a program's numbers come from its file, so that no FP32 is behind it."""
    calibrated = isinstance(graph.provenance.get("target"), dict)
    return graph.provenance.get("parameters") == "file" or not calibrated


def origin(entry: ModelEntry) -> Mapping[str, object]:
    """What a program remembers of its entry, and where the model lies."""
    return {
        "source": str(entry.file.resolve()),
        "entry": entry.model_dump(mode="json", exclude={"file"}),
    }


def evaluate_graph(
    graph: Graph,
    entry: ModelEntry,
    dataset: Dataset,
    batch_size: int = 32,
    progress: Progress | None = None,
    *,
    taps: tuple[str, ...] = (),
    watch: Callable[[dict[str, np.ndarray]], None] | None = None,
    family: Family | None = None,
    recall: Recall = compute_anew,
) -> EvalResult:
    """Top-1, average precision or the entry's metric of a float or integer Graph.

    Integer inputs are quantized from what preprocessing gives, integer outputs
    dequantized. `watch` sees the outputs and the tensors named in `taps` of every
    batch. Graphs of a `family` share compiled code. `recall` gives batches of an
    interrupted run; `watch` does not see those.
    """
    predict = graph_outputs(graph, batch_size, taps=taps, watch=watch, family=family)
    return evaluate_outputs(predict, entry, dataset, batch_size, progress, recall)


def graph_outputs(
    graph: Graph,
    batch_size: int,
    *,
    taps: tuple[str, ...] = (),
    watch: Callable[[dict[str, np.ndarray]], None] | None = None,
    family: Family | None = None,
) -> PredictAll:
    """A function from float32 rows to the outputs of a Graph; see `evaluate_graph`."""
    edged = with_real_edges(graph)
    program = Program(edged, batch_size, taps, family=family)

    def predict_all(x: np.ndarray) -> dict[str, np.ndarray]:
        results = program(x)
        if watch:
            watch(results)
        outputs = zip(graph.outputs, edged.outputs, strict=True)
        return {name: results[real] for name, real in outputs}

    return predict_all


def evaluate_outputs(
    predict_all: PredictAll,
    entry: ModelEntry,
    dataset: Dataset,
    batch_size: int = 32,
    progress: Progress | None = None,
    recall: Recall = compute_anew,
) -> EvalResult:
    """The entry's metric of whatever gives the outputs of its model, by name."""
    if entry.decoder is not None:
        return evaluate_detector(
            predict_all,
            dataset,
            preprocess=entry.preprocess,
            decoder=entry.decoder,
            batch_size=batch_size,
            progress=progress,
            recall=recall,
        )
    return evaluate(
        lambda x: next(iter(predict_all(x).values())),
        dataset,
        preprocess=entry.preprocess,
        label_offset=entry.label_offset,
        task=entry.task,
        batch_size=batch_size,
        progress=progress,
        recall=recall,
    )
