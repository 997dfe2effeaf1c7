"""Whatever file says how to quantize: a recipe TOML, or a configuration of AMCT's."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from emu.errors import MissingError
from emu.graph import Graph
from emu.quantize.amct import Configuration, read_configuration
from emu.quantize.recipe import Recipe, read_recipe

# How the first line that says something begins: `key:` or `key {`, or JSON's brace.
_AMCT: Final = re.compile(r"\s*(\{|[A-Za-z_]\w*\s*[:{])")
_BEGINNING: Final = 1 << 16


@dataclass(frozen=True, slots=True)
class OwnRecipe:
    """A recipe of emu's own notation: the same for every model.

    `notes` are lines for people on what has no effect: never any.
    """

    recipe: Recipe
    notes: tuple[str, ...] = ()

    def fit(self, graph: Graph, batch_size: int) -> Recipe:
        """The recipe itself."""
        del graph, batch_size
        return self.recipe


RecipeFile = OwnRecipe | Configuration


def open_recipe(path: str | Path | None) -> RecipeFile:
    """What is at `path`, or the empty recipe.

    A .toml file is a recipe of emu's own and a .json file is AMCT's; of any other the
    first line tells. Raises MissingError for no file, ConfigError (file, line) for a
    wrong key or value.
    """
    if path is None:
        return OwnRecipe(Recipe())
    path = Path(path)
    if not path.is_file():
        raise MissingError("there is no such file", file=path)
    return read_configuration(path) if _is_amct(path) else OwnRecipe(read_recipe(path))


def _is_amct(path: Path) -> bool:
    suffix = path.suffix.lower()
    if suffix in (".toml", ".json"):
        return suffix == ".json"
    with path.open("rb") as file:
        text = file.read(_BEGINNING).decode("utf-8-sig", "replace")
    lines = (line for line in text.splitlines() if line.split("#")[0].strip())
    return bool(_AMCT.match(next(lines, "")))
