"""Random inputs: `random[:N[:seed]]` in place of a dataset, the same ones everywhere.

Every value depends on the seed, the input and the sample's number alone: the generator
counts, so neither the number of samples nor the batch size changes a sample.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from jaxtyping import Shaped

from emu.errors import ConfigError
from emu.graph import Graph, Tensor, consumers, is_static
from emu.ops import Quantize, Reshape, Transpose

_REFERENCE: Final = re.compile(r"random(?::([1-9]\d{0,6})(?::(\d{1,18}))?)?")


@dataclass(frozen=True, slots=True, kw_only=True)
class RandomData:
    """So many random samples."""

    count: int = 64
    seed: int = 0

    @property
    def name(self) -> str:
        """As `parse_random` reads it."""
        return f"random:{self.count}:{self.seed}"


def parse_random(ref: str, count: int = 64) -> RandomData | None:
    """What a data reference means if it starts with `random`, else None.

    `count` stands in for an N that is not given.

    Raises:
        ConfigError: it is not of the form `random[:N[:seed]]` with N >= 1.
    """
    if ref.partition(":")[0] != "random":
        return None
    match = _REFERENCE.fullmatch(ref)
    if match is None:
        raise ConfigError(
            f"found {ref!r}, expected random, random:N or random:N:SEED with N >= 1",
            where="--data",
        )
    return RandomData(count=int(match[1] or count), seed=int(match[2] or 0))


def random_batches(
    graph: Graph, data: RandomData, batch_size: int
) -> Iterator[Mapping[str, Shaped[np.ndarray, "..."]]]:
    """Each graph input by name, `batch_size` samples at a time.

    Integers are drawn from their whole format (booleans: both values). Reals are
    uniform over what the Quantize node that reads the input can represent; without
    one they are standard normal. A static graph gets `count` runs of whole arrays.
    """
    step = 1 if is_static(graph) else batch_size
    for start in range(0, data.count, step):
        numbers = range(start, min(start + step, data.count))
        yield random_inputs(graph, numbers, data.seed)


def random_inputs(
    graph: Graph, numbers: range, seed: int
) -> dict[str, Shaped[np.ndarray, "..."]]:
    """The samples of these numbers for each graph input, stacked (not if static)."""
    found = {}
    for position, name in enumerate(graph.inputs):
        tensor = graph.tensors[name]
        limits = _real_limits(graph, name)
        rows = [_draw(tensor, limits, seed, position, number) for number in numbers]
        found[name] = rows[0] if is_static(graph) else np.stack(rows)
    return found


def _draw(
    tensor: Tensor,
    limits: tuple[float, float] | None,
    seed: int,
    position: int,
    number: int,
) -> Shaped[np.ndarray, "*sample"]:
    """One sample of one input."""
    counter = np.array([0, 0, position, number], np.uint64)
    generator = np.random.Generator(np.random.Philox(counter=counter, key=seed))
    shape = tuple(size for size in tensor.shape if size is not None)
    dtype = np.dtype(tensor.dtype)
    if dtype.kind == "f":
        if limits is None:
            return generator.standard_normal(shape).astype(dtype)
        return generator.uniform(*limits, shape).astype(dtype)
    if dtype.kind == "b":
        return generator.integers(0, 2, shape).astype(dtype)
    info = tensor.format or np.iinfo(dtype)
    drawn = generator.integers(info.min, info.max, shape, np.int64, endpoint=True)
    return drawn.astype(dtype)


def _real_limits(graph: Graph, name: str) -> tuple[float, float] | None:
    """The reals that the first Quantize behind a tensor represents, the least first."""
    readers = consumers(graph)
    waiting = [name]
    while waiting:
        for node in readers.get(waiting.pop(0), []):
            if isinstance(node.op, Quantize):
                fmt, qparams = node.op.format, node.op.qparams
                pairs = list(zip(qparams.scale, qparams.zero_point, strict=True))
                return (
                    min((fmt.min - z) * s for s, z in pairs),
                    max((fmt.max - z) * s for s, z in pairs),
                )
            if isinstance(node.op, Reshape | Transpose):
                waiting.append(node.output)
    return None
