"""Some integers of every layer, kept with a baseline: where do the bits first differ?

Digests say that a tensor changed; a few of its elements say how many changed and by how
much, and are small enough for a text file that is reviewed.
"""

import base64
import hashlib
from collections.abc import Callable, Iterable
from math import gcd, prod
from typing import Final

import numpy as np
from jaxtyping import Integer

from emu.compare.layers import results
from emu.config import Config
from emu.execute import Family, Program
from emu.gate.causes import NO_CAUSE, likely_cause
from emu.graph import Graph, with_real_edges

# Elements that are kept of each tensor, and samples that run at once.
ELEMENTS: Final = 256
_BATCH: Final = 8
_LINE: Final = 80
# One alone says nothing of what they have in common.
_LEAST_TOLD: Final = 2


class KeptTensor(Config):
    """What a baseline knows of one layer's integers, for the samples of its digest.

    Fields:
        layer, tensor: names.
        shape: of all samples together.
        dtype: NumPy's name.
        digest: first 16 hex digits of the sha256 of all elements, little endian.
        elements: evenly spaced ones in C order, base64 of their little endian bytes
            in short lines; see `spacing`.
    """

    layer: str
    tensor: str
    shape: tuple[int, ...]
    dtype: str
    digest: str
    elements: tuple[str, ...]

    @property
    def values(self) -> Integer[np.ndarray, " n"]:
        """The elements that are kept."""
        little = np.dtype(self.dtype).newbyteorder("<")
        return np.frombuffer(base64.b64decode("".join(self.elements)), little)


class Keeper:
    """Takes in one tensor, batch after batch, as if it came whole."""

    def __init__(self, samples: int) -> None:
        self._samples = samples
        self._digest = hashlib.sha256()
        self._parts: list[np.ndarray] = []
        self._seen = 0

    def add(self, batch: Integer[np.ndarray, "n ..."]) -> None:
        """The next samples."""
        little = np.ascontiguousarray(batch.astype(batch.dtype.newbyteorder("<")))
        self._digest.update(little.tobytes())
        total = self._samples * (little.size // len(little))
        step = spacing(total)
        self._parts.append(little.ravel()[-self._seen % step :: step])
        self._seen += little.size
        self._last = little

    def kept(self, layer: str, tensor: str) -> KeptTensor:
        """What the baseline holds of it."""
        text = base64.b64encode(np.concatenate(self._parts).tobytes()).decode()
        return KeptTensor(
            layer=layer,
            tensor=tensor,
            shape=(self._samples, *self._last.shape[1:]),
            dtype=self._last.dtype.name,
            digest=self._digest.hexdigest()[:16],
            elements=tuple(
                text[start : start + _LINE] for start in range(0, len(text), _LINE)
            ),
        )


def spacing(total: int) -> int:
    """How far apart the kept ones of so many elements are, at most `ELEMENTS` of them.

    It has no factor in common with their number: a multiple of the channels would keep
    one channel alone.
    """
    step = max(1, -(-total // ELEMENTS))
    while gcd(step, total) > 1:
        step += 1
    return step


def keep_tensors(
    graph: Graph,
    batches: Callable[[int], Iterable[np.ndarray]],
    samples: int,
    family: Family | None = None,
) -> tuple[KeptTensor, ...]:
    """Every layer's result, in order, for so many samples of the float32 input.

    `batches` gives them, at most as many at once as it is told.
    """
    rows = results(graph)
    keepers = {layer: Keeper(samples) for layer in rows}
    program = Program(
        with_real_edges(graph), _BATCH, tuple(rows.values()), family=family
    )
    for x in batches(_BATCH):
        found = program(x)
        for layer, tensor in rows.items():
            keepers[layer].add(found[tensor])
    return tuple(keepers[layer].kept(layer, tensor) for layer, tensor in rows.items())


def first_divergence(
    found: tuple[KeptTensor, ...], stored: tuple[KeptTensor, ...]
) -> str | None:
    """The first layer, in order of execution, whose integers are not those stored.

    None where nothing is kept; layers that only one side has do not count.
    """
    if not found or not stored:
        return None
    before = {one.layer: one for one in stored}
    for now in found:
        old = before.get(now.layer)
        if old is None or old.digest == now.digest:
            continue
        if (old.shape, old.dtype) != (now.shape, now.dtype):
            return (
                f"first in {now.layer}: {old.dtype} {list(old.shape)} -> "
                f"{now.dtype} {list(now.shape)}"
            )
        return f"first in {now.layer}: {_told(now, old)}"
    return "no layer differs: what stands behind them does"


def _told(now: KeptTensor, old: KeptTensor) -> str:
    """How many of the kept elements differ, how far, where and likely why."""
    steps = np.abs(now.values.astype(np.int64) - old.values.astype(np.int64))
    places = np.flatnonzero(steps)
    line = f"{len(places)} of {steps.size} kept elements differ"
    if not len(places):
        return f"{line}, others do"
    line += f", by up to {steps.max()} LSB"
    if len(places) < _LEAST_TOLD:
        return line
    channels = np.unique(places * spacing(prod(now.shape)) % now.shape[-1])
    if len(channels) == 1 and now.shape[-1] > 1:
        line += f", all of channel {channels[0]}"
    cause = likely_cause(now.values, old.values)
    return line if cause == NO_CAUSE else f"{line} ({cause})"
