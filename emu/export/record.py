"""export_record: a program's quantization factors as a record file of AMCT's."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from emu.errors import ConfigError, MissingError
from emu.graph import Graph, write_atomically
from emu.quantize import record_of, write_record


def check_file(file: Path) -> None:
    """Refuse a path where no file can be written."""
    if file.is_dir():
        raise ConfigError("is a folder, expected a file", file=file, where="-o")
    if not file.parent.is_dir():
        raise MissingError(f"there is no folder {file.parent}", where="-o")


def export_record(
    graph: Graph, file: Path, origin: Mapping[str, Any]
) -> dict[str, Any]:
    """Write the factors of an integer program; give what was written.

    `origin` says what program it is; it goes into a comment. The result has the keys
    program, file, layers, tensors (names), notes (what a record cannot hold).
    Raises UnsupportedError for a program whose weights have no scales or zero points.
    """
    check_file(file)
    records = record_of(graph)
    text = "".join(f"# {key}: {value}\n" for key, value in _comments(origin).items())
    write_atomically(file, (text + write_record(records)).encode("utf-8"))
    return {
        "program": dict(origin),
        "file": str(file),
        "layers": [one.key for one in records if one.scale_w],
        "tensors": [one.key for one in records if not one.scale_w],
        "notes": list(_notes(graph)),
    }


def _comments(origin: Mapping[str, Any]) -> dict[str, str]:
    """What is known of the program, each on one line."""
    return {key: " ".join(str(value).split()) for key, value in origin.items() if value}


def _notes(graph: Graph) -> tuple[str, ...]:
    """What the recipe of a program did that its factors do not tell."""
    recipe = graph.provenance.get("recipe")
    said = set(_keys(recipe))
    if not said & _BEYOND_FACTORS.keys():
        return ()
    what = ", ".join(_BEYOND_FACTORS[k] for k in sorted(said & _BEYOND_FACTORS.keys()))
    note = (
        f"a record does not hold {what}: give `emu optimize --record` the same "
        "--recipe and --calib to have them again"
    )
    return (note,)


# Settings of a recipe -> what they change beside factors.
_BEYOND_FACTORS: Final = {
    "bias_correction": "corrected biases",
    "migration_strength": "balanced weights",
    "num_steps": "levels of weights",
}


def _keys(value: object) -> list[str]:
    """Every key that is set in nested mappings."""
    if not isinstance(value, Mapping):
        return []
    found = []
    for key, inner in value.items():
        if inner not in (None, False):
            found += [str(key), *_keys(inner)]
        if key == "weight_method" and inner == "nuq":
            found.append("num_steps")
    return found
