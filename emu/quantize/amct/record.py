"""Records of quantization factors, as AMCT writes them: read and written.

A record tells of a layer the scale and offset of its input (scale_d, offset_d:
q = round(x / scale_d + offset_d), q signed) and the scale of its weights, one or one a
filter (scale_w, offset_w = 0, shift_bit = 0). AMCT dequantizes what a layer makes; a
program of integers has tensors besides, which a record of the tensor's name in the
program describes, marked is_tensor_quantize as AMCT marks tensors that are quantized
for themselves.

Sources (facts only): hicann/amct at 2be20da, docs/zh/context/record.md and
proto/scale_offset_record_pytorch.proto; the ONNX edition's fields from
www.hiascend.com, atlasamct_16_0165; ranges (shift_bit 0 or 1..16, offset_w 0) from
common/utils/parse_record_file.py.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from emu.config import nearest
from emu.errors import ConfigError
from emu.fixedpoint import QParams
from emu.quantize.amct.text import Block, Field, Value, parse, read_text, wrong

_MAX_SCALES: Final = 1 << 20
_BITS: Final = {f"INT{bits}": bits for bits in (4, 6, 7, 8, 16)}


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerRecord:
    """The factors of one layer, or of one tensor (then without weights).

    Fields:
        key: name of the layer, or of the integer tensor in a program.
        scale_d, offset_d: of the input, or of the tensor; offset_d as for signed
            integers.
        scale_w: of the weights, one or one an output channel; float32 values.
        bits, weight_bits: of the integers.
        line: where it was read; 0 if it was not.
    """

    key: str
    scale_d: float
    offset_d: int
    scale_w: tuple[float, ...] = ()
    bits: int = 8
    weight_bits: int = 8
    line: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """A whole record file; `notes` are lines for people on fields without effect."""

    file: Path
    layers: tuple[LayerRecord, ...]
    notes: tuple[str, ...] = ()


def read_record(path: str | Path) -> Record:
    """The record file at `path`.

    Raises MissingError for no file, ConfigError (file, line) for what is no record, a
    wrong value, a layer said twice, and factors that emu cannot take.
    """
    path = Path(path)
    return parse_record(read_text(path), path)


def parse_record(text: str, path: Path) -> Record:
    """The record in a text; `path` is for messages."""
    found: dict[str, LayerRecord] = {}
    reader = _Reader(path)
    for entry in parse(text, path).fields:
        if entry.key != "record" or not isinstance(entry.value, Block):
            raise wrong(
                f"found {entry.key!r}, expected record {{ ... }}", path, entry.line
            )
        layer = reader.layer(entry, entry.value)
        if layer.key in found:
            raise wrong(f"{layer.key!r} is recorded twice", path, layer.line)
        found[layer.key] = layer
    if not found:
        raise ConfigError("no record in it", file=path)
    seen = ", ".join(name for name in _WITHOUT_EFFECT if name in reader.seen)
    notes = (f"{path.name}: without effect here: {seen}",) if seen else ()
    return Record(file=path, layers=tuple(found.values()), notes=notes)


@dataclass(slots=True)
class _Reader:
    """Fields of one record by name, each checked."""

    path: Path
    seen: set[str] = field(default_factory=set)

    def layer(self, outer: Field, block: Block) -> LayerRecord:
        fields = self._fields(block, ("key", "value"), repeated=())
        if "key" not in fields or "value" not in fields:
            raise wrong("a record has a key and a value", self.path, outer.line)
        (key,), (value,) = fields["key"], fields["value"]
        if not isinstance(key.value, str) or not isinstance(value.value, Block):
            raise wrong("a record has a name and a block", self.path, outer.line)
        said = self._fields(value.value, _FIELDS, repeated=_REPEATED)
        self.seen |= said.keys()
        for name, why in _REFUSED.items():
            if name in said:
                raise wrong(f"{name}: {why}", self.path, said[name][0].line)
        if "scale_d" not in said:
            line = value.line
            raise wrong(f"{key.value!r} has no scale_d", self.path, line)
        bits = self._bits(said, "act_type", self._bits(said, "dst_type", 8))
        half = 1 << (bits - 1)
        self._zeros(said, "offset_w", "weights have no offset")
        self._zeros(said, "shift_bit", "sums are not shifted before they are rescaled")
        return LayerRecord(
            key=key.value,
            scale_d=self._scale(said["scale_d"][0], said["scale_d"][0].value),
            offset_d=self._offset(said, -half, half - 1),
            scale_w=tuple(
                self._scale(entry, value) for entry, value in self._all(said, "scale_w")
            ),
            bits=bits,
            weight_bits=self._bits(said, "wts_type", 8),
            line=key.line,
        )

    def _fields(
        self, block: Block, known: Iterable[str], repeated: Iterable[str]
    ) -> dict[str, list[Field]]:
        found: dict[str, list[Field]] = {}
        for entry in block.fields:
            if entry.key not in known:
                close = nearest(entry.key, list(known))
                raise wrong(f"unknown key {entry.key!r}{close}", self.path, entry.line)
            if entry.key in found and entry.key not in repeated:
                raise wrong(f"{entry.key!r} is said twice", self.path, entry.line)
            found.setdefault(entry.key, []).append(entry)
        return found

    def _all(
        self, said: dict[str, list[Field]], name: str
    ) -> Iterator[tuple[Field, Value]]:
        """The values of a repeated field; one entry may hold a list of them."""
        count = 0
        for entry in said.get(name, ()):
            values = entry.value if isinstance(entry.value, tuple) else (entry.value,)
            for value in values:
                count += 1
                if count > _MAX_SCALES:
                    raise wrong(f"too many of {name}", self.path, entry.line)
                yield entry, value

    def _scale(self, entry: Field, value: Value) -> float:
        number = value if isinstance(value, int | float) else None
        if number is not None and not isinstance(value, bool):
            try:
                return QParams((float(number),), (0,)).scale[0]
            except (ConfigError, OverflowError):
                pass
        raise wrong(
            f"{entry.key}: found {_shown(value)}, expected a positive float32 number",
            self.path,
            entry.line,
        )

    def _offset(self, said: dict[str, list[Field]], low: int, high: int) -> int:
        if "offset_d" not in said:
            return 0
        entry = said["offset_d"][0]
        if type(entry.value) is int and low <= entry.value <= high:
            return entry.value
        raise wrong(
            f"offset_d: found {_shown(entry.value)}, expected a whole number "
            f"{low}..{high}",
            self.path,
            entry.line,
        )

    def _bits(self, said: dict[str, list[Field]], name: str, default: int) -> int:
        if name not in said:
            return default
        entry = said[name][0]
        if isinstance(entry.value, str) and entry.value in _BITS:
            return _BITS[entry.value]
        raise wrong(
            f"{name}: found {_shown(entry.value)}, expected {', '.join(_BITS)}",
            self.path,
            entry.line,
        )

    def _zeros(self, said: dict[str, list[Field]], name: str, why: str) -> None:
        for entry, value in self._all(said, name):
            if type(value) is not int or value != 0:
                raise wrong(
                    f"{name}: found {_shown(value)}, expected 0: {why}",
                    self.path,
                    entry.line,
                )


_REPEATED: Final = ("scale_w", "offset_w", "shift_bit", "tensor_balance_factor")
_RNN: Final = "recurrent layers are not in emu"
_REFUSED: Final = {
    "tensor_balance_factor": "balance with migration_strength in a recipe",
    "scale_h": _RNN,
    "offset_h": _RNN,
    "scale_r": _RNN,
    "offset_r": _RNN,
    "cluster_center": "levels of weights are found with weight_method = nuq",
}
# These tell AMCT how to change its model file.
_WITHOUT_EFFECT: Final = (
    "skip_fusion",
    "op_data_type",
    "fakequant_precision_mode",
    "channels",
    "height",
    "width",
)
_FIELDS: Final = (
    "scale_d",
    "offset_d",
    *_REPEATED[:3],
    "dst_type",
    "act_type",
    "wts_type",
    "is_tensor_quantize",
    *_WITHOUT_EFFECT,
    *_REFUSED,
)


def _shown(value: Value) -> str:
    return "{ ... }" if isinstance(value, Block) else repr(value)[:40]


def write_record(layers: Iterable[LayerRecord]) -> str:
    """The text of a record file; numbers give the same float32 when they are read."""
    return "".join(_written(layer) for layer in layers)


def _written(layer: LayerRecord) -> str:
    lines = [f"scale_d: {layer.scale_d:.9g}", f"offset_d: {layer.offset_d}"]
    lines += [f"scale_w: {scale:.9g}" for scale in layer.scale_w]
    lines += ["offset_w: 0"] * len(layer.scale_w)
    lines += ["shift_bit: 0"] * len(layer.scale_w)
    if not layer.scale_w:
        lines.append("is_tensor_quantize: true")
    if layer.bits != 8:
        lines.append(f'act_type: "INT{layer.bits}"')
    if layer.scale_w and layer.weight_bits != 8:
        lines.append(f'wts_type: "INT{layer.weight_bits}"')
    body = "".join(f"    {line}\n" for line in lines)
    return f"record {{\n  key: {_quoted(layer.key)}\n  value {{\n{body}  }}\n}}\n"


def _quoted(name: str) -> str:
    escaped = name.replace("\\", "\\\\").replace('"', '\\"')
    return '"' + escaped.replace("\n", "\\n").replace("\r", "\\r") + '"'
