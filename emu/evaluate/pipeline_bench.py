"""End to end: images per second of `emu eval` beside the same file in another engine."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from time import perf_counter
from types import MappingProxyType
from typing import Any, Final

import numpy as np

from emu.errors import UnsupportedError
from emu.evaluate.bench import EMU, Progress, untold
from emu.evaluate.datasets import Dataset
from emu.evaluate.detect.loop import PredictAll
from emu.evaluate.engine import engine_outputs
from emu.evaluate.entries import ModelEntry
from emu.evaluate.session import evaluate_outputs, graph_outputs
from emu.graph import Graph

# What one pass over the data spends its time on, in order of the pipeline:
# waiting for samples that threads decode and prepare, the engine from NumPy to NumPy,
# boxes and suppression (of classifiers: counting), the metric.
STAGES: Final[tuple[str, ...]] = ("samples", "engine", "outputs", "metric")

_LEAST_ROUNDS: Final = 3
# The other engine of a file by its suffix: as fast as it goes.
_OTHERS: Final[Mapping[str, str]] = MappingProxyType(
    {".onnx": "onnxruntime-optimized", ".tflite": "litert-xnnpack"}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class PipelineBench:
    """What `emu bench --data` measured.

    Fields:
        model, target, data: what ran on what.
        samples: of one pass.
        batch: samples per batch.
        seconds: engine -> stage -> seconds of each pass, one for each round.
        scores: the metric of each engine, 0 to 1.
        metric: its name.
        threads: that each engine may use.
    """

    model: str
    target: str
    data: str
    samples: int
    batch: int
    seconds: Mapping[str, Mapping[str, tuple[float, ...]]]
    scores: Mapping[str, float]
    metric: str
    threads: int

    @property
    def rounds(self) -> int:
        """Passes of each engine."""
        return len(self._passes(EMU))

    @property
    def engines(self) -> dict[str, float]:
        """Median samples per second of each engine, all stages together."""
        return {
            name: self.samples / median(self._passes(name)) for name in self.seconds
        }

    @property
    def ratios(self) -> dict[str, float]:
        """The emulator's throughput over each other engine's: median over the rounds.

        The passes of one round follow each other, so what else the machine does weighs
        on both.
        """
        own = self._passes(EMU)
        return {
            f"{EMU}/{name}": median(
                other / mine
                for other, mine in zip(self._passes(name), own, strict=True)
            )
            for name in self.seconds
            if name != EMU
        }

    @property
    def profile(self) -> dict[str, dict[str, float]]:
        """Median seconds of a pass that each engine spends in each stage."""
        return {
            name: {stage: median(found) for stage, found in stages.items()}
            for name, stages in self.seconds.items()
        }

    def to_json(self) -> dict[str, Any]:
        """The stable names of `emu bench --data --json`."""
        return {
            "model": self.model,
            "target": self.target,
            "data": self.data,
            "n": self.samples,
            "batch": self.batch,
            "engines": self.engines,
            "ratios": self.ratios,
            "rounds": self.rounds,
            "profile": self.profile,
            "metric": self.metric,
            "scores": dict(self.scores),
            "threads": self.threads,
        }

    def _passes(self, engine: str) -> list[float]:
        return [
            sum(stages) for stages in zip(*self.seconds[engine].values(), strict=True)
        ]


def bench_pipeline(
    graph: Graph,
    entry: ModelEntry,
    source: Path,
    dataset: Dataset,
    *,
    target: str,
    batch_size: int = 32,
    seconds: float = 3.0,
    progress: Progress | None = None,
) -> PipelineBench:
    """Measure whole evaluations: of a Graph, and of its source file elsewhere.

    Decoding, preprocessing, what is made of the outputs and the metric are the same
    code for both; passes over the data follow each other (A B A B ...), three or more
    of each, as many as fit into about `seconds` an engine. One batch before them
    compiles and opens all there is.

    Arguments:
        graph: float or integer; runs in the emulator.
        entry: how samples are prepared, and what the outputs mean.
        source: the model file that the other engine runs.
        dataset: with what the metric needs.
        target: name of the accelerator, for the result.
        batch_size: samples per batch.
        seconds: for each engine.
        progress: told finished rounds, all of them, and a label.

    Raises:
        UnsupportedError: no other engine runs the source file.
        Whatever `evaluate_outputs` and `open_engine` raise.
    """
    tell = progress or untold
    other = _OTHERS.get(source.suffix.lower())
    if other is None:
        raise UnsupportedError("nothing to compare: no engine runs it", file=source)
    tell(0, 1, "compiling")
    engines: dict[str, PredictAll] = {
        EMU: graph_outputs(graph, batch_size),
        other: engine_outputs(other, entry.model_copy(update={"file": source})),
    }
    for predict in engines.values():
        evaluate_outputs(predict, entry, dataset.first(batch_size), batch_size)
    laps: dict[str, list[dict[str, float]]] = {name: [] for name in engines}
    scores, metric = {}, ""
    began, rounds = perf_counter(), _LEAST_ROUNDS
    while len(laps[EMU]) < rounds:
        for name, predict in engines.items():
            found, scores[name], metric = _timed(predict, entry, dataset, batch_size)
            laps[name].append(found)
        done = len(laps[EMU])
        if perf_counter() - began < seconds * len(engines):
            rounds = max(rounds, done + 1)
        tell(done, rounds, f"batch {batch_size}")
    return PipelineBench(
        model=entry.name,
        target=target,
        data=dataset.name,
        samples=len(dataset),
        batch=batch_size,
        seconds={
            name: {stage: tuple(lap[stage] for lap in found) for stage in STAGES}
            for name, found in laps.items()
        },
        scores=scores,
        metric=metric,
        threads=len(os.sched_getaffinity(0)),
    )


def _timed(
    predict: PredictAll, entry: ModelEntry, dataset: Dataset, batch_size: int
) -> tuple[dict[str, float], float, str]:
    """Seconds of each stage of one pass, the metric and its name."""
    spent: dict[str, float] = dict.fromkeys(STAGES, 0.0)
    last = perf_counter()

    def lap(stage: str) -> None:
        nonlocal last
        now = perf_counter()
        spent[stage] += now - last
        last = now

    def timed(x: np.ndarray) -> Mapping[str, np.ndarray]:
        lap("samples")
        outputs = predict(x)
        lap("engine")
        return outputs

    def finished(done: int, most: int) -> None:
        del done, most
        lap("outputs")

    result = evaluate_outputs(timed, entry, dataset, batch_size, finished)
    score = result.score
    lap("metric")
    return spent, score, result.metric
