"""AMCT configuration files as recipes: read, then fitted to a model.

AMCT speaks of a layer's input where a recipe speaks of a layer's output: a file is
fitted to a model by giving what it says of an input to the layer that makes the
tensor. Keys, values and sources: `emu.quantize.amct.tables`.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping
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
from emu.quantize.amct.keys import Key, Reading, Said, read_block
from emu.quantize.amct.tables import (
    CFG,
    DEFAULTS,
    JSON,
    LAYER,
    OF_ALGORITHM,
    OLD,
    TYPES,
    UNSAID,
)
from emu.quantize.amct.text import Block, Field, is_json, parse, read_text, wrong
from emu.quantize.recipe import Recipe

Entries = dict[str, Said]

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
# AMCT gives each filter a scale of its own, but not each output of a dense layer.
_Named = tuple[str, int, Entries]
_DENSE: Final[_Named] = (
    "Gemm",
    1,
    {"weights": Said("per-tensor", 1)},
)
# Keys of the simplified form that are not simply joined to the others.
_APART: Final = ("activation_offset", "override_layer_types", "override_layer_configs")


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
    types: tuple[tuple[str, int, Entries], ...] = ()
    layers: tuple[tuple[str, int, Entries], ...] = ()
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


def read_configuration(path: str | Path) -> Configuration:
    """The AMCT configuration at `path`, in whichever of its notations.

    Raises MissingError for no file, ConfigError (file, line) for a key that no such
    file has, a wrong value, or something that emu cannot do.
    """
    path = Path(path)
    return parse_configuration(read_text(path), path)


def parse_configuration(text: str, path: Path) -> Configuration:
    """The configuration in a text; `path` is for messages."""
    tree = parse(text, path)
    if is_json(text):
        return _from_json(tree, path)
    keys = {field.key for field in tree.fields}
    newer = len(keys & CFG.keys()) > len(keys & OLD.keys())
    return _from_cfg(tree, path) if newer else _from_old(tree, path)


def _from_json(tree: Block, path: Path) -> Configuration:
    named = [f for f in tree.fields if f.key not in JSON and isinstance(f.value, Block)]
    rest = tuple(f for f in tree.fields if f not in named)
    reading = read_block(Block(rest), JSON, path)
    layers: dict[str, tuple[str, int, Entries]] = {}
    for entry in named:
        if entry.key in layers:
            raise wrong(f"layer {entry.key!r} is said twice", path, entry.line)
        found = read_block(Block((entry,)), {entry.key: Key(inside=LAYER)}, path)
        said = _of_one_algorithm(entry.key, found.entries, path)
        layers[entry.key] = (entry.key, entry.line, said)
    common, batches, _ = _split_counts(reading.entries)
    return Configuration(
        file=path,
        everywhere={"method": Said("ifmr", 1), **common},
        types=(_DENSE,),
        layers=tuple(layers.values()),
        batches=batches,
        notes=_notes(path, reading),
    )


def _of_one_algorithm(layer: str, found: Entries, path: Path) -> Entries:
    """The entries of a layer; the keys of one algorithm, which they may imply."""
    told = found.get("method")
    method = told.value if told else "hfmg" if "num_of_bins" in found else "ifmr"
    for algorithm, keys in OF_ALGORITHM.items():
        foreign = next((k for k in keys if k in found and algorithm != method), None)
        if foreign:
            raise wrong(
                f"layer {layer!r}: a setting of {algorithm}, and act_algo is {method}",
                path,
                found[foreign].line,
            )
    if "num_of_bins" in found and told is None:
        return {**found, "method": Said("hfmg", found["num_of_bins"].line)}
    return found


def _from_old(tree: Block, path: Path) -> Configuration:
    reading = read_block(tree, OLD, path)
    common, _, samples = _split_counts(reading.entries)
    return Configuration(
        file=path,
        everywhere={"method": Said("kl", 1), **common},
        excluded=_names(tree, "exclude_op"),
        samples=samples,
        notes=_notes(path, reading),
    )


def _from_cfg(tree: Block, path: Path) -> Configuration:
    parts: dict[str, list[Field]] = defaultdict(list)
    for entry in tree.fields:
        parts[entry.key if entry.key in _APART else ""].append(entry)
    rest = read_block(Block(tuple(parts[""])), CFG, path)
    offset = read_block(Block(tuple(parts["activation_offset"])), CFG, path)
    # `asymmetric` in common_config goes before activation_offset beside it.
    common, batches, _ = _split_counts({**offset.entries, **rest.entries})
    types: list[_Named] = [_DENSE, *_by_type(common)]
    for entry in parts["override_layer_types"]:
        name, line, said = _override(entry, path)
        types.append((_type(name, line, path), line, said))
    layers = [_override(entry, path) for entry in parts["override_layer_configs"]]
    return Configuration(
        file=path,
        everywhere={"method": Said("ifmr", 1), **common},
        types=tuple(types),
        layers=tuple(layers),
        excluded=_names(tree, "skip_layers"),
        excluded_types=tuple(
            (_type(name, line, path), line)
            for name, line in _names(tree, "skip_layer_types")
        ),
        batches=batches,
        notes=_notes(path, rest),
    )


def _by_type(common: Entries) -> Iterator[_Named]:
    """What common_config says of some types only; taken out of `common`.

    6 and 7 bits for all layers mean all convolutions.
    """
    for key, types in (
        ("weight_bits", ("Conv",)),
        ("migration_strength", ("Conv", "ConvTranspose", "Gemm")),
    ):
        said = common.pop(key, None)
        if said:
            yield from ((name, said.line, {key: said}) for name in types)


def _override(entry: Field, path: Path) -> tuple[str, int, Entries]:
    """The name, its line and the entries of one override.

    AMCT takes it instead of common_config, not on top of it.
    """
    reading = read_block(Block((entry,)), CFG, path)
    block = entry.value
    names = ("layer_type", "layer_name")
    inner = block.fields if isinstance(block, Block) else ()
    name = next((f for f in inner if f.key in names), None)
    if name is None:
        raise wrong(f"{entry.key} names no layer", path, entry.line)
    said = reading.entries
    algorithm = said["method"].value if "method" in said else "ifmr"
    foreign = OF_ALGORITHM["ifmr" if algorithm == "hfmg" else "hfmg"]
    base = {key: value for key, value in UNSAID.items() if key not in foreign}
    instead = {key: Said(value, entry.line) for key, value in base.items()}
    return str(name.value), name.line, {**instead, **said}


def _names(tree: Block, key: str) -> tuple[tuple[str, int], ...]:
    return tuple((str(f.value), f.line) for f in tree.fields if f.key == key)


def _type(name: str, line: int, path: Path) -> str:
    if name not in TYPES:
        known = nearest(name, list(TYPES))
        raise wrong(f"no layer type {name!r} is quantized{known}", path, line)
    return TYPES[name]


def _split_counts(entries: Entries) -> tuple[Entries, int | None, int | None]:
    """The entries of layers, batch_num and batch_count."""
    rest = dict(entries)
    counts = [rest.pop(key, None) for key in ("batch_num", "batch_count")]
    batches, samples = (int(str(c.value)) if c else None for c in counts)
    return rest, batches, samples


def _notes(path: Path, reading: Reading) -> tuple[str, ...]:
    if not reading.ignored:
        return ()
    reasons: dict[str, list[str]] = defaultdict(list)
    for one in reading.ignored:
        reasons[one.why].append(one.key)
    told = "; ".join(f"{', '.join(keys)} ({why})" for why, keys in reasons.items())
    return (f"{path.name}: without effect here: {told}",)


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
