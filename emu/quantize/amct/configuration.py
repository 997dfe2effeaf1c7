"""AMCT configuration files as recipes: read, then fitted to a model.

AMCT speaks of a layer's input where a recipe speaks of a layer's output: a file is
fitted to a model by giving what it says of an input to the layer that makes the
tensor. Keys, values and sources: `emu.quantize.amct.tables`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from emu.config import nearest, validate
from emu.graph import Graph, Node, producers
from emu.ops import (
    Conv,
    ConvTranspose,
    Gemm,
    MaxPool,
    Pad,
    ReduceMax,
    ReduceMin,
    Reshape,
    Resize,
    Reverse,
    Slice,
    Transpose,
)
from emu.optimize import run_passes
from emu.quantize.amct.keys import Said
from emu.quantize.amct.tables import (
    DEFAULTS,
)
from emu.quantize.amct.text import wrong
from emu.quantize.recipe import Recipe

Entries = dict[str, Said]
# A name, the line that has it, and what is said of it.
Named = tuple[str, int, Entries]

# What a recipe says of the layer that makes a tensor; the rest is the layer's own.
OF_INPUTS: Final = frozenset(
    {
        "method",
        "bin",
        "start_ratio",
        "end_ratio",
        "step_ratio",
        "max_percentile",
        "min_percentile",
        "num_of_bins",
        "activation",
        "activation_bits",
    }
)
# Layers whose weights AMCT quantizes, and with them their input.
WEIGHTED: Final = (Conv, ConvTranspose, Gemm)
# Layers that keep the integers of their operand.
MOVES: Final = (
    MaxPool,
    Pad,
    ReduceMax,
    ReduceMin,
    Reshape,
    Resize,
    Reverse,
    Slice,
    Transpose,
)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Configuration:
    """What an AMCT configuration file says.

    Fields:
        file: where it was read.
        everywhere: entries of all layers; `types`, `layers` by type and by name, each
            with the line that names it.
        excluded: layers, `excluded_types` types that are not quantized, with lines.
        batches: AMCT's batch_num; a batch is one of the command's.
        samples: the old form's batch_count.
        notes: one line for people on keys that change nothing here; or none.
    """

    file: Path
    everywhere: Entries
    types: tuple[Named, ...] = ()
    layers: tuple[Named, ...] = ()
    excluded: tuple[tuple[str, int], ...] = ()
    excluded_types: tuple[tuple[str, int], ...] = ()
    batches: int | None = None
    samples: int | None = None
    notes: tuple[str, ...] = ()

    def fit(self, graph: Graph, batch_size: int) -> Recipe:
        """The recipe for a model, as it is imported, and a batch size of calibration.

        Raises ConfigError (file, line) for a layer that the model lacks, and for two
        layers that want one tensor quantized in two ways.
        """
        data = recipe_data(self, run_passes(graph), batch_size)
        return validate(data, Recipe, file=self.file)


def recipe_data(
    configuration: Configuration, graph: Graph, batch_size: int
) -> dict[str, Any]:
    """The recipe as plain data, for a float Graph after its passes."""
    fitting = _Fitting(configuration, graph)
    data: dict[str, Any] = {
        "global": {key: said.value for key, said in configuration.everywhere.items()},
        "layer": fitting.layers(),
    }
    if excluded := fitting.excluded():
        data["exclude"] = excluded
    if configuration.samples is not None:
        data["batch_count"] = configuration.samples
    if configuration.batches is not None:
        data["batch_count"] = configuration.batches * batch_size
    return {key: value for key, value in data.items() if value}


@dataclass(slots=True)
class _Fitting:
    """One configuration held against one model."""

    said: Configuration
    graph: Graph
    makers: Mapping[str, Node] = field(init=False)
    types: Mapping[str, Entries] = field(init=False)
    named: Mapping[str, tuple[int, Entries]] = field(init=False)

    def __post_init__(self) -> None:
        self.makers = producers(self.graph)
        types: dict[str, Entries] = {}
        for name, _, entries in self.said.types:
            types[name] = {**types.get(name, {}), **entries}
        self.types = MappingProxyType(types)
        self.named = MappingProxyType(
            {name: (line, e) for name, line, e in self.said.layers}
        )
        known = [node.name for node in self.graph.nodes]
        asked = [(name, line) for name, line, _ in self.said.layers]
        for name, line in (*asked, *self.said.excluded):
            if name not in known:
                raise wrong(
                    f"the model has no layer {name!r}{nearest(name, known)}",
                    self.said.file,
                    line,
                )

    def excluded(self) -> list[str]:
        """Layers to be left in float, in the order of the file, then by type."""
        types = {name for name, _ in self.said.excluded_types}
        by_type = [n.name for n in self.graph.nodes if type(n.op).__name__ in types]
        return list(dict.fromkeys([*(n for n, _ in self.said.excluded), *by_type]))

    def layers(self) -> dict[str, dict[str, object]]:
        """Entries of single layers: their own, and of the makers of their inputs."""
        found: dict[str, dict[str, object]] = {}
        wishes: dict[str, tuple[Node, Entries]] = {}
        left = set(self.excluded())
        for node in self.graph.nodes:
            line, own = self.named.get(node.name, (0, {}))
            entries = {**self.types.get(type(node.op).__name__, {}), **own}
            for key, said in entries.items():
                if key not in OF_INPUTS and said.value is not None:
                    found.setdefault(node.name, {})[key] = said.value
            off = node.name in left or _is_off(entries)
            if off or not (isinstance(node.op, WEIGHTED) or line):
                continue
            inputs = {k: said for k, said in entries.items() if k in OF_INPUTS}
            maker = self._maker(node.inputs[0])
            self._agree(maker, wishes, node, inputs)
        for maker, (_, inputs) in wishes.items():
            for key, said in inputs.items():
                found.setdefault(maker, {})[key] = said.value
        return found

    def _maker(self, tensor: str) -> str:
        """The layer that gives a tensor its integers, by name; or the input."""
        while (node := self.makers.get(tensor)) and isinstance(node.op, MOVES):
            tensor = node.inputs[0]
        return node.name if node else tensor

    def _agree(
        self,
        maker: str,
        wishes: dict[str, tuple[Node, Entries]],
        node: Node,
        inputs: Entries,
    ) -> None:
        """Keep what a layer wants of its input; another may not want it otherwise."""
        if maker not in wishes:
            wishes[maker] = (node, inputs)
            return
        other, theirs = wishes[maker]
        if self._effective(inputs) == self._effective(theirs):
            return
        lines = [said.line for said in (*inputs.values(), *theirs.values())]
        raise wrong(
            f"layers {other.name!r} and {node.name!r} read one tensor, that of "
            f"{maker!r}; expected the same activation settings for both",
            self.said.file,
            max(lines),
        )

    def _effective(self, inputs: Entries) -> dict[str, object]:
        """What a layer says of its input, with what all layers say and the defaults."""
        said = {**self.said.everywhere, **inputs}
        return {**DEFAULTS} | {k: v.value for k, v in said.items() if k in OF_INPUTS}


def _is_off(entries: Entries) -> bool:
    return "execute" in entries and entries["execute"].value == "float"
