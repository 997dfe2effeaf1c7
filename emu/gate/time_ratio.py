"""How long a program takes beside other engines, for limits on it."""

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from statistics import median
from time import perf_counter
from types import MappingProxyType
from typing import Final

import numpy as np
from jaxtyping import Shaped

from emu.errors import UnsupportedError
from emu.evaluate.bench import EMU, random_input, rates_in_turns
from emu.evaluate.rivals import LiteRtRival, Rival, Run, onnx_rival
from emu.execute import Program
from emu.graph import Graph, is_static

# Engine, by its name in `emu.compare.ENGINES` -> endings of its files, what runs them.
_RIVALS: Final[Mapping[str, tuple[str, Callable[[Path], Rival]]]] = MappingProxyType(
    {
        "onnxruntime": (".onnx", onnx_rival),
        "litert-xnnpack": (".tflite", lambda path: LiteRtRival(path=path)),
    }
)
TIMED_ENGINES: Final = tuple(_RIVALS)
_SECONDS: Final = 1.0


def timed_rivals(source: Path, engines: Iterable[str]) -> dict[str, Rival]:
    """What the program of a model file is timed beside; names of `TIMED_ENGINES`.

    Raises UnsupportedError for an engine that does not run such files, ModelError for
    a model that it cannot run.
    """
    found = {}
    for engine in engines:
        suffix, rival_of = _RIVALS[engine]
        if source.suffix.lower() != suffix:
            raise UnsupportedError(
                f"max_time_ratio: {engine} runs {suffix} files only", file=source
            )
        found[engine] = rival_of(source)
    return found


def time_ratios(
    program: Graph, rivals: Mapping[str, Rival], batch_size: int
) -> dict[str, float]:
    """Time of the program over that of its source model, for each engine.

    In turns in this process, with the same random samples, `batch_size` at once (one,
    where an engine takes no more) and all threads allowed. Other work on the machine
    shows, so jobs do not run beside it.
    """
    found = {}
    for engine, rival in rivals.items():
        batch = 1 if is_static(program) or rival.fixed_batch else batch_size
        emulated = Program(program, batch)
        runs: dict[str, Run] = {
            EMU: lambda x, run=emulated: list(run(x).values()),
            engine: rival.start(),
        }
        found[engine] = time_ratio(runs, random_input(program, batch))
    return found


def time_ratio(
    runs: Mapping[str, Run],
    x: Shaped[np.ndarray, "n ..."],
    clock: Callable[[], float] = perf_counter,
) -> float:
    """Time of the first of two engines over that of the second: median of all rounds."""
    first, second = rates_in_turns(runs, x, _SECONDS, clock=clock).values()
    return median(other / own for own, other in zip(first, second, strict=True))
