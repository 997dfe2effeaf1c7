"""The numbers of a unit as Verilog macros, for a test bench to include."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

DEFINES = "layer.vh"


def defines_text(entry: Mapping[str, Any]) -> str:
    """A header of the macros that say what `entry`, a layer of the manifest, says.

    `EMU_<FILE>_BITS, _SIGNED, _WORDS and _DIM_i for each file; `EMU_<OPERATOR>_<FIELD>
    for the fields of each operator, lists counted from 0; `EMU_BENCH_REFUSES is why
    the bench cannot check the layer. Texts are Verilog strings, true is 1, and what
    is absent is not defined.
    """
    pairs = list(_flat("bench_refuses", entry["bench_refuses"]))
    for role, file in entry["files"].items():
        signed = not file["format"].startswith("uint")
        pairs += [(f"{role}_bits", file["bits"]), (f"{role}_signed", signed)]
        pairs += [(f"{role}_words", file["words"])]
        pairs += list(_flat(f"{role}_dim", file["shape"]))
    for operator in entry["operators"]:
        pairs += list(_flat(operator["op"], operator["fields"]))
    lines = [f"`define EMU_{_macro(key)} {_literal(value)}" for key, value in pairs]
    return "\n".join((f"// {entry['layer']}: {entry['op']}", *lines, ""))


def _flat(name: str, value: object) -> Iterator[tuple[str, Any]]:
    """The leaves of nested JSON data, named by their path."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _flat(f"{name}_{key}", inner)
    elif isinstance(value, list | tuple):
        for index, inner in enumerate(value):
            yield from _flat(f"{name}_{index}", inner)
    elif value is not None:
        yield name, value


def _macro(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9]", "_", name).upper()


def _literal(value: str | int | float) -> str:
    if isinstance(value, str):
        return '"' + re.sub(r'["\\\n]', " ", value) + '"'
    if isinstance(value, bool):
        return str(int(value))
    # Parentheses: a negative number may follow an operator.
    return f"({value})"
