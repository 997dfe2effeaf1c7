"""compare_layers: every quantized layer against golden FP32, streamed over batches."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from enum import Enum
from functools import partial
from math import prod
from pathlib import Path
from types import MappingProxyType
from typing import Final

import jax
import numpy as np
import pandas as pd

from emu.compare.engines import golden_engine
from emu.compare.layers import Comparison, Layer, cumulative, isolated
from emu.compare.levels import tensor_levels
from emu.compare.metrics import (
    combine,
    first_divergence,
    layer_table,
    sample_sums,
)
from emu.errors import DataError, GraphError
from emu.execute import Family, Program
from emu.fixedpoint import QParams, Register
from emu.graph import Graph, Numbers, as_number, check_input, with_numbers
from emu.ops import Accumulating, watch
from emu.recall import Arrays, Recall, compute_anew

# Golden tensors of one call; they, their copies and results may take ten times as much.
_GOLDEN_BYTES: Final = 128 << 20


class Mode(Enum):
    """What a layer is fed with."""

    CUMULATIVE = "cumulative"  # the integer network before it: all layers quantized
    ISOLATED = "isolated"  # golden values: only this layer quantized


_REWRITES: Final[Mapping[Mode, Callable[[Graph], Comparison]]] = MappingProxyType(
    {Mode.CUMULATIVE: cumulative, Mode.ISOLATED: isolated}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerReport:
    """A table per mode (columns as in `layer_table`) and what the golden was."""

    tables: Mapping[Mode, pd.DataFrame]
    samples: int
    engine: Mapping[str, str]

    @property
    def first_divergence(self) -> str | None:
        """First layer that differs from golden integers, by the first table."""
        return first_divergence(next(iter(self.tables.values())))

    def mean_sqnr(self, mode: Mode) -> float | None:
        """Mean SQNR of the layers in dB, exact ones left out; None without any."""
        table = self.tables.get(mode)
        if table is None:
            return None
        found = table["sqnr_db"].to_numpy(np.float64)
        finite = found[np.isfinite(found)]
        return float(finite.mean()) if finite.size else None


@dataclass(frozen=True)
class _Finish:
    """The sums of every layer, inside the compiled function.

    The scales of the layers are arguments, so that programs of one structure share it.
    """

    layers: tuple[Layer, ...]

    @classmethod
    def of(cls, comparison: Comparison) -> "_Finish":
        """The same for all comparisons that differ in numbers alone."""
        blank = QParams((1.0,), (0,))
        return cls(
            tuple(
                replace(layer, qparams=blank, safe_bits=0)
                for layer in comparison.layers
            )
        )

    def __call__(
        self, tensors: dict[str, jax.Array], numbers: Mapping[str, Numbers]
    ) -> dict[str, dict[str, jax.Array]]:
        return {
            layer.name: sample_sums(
                with_numbers(layer, numbers[layer.name]),
                tensors[layer.tensor],
                tensors[layer.golden],
                tensors[layer.sums] if layer.sums else None,
                _register(layer, tensors),
            )
            for layer in self.layers
        }


class _Run:
    """One mode: its compiled program and the running totals."""

    def __init__(
        self, comparison: Comparison, batch_size: int, family: Family | None
    ) -> None:
        self.comparison = comparison
        self.totals: dict[str, dict[str, float | int]] = {}
        self.program = Program(
            comparison.graph,
            batch_size,
            finish=_Finish.of(comparison),
            family=family,
            finish_numbers={
                layer.name: {"qparams": as_number(layer.qparams)}
                for layer in comparison.layers
            },
        )

    def sums(self, feed: Mapping[str, np.ndarray]) -> Arrays:
        """What a batch gives, named layer/sum."""
        names = self.comparison.graph.inputs
        padded = {name: self.program.pad(name, feed[name]) for name in names}
        batch = jax.device_get(self.program.launch(padded))
        return {
            f"{layer}/{name}": values
            for layer, sums in batch.items()
            for name, values in sums.items()
        }

    def add(self, sums: Arrays, count: int) -> None:
        """Add the first `count` samples of a batch to the totals."""
        layers: dict[str, dict[str, np.ndarray]] = defaultdict(dict)
        for path, values in sums.items():
            layer, _, name = path.rpartition("/")
            layers[layer][name] = values
        for layer, found in layers.items():
            self.totals[layer] = combine(self.totals.get(layer), found, count)

    def table(self, samples: int, levels: Mapping[str, str]) -> pd.DataFrame:
        tensors = self.comparison.graph.tensors
        elements = {
            layer.name: samples
            * int(np.prod([d for d in tensors[layer.tensor].shape[1:] if d]))
            for layer in self.comparison.layers
        }
        return layer_table(self.comparison.layers, self.totals, elements, levels)


def _register(layer: Layer, tensors: Mapping[str, jax.Array]) -> Register | None:
    """Every addition of a layer whose register overflows on the way."""
    node = layer.watched
    if node is None or not isinstance(node.op, Accumulating):
        return None
    return watch(node.op, *(tensors[name] for name in node.inputs))


def compare_layers(
    graph: Graph,
    model: str,
    batches: Iterable[np.ndarray],
    batch_size: int,
    modes: tuple[Mode, ...] = (Mode.CUMULATIVE, Mode.ISOLATED),
    progress: Callable[[int], None] | None = None,
    family: Family | None = None,
    recall: Recall = compute_anew,
) -> LayerReport:
    """Compare every quantized layer of an integer Graph with another engine's FP32.

    `model` is the float file the graph was made from; `batches` are its float32
    inputs, at most `batch_size` samples each; fewer go through at once where the golden
    tensors are large. Memory does not grow with their number. Comparisons of a
    `family` share compiled code. `recall` gives batches of an interrupted run.
    """
    comparisons = {mode: _REWRITES[mode](graph) for mode in modes}
    size = min([batch_size, *map(_fitting, comparisons.values())])
    runs = {mode: _Run(found, size, family) for mode, found in comparisons.items()}
    if not any(run.comparison.layers for run in runs.values()):
        raise GraphError("no quantized layer with golden outputs", where=graph.name)
    wanted = _golden_inputs(run.comparison.graph for run in runs.values())
    names = sorted({name for name, _ in wanted.values()})
    engine = golden_engine(Path(model), names)

    def compute(x: np.ndarray) -> Arrays:
        """The sums of all runs for a batch, named by mode, layer and sum."""
        found = engine.run(x)
        goldens = {
            name: np.ascontiguousarray(np.transpose(found[source], perm))
            for name, (source, perm) in wanted.items()
        }
        feed = {**goldens, graph.inputs[0]: x}
        return {
            f"{mode.value}/{path}": values
            for mode, run in runs.items()
            for path, values in run.sums(feed).items()
        }

    samples = 0
    for number, x in enumerate(_pieces(batches, size)):
        check_input(graph, graph.inputs[0], x)
        sums = recall(number, partial(compute, x))
        for mode, run in runs.items():
            run.add(_under(f"{mode.value}/", sums), len(x))
        samples += len(x)
        if progress:
            progress(len(x))
    if not samples:
        raise DataError("no samples to compare", where=graph.name)
    levels = tensor_levels(graph)
    tables = {mode: run.table(samples, levels) for mode, run in runs.items()}
    return LayerReport(tables=tables, samples=samples, engine=engine.about)


def _under(prefix: str, sums: Arrays) -> Arrays:
    """Those whose names begin so, without the beginning."""
    return {
        path.removeprefix(prefix): values
        for path, values in sums.items()
        if path.startswith(prefix)
    }


def _fitting(comparison: Comparison) -> int:
    """Samples whose golden tensors fit into `_GOLDEN_BYTES`, at least one."""
    tensors = comparison.graph.tensors
    shapes = [tensors[name].shape[1:] for name in comparison.graph.inputs]
    values = sum(prod(size or 1 for size in shape) for shape in shapes)
    return max(1, _GOLDEN_BYTES // (4 * values))


def _pieces(batches: Iterable[np.ndarray], size: int) -> Iterator[np.ndarray]:
    for x in batches:
        for start in range(0, len(x), size):
            yield x[start : start + size]


def _golden_inputs(
    graphs: Iterable[Graph],
) -> dict[str, tuple[str, tuple[int, ...]]]:
    """Golden input -> (tensor of the source model, permutation to our layout)."""
    return {
        name: (described.golden.name, described.golden.perm)
        for graph in graphs
        for name in graph.inputs
        if name.startswith("golden:") and (described := graph.tensors[name]).golden
    }
