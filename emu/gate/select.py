"""Which cases of the suites run: by expression, by tag, by shard."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from emu.errors import ConfigError, MissingError
from emu.gate.suite import Case
from emu.is_suite import is_suite

_TOKEN: Final = re.compile(r"\s*(\(|\)|[^\s()]+)")
_SHARD: Final = re.compile(r"(\d{1,6})/(\d{1,6})")

Matches = Callable[[str], bool]


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """What a run takes of its suites; all of them by default.

    Fields:
        expression: words joined by `and`, `or`, `not` and parentheses; a word is in
            the name SUITE/CASE, whatever its case.
        tags: a case has any of them.
        shard: (k, n): the cases k, k + n, ... of those that the others leave, from 1.
    """

    expression: str = ""
    tags: tuple[str, ...] = ()
    shard: tuple[int, int] | None = None

    def of(self, cases: Sequence[tuple[Path, Case]]) -> list[tuple[Path, Case]]:
        """The chosen ones of (suite, case), in order."""
        matches = parse_expression(self.expression)
        chosen = [
            (suite, case)
            for suite, case in cases
            if matches(f"{suite.stem}/{case.id}")
            and (not self.tags or set(self.tags) & set(case.tags))
        ]
        first, step = self.shard or (1, 1)
        return chosen[first - 1 :: step]


def parse_shard(text: str) -> tuple[int, int]:
    """Read "2/8"; ConfigError unless 1 <= k <= n."""
    match = _SHARD.fullmatch(text)
    k, n = (int(part) for part in match.groups()) if match else (0, 0)
    if not 1 <= k <= n:
        raise ConfigError(f"found {text!r}; expected K/N with 1 <= K <= N, as 2/8")
    return k, n


def suite_files(paths: Sequence[Path]) -> list[Path]:
    """Files as they are; of a folder its suites by name, not those of folders in it.

    Raises MissingError for a folder without any.
    """
    found: list[Path] = []
    for path in paths:
        if path.is_dir():
            inside = [file for file in sorted(path.glob("*.toml")) if is_suite(file)]
            if not inside:
                raise MissingError("there is no suite in this folder", file=path)
            found += inside
        else:
            found.append(path)
    return list(dict.fromkeys(found))


def parse_expression(text: str) -> Matches:
    """Read `a and not (b or c)`; of no words at all, everything matches.

    Raises ConfigError for words that do not make an expression.
    """
    tokens = _TOKEN.findall(text)
    if not tokens:
        return lambda name: True  # noqa: ARG005 - everything matches
    matches, rest = _either(tokens, text)
    if rest:
        raise _wrong(text, rest[0])
    return matches


def _either(tokens: list[str], text: str) -> tuple[Matches, list[str]]:
    found, rest = _both(tokens, text)
    if rest[:1] != ["or"]:
        return found, rest
    other, rest = _either(rest[1:], text)
    return (lambda name: found(name) or other(name)), rest


def _both(tokens: list[str], text: str) -> tuple[Matches, list[str]]:
    found, rest = _one(tokens, text)
    if rest[:1] != ["and"]:
        return found, rest
    other, rest = _both(rest[1:], text)
    return (lambda name: found(name) and other(name)), rest


def _one(tokens: list[str], text: str) -> tuple[Matches, list[str]]:
    if not tokens:
        raise _wrong(text, "its end")
    first, *rest = tokens
    if first == "not":
        found, rest = _one(rest, text)
        return (lambda name: not found(name)), rest
    if first == "(":
        found, rest = _either(rest, text)
        if rest[:1] != [")"]:
            raise _wrong(text, rest[0] if rest else "its end")
        return found, rest[1:]
    if first in (")", "and", "or"):
        raise _wrong(text, first)
    return (lambda name: first.lower() in name.lower()), rest


def _wrong(text: str, at: str) -> ConfigError:
    return ConfigError(
        f"found {text!r}, wrong at {at!r}; expected words joined by and, or, not and "
        "parentheses",
        where="-k",
    )
