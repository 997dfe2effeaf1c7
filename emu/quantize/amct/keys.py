"""How one key of an AMCT file is read: its values, and what they mean in a recipe.

A table of a notation is a literal mapping from keys to `Key`s; `read_block` holds a
block against it and gives what the recipe is to say, each entry with its line.
"""

import math
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

from emu.config import nearest
from emu.errors import ConfigError
from emu.quantize.amct.text import Block, Value, wrong

Entries = Mapping[str, object]
# From a value to the recipe's entries; ValueError says what was expected.
Give = Callable[[Value], Entries]

_SHOWN = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """What a key may hold.

    Fields:
        give: the recipe's entries for a value.
        ignored: why the key changes nothing here; said to the user.
        repeated: whether it may come several times.
        inside: the table of the block that it holds; then `give` is not asked.
        implies: entries that such a block makes by being there.
    """

    give: Give = lambda _: {}
    ignored: str = ""
    repeated: bool = False
    inside: "Mapping[str, Key] | None" = None
    implies: Entries = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Said:
    """A recipe's entry and the line that it comes from."""

    value: object
    line: int


@dataclass(frozen=True, slots=True)
class Ignored:
    """A key that changes nothing, and why."""

    key: str
    why: str


@dataclass(frozen=True, slots=True)
class Reading:
    """What a block says: entries of a recipe, and the keys that say nothing."""

    entries: dict[str, Said]
    ignored: tuple[Ignored, ...]


def read_block(block: Block, table: Mapping[str, Key], file: Path) -> Reading:
    """Every key of a block by its table; blocks inside are joined to it.

    Raises ConfigError (file, line) for a key that the table lacks, one that comes
    too often, and a value that it may not hold.
    """
    entries: dict[str, Said] = {}
    ignored: list[Ignored] = []
    times = Counter(entry.key for entry in block.fields)
    for entry in block.fields:
        key = table.get(entry.key)
        if key is None:
            known = nearest(entry.key, list(table))
            raise wrong(f"unknown key {entry.key!r}{known}", file, entry.line)
        if times[entry.key] > 1 and not key.repeated:
            last = max(f.line for f in block.fields if f.key == entry.key)
            raise wrong(f"{entry.key!r} is said twice", file, last)
        if key.inside is not None:
            if not isinstance(entry.value, Block):
                raise _expected(entry.key, entry.value, "{ ... }", file, entry.line)
            inner = read_block(entry.value, key.inside, file)
            implied = {n: Said(v, entry.line) for n, v in key.implies.items()}
            found = implied | inner.entries
            ignored += inner.ignored
        else:
            try:
                given = key.give(entry.value)
            except ValueError as error:
                raise _expected(
                    entry.key, entry.value, str(error), file, entry.line
                ) from error
            found = {name: Said(value, entry.line) for name, value in given.items()}
        for name in found.keys() & entries.keys():
            raise wrong(f"{name} is said twice", file, found[name].line)
        entries |= found
        if key.ignored:
            ignored.append(Ignored(entry.key, key.ignored))
    return Reading(entries, tuple(dict.fromkeys(ignored)))


def _expected(
    key: str, value: Value, expected: str, file: Path, line: int
) -> ConfigError:
    shown = "{ ... }" if isinstance(value, Block) else repr(value)
    shown = shown if len(shown) <= _SHOWN else f"{shown[:_SHOWN]}..."
    return wrong(f"{key}: found {shown}, expected {expected}", file, line)


def _number(value: Value, expected: str) -> float:
    if not isinstance(value, int | float) or type(value) is bool:
        raise ValueError(expected)
    if not math.isfinite(value):
        raise ValueError(expected)
    return float(value)


def real(to: str, low: float, high: float = math.inf) -> Give:
    """A number above `low` and up to `high`."""
    expected = (
        f"a number above {low:g}"
        if high == math.inf
        else f"a number above {low:g}, up to {high:g}"
    )

    def give(value: Value) -> Entries:
        found = _number(value, expected)
        if not low < found <= high:
            raise ValueError(expected)
        return {to: found}

    return give


def share(to: str, words: Mapping[str, float] = MappingProxyType({})) -> Give:
    """A share of all values above 0.5, up to 1, or a word that stands for one."""
    expected = ", ".join(["a share above 0.5, up to 1", *words])

    def give(value: Value) -> Entries:
        word = words.get(value) if isinstance(value, str) else None
        found = _number(value, expected) if word is None else word
        if not 0.5 < found <= 1:
            raise ValueError(expected)
        return {to: found}

    return give


def closed(to: str, low: float, high: float) -> Give:
    """A number from `low` up to `high`."""
    expected = f"a number from {low:g} to {high:g}"

    def give(value: Value) -> Entries:
        found = _number(value, expected)
        if not low <= found <= high:
            raise ValueError(expected)
        return {to: found}

    return give


def whole(
    to: str, low: int, high: int | None = None, *, zero: int | None = None
) -> Give:
    """A whole number; `zero` is what a 0 stands for, where 0 means the default."""
    expected = (
        f"a whole number from {low}"
        if high is None
        else f"a whole number {low}..{high}"
    )

    def give(value: Value) -> Entries:
        if type(value) is int and value == 0 and zero is not None:
            return {to: zero}
        if type(value) is not int or not low <= value <= (high or value):
            raise ValueError(expected)
        return {to: value}

    return give


def one_of(to: str, meanings: Mapping[Value, object]) -> Give:
    """One of a few values, each with its meaning."""
    shown = [repr(v) if isinstance(v, str) else str(v).lower() for v in meanings]
    expected = " or ".join(shown)

    def give(value: Value) -> Entries:
        for known, meaning in meanings.items():
            if type(known) is bool and value is known:
                return {to: meaning}
            if isinstance(known, str) and isinstance(value, str) and value == known:
                return {to: meaning}
            if type(known) is int and type(value) is int and value == known:
                return {to: meaning}
        raise ValueError(expected)

    return give


def only(expected: Value, why: str) -> Give:
    """One value and no other, because emu can do nothing else; it says nothing."""
    shown = str(expected).lower() if isinstance(expected, bool) else repr(expected)

    def give(value: Value) -> Entries:
        if type(value) is not type(expected) or value != expected:
            raise ValueError(f"{shown}: {why}")
        return {}

    return give


def none_of_it(why: str) -> Give:
    """An empty list at most; anything else is refused."""

    def give(value: Value) -> Entries:
        if value not in ((), None):
            raise ValueError(f"nothing: {why}")
        return {}

    return give


def refused(why: str) -> Give:
    """Nothing at all."""

    def give(value: Value) -> Entries:
        del value
        raise ValueError(f"no such key: {why}")

    return give


def word(*names: str) -> Give:
    """One of a few words that say nothing."""

    def give(value: Value) -> Entries:
        if value not in names:
            raise ValueError(" or ".join(map(repr, names)))
        return {}

    return give


def boolean(value: Value) -> Entries:
    """Whether or not, which says nothing."""
    if not isinstance(value, bool):
        raise ValueError("true or false")  # noqa: TRY004 - as all readers do
    return {}


def text(value: Value) -> Entries:
    """A name."""
    if not isinstance(value, str):
        raise ValueError("a name")  # noqa: TRY004 - as all readers do
    return {}


def numeric(value: Value) -> Entries:
    """Any number."""
    _number(value, "a number")
    return {}
