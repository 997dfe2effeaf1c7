"""TOML files into pydantic schemas, with one clear line for every mistake."""

import difflib
import re
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from emu.errors import ConfigError, EmuError, MissingError

_MAX_BYTES = 4 << 20
_LISTED = 40


class Config(BaseModel):
    """Base of all schemas: frozen, and a key that is not known is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)


Schema = TypeVar("Schema", bound=Config)


def read_toml(path: str | Path, schema: type[Schema]) -> Schema:
    """Read and validate a TOML file.

    Raises MissingError for no file, ConfigError (file, line, key, nearest valid key
    or what was expected) for a wrong one.
    """
    data, text = load_toml(path)
    return validate(data, schema, file=path, text=text)


def load_toml(path: str | Path) -> tuple[dict[str, Any], str]:
    """Read a TOML file: its data, and its text to find lines in.

    Raises MissingError for no file, ConfigError for one that is no TOML.
    """
    path = Path(path)
    if not path.is_file():
        raise MissingError("there is no such file", file=path)
    if path.stat().st_size > _MAX_BYTES:
        raise ConfigError(f"larger than {_MAX_BYTES} bytes", file=path)
    try:
        text = path.read_text("utf-8")
        data = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"no sound TOML: {error}", file=path) from error
    except OSError as error:
        raise MissingError(f"cannot read: {error.strerror}", file=path) from error
    return data, text


def validate(
    data: dict[str, Any],
    schema: type[Schema],
    *,
    file: str | Path | None = None,
    text: str = "",
    at: tuple[int | str, ...] = (),
) -> Schema:
    """Build the schema from plain data; ConfigError for the first mistake.

    `text` is that of the whole file, `at` the way to the data in it.
    """
    try:
        return schema.model_validate(data)
    except ValidationError as error:
        # A misspelled key is both unknown and missing: tell of the unknown one.
        first = min(error.errors(), key=lambda e: e["type"] != "extra_forbidden")
        way = _in_data(first["loc"], data)
        raise ConfigError(
            _explain(first, schema), file=file, where=place((*at, *way), text)
        ) from error


def place(loc: tuple[int | str, ...], text: str) -> str:
    """Where a key is, for people: "line 3: case.0.model", or without a known line."""
    where = ".".join(map(str, loc))
    line = line_of(loc, text)
    return f"line {line}: {where}" if line else where


@contextmanager
def as_value_error() -> Iterator[None]:
    """Let pydantic see an EmuError as the ValueError that it reports with the key."""
    try:
        yield
    except EmuError as error:
        raise ValueError(error.message) from error


def nearest(name: str, known: list[str]) -> str:
    """`; did you mean 'x'?` for a close known name, else the list of known names."""
    close = difflib.get_close_matches(name, known, n=1)
    if close:
        return f"; did you mean {close[0]!r}?"
    if not known:
        return ""
    more = f" and {len(known) - _LISTED} more" if len(known) > _LISTED else ""
    return f"; known are {', '.join(map(repr, sorted(known)[:_LISTED]))}{more}"


def _in_data(loc: tuple[int | str, ...], data: object) -> tuple[int | str, ...]:
    """`loc` without names of members of unions; the last part may be a missing key."""
    found: list[int | str] = []
    for part in loc:
        if isinstance(data, dict) and (part in data or part == loc[-1]):
            data = data.get(part)
        elif isinstance(data, list | tuple) and isinstance(part, int):
            data = data[part]
        else:
            continue
        found.append(part)
    return tuple(found)


def _explain(first: Any, schema: type[BaseModel]) -> str:  # noqa: ANN401 - pydantic's own
    if first["type"] == "extra_forbidden":
        key = str(first["loc"][-1])
        return f"unknown key{nearest(key, _known_keys(schema, first['loc']))}"
    if first["type"] == "missing":
        return "this key is required"
    # The message of a validator of ours, without pydantic's "Value error, ".
    own = first["type"] == "value_error"
    message = first["ctx"]["error"] if own else first["msg"]
    found = first.get("input")
    if isinstance(found, str | int | float | bool):
        return f"found {found!r}; {message}"
    return str(message)


def _known_keys(schema: type[BaseModel], loc: tuple[int | str, ...]) -> list[str]:
    """Keys allowed where `loc` points, found by walking the JSON schema."""
    root = schema.model_json_schema()
    spots = [root]
    for part in loc[:-1]:
        spots = [
            inner for spot in spots for inner in _children(_resolve(spot, root), part)
        ]
    keys: list[str] = []
    for spot in spots:
        for resolved in _resolve(spot, root):
            keys.extend(resolved.get("properties", {}))
    return keys


def _resolve(spot: dict[str, Any], root: dict[str, Any]) -> list[dict[str, Any]]:
    if "$ref" in spot:
        return _resolve(root["$defs"][spot["$ref"].rsplit("/", 1)[1]], root)
    found = [spot]
    for group in ("anyOf", "oneOf"):
        for choice in spot.get(group, []):
            found += _resolve(choice, root)
    return found


def _children(spots: list[dict[str, Any]], part: int | str) -> list[dict[str, Any]]:
    found = []
    for spot in spots:
        if isinstance(part, int):
            found.append(spot.get("items"))
        else:
            found.append(spot.get("properties", {}).get(part))
            found.append(spot.get("additionalProperties"))
    children = [child for child in found if isinstance(child, dict)]
    # The name of a union's member also stands in `loc`; it leads nowhere deeper.
    return children or spots


def line_of(loc: tuple[int | str, ...], text: str) -> int:
    """1-based line of a key, or of the nearest table around it; 0 if there is neither.

    A position in `loc` counts the headers [[name]] of the name before it.
    """
    lines = text.splitlines()
    first, end = 0, len(lines)
    for name, position in pairwise(loc):
        if isinstance(name, str) and isinstance(position, int):
            header = re.compile(rf"""\s*\[\[\s*["']?{re.escape(name)}["']?\s*\]\]""")
            starts = [n for n in range(first, end) if header.match(lines[n])]
            if position < len(starts):
                first, end = starts[position], [*starts, end][position + 1]
    for key in (part for part in reversed(loc) if isinstance(part, str)):
        word = rf"""["']?{re.escape(key)}["']?\s*"""
        alone = re.compile(rf"\s*(\[+\s*)?(.*\.)?{word}(=|\])")
        inside = re.compile(rf".*[{{,]\s*{word}=")
        for pattern in (alone, inside):
            for number in range(first, end):
                if pattern.match(lines[number]):
                    return number + 1
    return 0
