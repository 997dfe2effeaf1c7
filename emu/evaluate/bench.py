"""Throughput of the emulator beside other engines, in one process, in turns."""

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any, Final

import numpy as np
from jaxtyping import Shaped

from emu.errors import UnsupportedError
from emu.evaluate.random_data import random_inputs
from emu.evaluate.rivals import LITERT, Rival, Run, rivals_of
from emu.evaluate.session import from_quantized_file
from emu.execute import Program
from emu.graph import Graph, is_static
from emu.quantize import Recipe, quantize_model
from emu.targets import Target

EMU: Final = "emu"

_SEED: Final = 20240229
_CALIBRATION: Final = 16
_LEAST_ROUNDS: Final = 5
# Long against the clock's grain and a scheduler's tick, short against a machine's mood.
_TURN_SECONDS: Final = 0.2

Progress = Callable[[int, int, str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchRun:
    """One batch size: samples per second of each engine, one figure for each round."""

    batch: int
    rates: Mapping[str, tuple[float, ...]]

    @property
    def engines(self) -> dict[str, float]:
        """Median samples per second of each engine."""
        return {name: median(rates) for name, rates in self.rates.items()}

    @property
    def ratios(self) -> dict[str, float]:
        """The emulator's throughput over that of each other engine."""
        found = self.engines
        return {
            f"{EMU}/{name}": found[EMU] / rate
            for name, rate in found.items()
            if name != EMU
        }

    def to_json(self) -> dict[str, Any]:
        """The stable names of a run in `emu bench --json`."""
        return {
            "batch": self.batch,
            "engines": self.engines,
            "ratios": self.ratios,
            "rounds": len(next(iter(self.rates.values()))),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchResult:
    """What `emu bench` measured.

    Fields:
        model, target: of the integer program.
        runs: in the order that was asked for.
        left_out: batch sizes that could not be compared, and why.
        threads: that each engine may use.
        versions: of the engines.
    """

    model: str
    target: str
    runs: tuple[BenchRun, ...]
    left_out: Mapping[int, str]
    threads: int
    versions: Mapping[str, str]

    def to_json(self) -> dict[str, Any]:
        """The stable names of `emu bench --json`; the first run also stands on top."""
        runs = [run.to_json() for run in self.runs]
        return {
            "model": self.model,
            "target": self.target,
            **runs[0],
            "runs": runs,
            "left_out": [
                {"batch": batch, "reason": reason}
                for batch, reason in self.left_out.items()
            ],
            "threads": self.threads,
            "versions": dict(self.versions),
        }


def random_program(graph: Graph, target: Target) -> Graph:
    """The integer program of a float Graph, calibrated on seeded normal samples.

    Good for measuring time only: the ranges are not those of real data.
    """
    x = random_input(graph, _CALIBRATION)
    return quantize_model(graph, lambda: [x], Recipe(), target)


def random_input(graph: Graph, count: int) -> Shaped[np.ndarray, "..."]:
    """Seeded samples for the graph's one input: standard normal, or any integers.

    Raises UnsupportedError for a graph of several inputs.
    """
    if len(graph.inputs) != 1:
        raise UnsupportedError(
            f"found {len(graph.inputs)} inputs; a model with one can be measured",
            where=graph.name,
        )
    if graph.tensors[graph.inputs[0]].dtype != "float32" or is_static(graph):
        return random_inputs(graph, range(count), _SEED)[graph.inputs[0]]
    sizes = graph.tensors[graph.inputs[0]].shape[1:]
    shape = (count, *(size for size in sizes if size is not None))
    return np.random.default_rng(_SEED).standard_normal(shape).astype(np.float32)


def bench_program(
    program: Graph,
    source: Path,
    batch_sizes: Sequence[int] = (32, 1),
    seconds: float = 3.0,
    progress: Progress | None = None,
) -> BenchResult:
    """Measure an integer Graph, and its source model in the engines of `rivals_of`.

    All run in this process on the same inputs with as many threads as it may use;
    turns of the engines follow each other (A B C A B C ...), about `seconds` an engine
    and batch size, and the median of the turns counts. The time of a call goes from
    NumPy input to NumPy output.

    A static graph has one batch size, its own; it is told as 1.

    Raises ModelError for a source model that an engine cannot run, UnsupportedError
    if no batch size can be compared.
    """
    tell = progress or untold
    tell(0, 1, "preparing other engines")
    static = is_static(program)
    samples = random_input(program, 1 if static else _CALIBRATION)
    rivals = rivals_of(source, samples, quantized=from_quantized_file(program))
    alone = [name for name, rival in rivals.items() if rival.fixed_batch]
    runs, left_out = [], {}
    for batch in [1] if static else dict.fromkeys(batch_sizes):
        if batch > 1 and alone:
            left_out[batch] = f"{alone[0]} takes one sample at a time of this file"
            continue
        tell(0, 1, f"batch {batch}: compiling")
        runs.append(_measure(program, rivals, batch, seconds, tell))
    if not runs:
        reason = next(iter(left_out.values()), "no batch size")
        raise UnsupportedError(f"nothing to compare: {reason}", file=source)
    recorded = program.provenance.get("target")
    return BenchResult(
        model=program.name,
        target=str(recorded["name"]) if isinstance(recorded, dict) else "",
        runs=tuple(runs),
        left_out=left_out,
        threads=len(os.sched_getaffinity(0)),
        versions={name: metadata.version(name) for name in ("jax", *_packages(rivals))},
    )


def _packages(rivals: Iterable[str]) -> list[str]:
    """The packages that the engines of these names come from."""
    return sorted(
        {"ai-edge-litert" if name == LITERT else "onnxruntime" for name in rivals}
    )


def untold(done: int, total: int, label: str) -> None:
    """Progress that nobody looks at."""
    del done, total, label


def _measure(
    graph: Graph,
    rivals: Mapping[str, Rival],
    batch: int,
    seconds: float,
    tell: Progress,
) -> BenchRun:
    x = random_input(graph, batch)
    compiled = Program(graph, batch)

    def emulate(x: np.ndarray) -> list[np.ndarray]:
        return list(compiled(x).values())

    engines: dict[str, Run] = {EMU: emulate}
    engines |= {name: rival.start() for name, rival in rivals.items()}
    label = f"batch {batch}"
    rates = rates_in_turns(
        engines, x, seconds, progress=lambda done, total: tell(done, total, label)
    )
    return BenchRun(batch=batch, rates=rates)


def rates_in_turns(
    engines: Mapping[str, Run],
    x: Shaped[np.ndarray, "n ..."],
    seconds: float,
    *,
    clock: Callable[[], float] = perf_counter,
    progress: Callable[[int, int], None] | None = None,
) -> dict[str, tuple[float, ...]]:
    """Samples per second of each engine on `x`, one figure for each round of turns.

    In a round every engine has a turn of about 0.2 seconds, at least one call; a run
    takes about `seconds` an engine, at least five rounds. `clock` gives seconds.
    """

    def timed(run: Run, calls: int) -> float:
        began = clock()
        for _ in range(calls):
            run(x)
        return clock() - began

    calls = {}
    for name, run in engines.items():
        run(x)
        once = min(timed(run, 1) for _ in range(2))
        calls[name] = max(1, round(_TURN_SECONDS / once))
    rates: dict[str, list[float]] = {name: [] for name in engines}
    rounds = max(_LEAST_ROUNDS, round(seconds / _TURN_SECONDS))
    began, done = clock(), 0
    while done < rounds:
        for name, run in engines.items():
            # The first call of a turn pays for what the other engines left in caches.
            run(x)
            rates[name].append(calls[name] * len(x) / timed(run, calls[name]))
        done += 1
        if progress:
            progress(done, rounds)
        late = clock() - began > 2 * seconds * len(engines)
        if late and done >= _LEAST_ROUNDS:
            break
    return {name: tuple(found) for name, found in rates.items()}
