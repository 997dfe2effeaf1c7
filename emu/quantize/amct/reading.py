"""The three notations of AMCT configurations, read into `Configuration`s."""

from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from emu.config import nearest
from emu.quantize.amct.configuration import Configuration, Entries, Named
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

# AMCT gives each filter a scale of its own, but not each output of a dense layer.
_DENSE: Final[Named] = (
    "Gemm",
    1,
    {"weights": Said("per-tensor", 1)},
)
# Keys of the simplified form that are not simply joined to the others.
_APART: Final = ("activation_offset", "override_layer_types", "override_layer_configs")


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
    _require_a_range(common, path)
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
    _require_a_range(common, path)
    types: list[Named] = [_DENSE, *_by_type(common)]
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


def _by_type(common: Entries) -> Iterator[Named]:
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


def _require_a_range(entries: Entries, path: Path) -> None:
    """The ends of a search, the default ones too, stand in their order."""
    ends = [entries.get(k) for k in ("start_ratio", "end_ratio")]
    start, end = (
        float(str(said.value if said else DEFAULTS[key]))
        for said, key in zip(ends, ("start_ratio", "end_ratio"), strict=True)
    )
    lines = [said.line for said in ends if said]
    if start >= end:
        raise wrong(
            f"a search from {start:g} to {end:g}, expected start < end",
            path,
            max(lines),
        )


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
    _require_a_range(said, path)
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
