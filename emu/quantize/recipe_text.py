"""A recipe as the text of a TOML that `read_recipe` reads back."""

import json
from collections.abc import Iterator, Mapping

from emu.quantize.recipe import Recipe


def recipe_text(recipe: Recipe, about: str = "") -> str:
    """The TOML of a recipe; `about` becomes comments at its head."""
    said = recipe.model_dump(mode="json", exclude_defaults=True, by_alias=True)
    lines = [f"# {line}".rstrip() for line in about.splitlines()]
    lines += [f"{k} = {_value(v)}" for k, v in said.items() if not isinstance(v, dict)]
    lines += _tables(said)
    return "\n".join(lines) + "\n"


def _tables(said: Mapping[str, object]) -> Iterator[str]:
    """[global], then [op.X] and [layer."x"], each with its settings."""
    for section, content in said.items():
        if not isinstance(content, dict):
            continue
        named = content.items() if section != "global" else [("", content)]
        for name, settings in named:
            yield ""
            yield f"[{section}.{_text(name)}]" if name else f"[{section}]"
            yield from (f"{key} = {_value(value)}" for key, value in settings.items())


def _value(value: object) -> str:
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(_value, value)) + "]"
    return repr(value)


def _text(text: str) -> str:
    """A basic string: TOML escapes as JSON does (but for DEL, which must be)."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
