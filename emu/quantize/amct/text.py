"""The two notations of AMCT's files, read into one tree that knows its lines.

JSON, and the text form of protocol buffers (protobuf.dev, "Text Format Language
Specification"): `key: value`, `key { ... }`, `key: { ... }`, comments after #, lists in
brackets, strings in either quotes, a bare word where an enum's name stands. Whatever
the text is, the answer is a tree or one ConfigError with the line.
"""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NoReturn

from emu.errors import ConfigError, MissingError

MAX_BYTES: Final = 64 << 20
_MAX_DEPTH: Final = 32
_MAX_NUMBER: Final = 64

_TOKEN: Final = re.compile(
    r"(?P<skip>[ \t\r\f\v]+|\#[^\n]*)"
    r"|(?P<newline>\n)"
    r"|(?P<string>\"(?:[^\"\\\n]|\\.)*\"|'(?:[^'\\\n]|\\.)*')"
    r"|(?P<number>[-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?(?![\w.]))"
    r"|(?P<word>[\w./-]+)"
    r"|(?P<mark>[{}\[\]:,;])",
    re.ASCII,
)
_ESCAPE: Final = re.compile(rb"\\([0-7]{1,3}|x[0-9a-fA-F]{1,2}|.)", re.DOTALL)
_ESCAPES: Final = {b"n": b"\n", b"t": b"\t", b"r": b"\r"}


class Word(str):
    """A bare word: an enum's name, or a string somebody did not quote."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Field:
    """One `key: value` and the 1-based line of its key."""

    key: str
    value: "Value"
    line: int


@dataclass(frozen=True, slots=True)
class Block:
    """What stands between braces, in order; a key may come several times."""

    fields: tuple[Field, ...]


# A tuple is a list of values.
Value = str | int | float | bool | None | Block | tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str
    line: int


def read_text(path: Path) -> str:
    """The text of a file.

    Raises MissingError for no file, ConfigError for one that is too large or no UTF-8.
    """
    try:
        if path.stat().st_size > MAX_BYTES:
            raise ConfigError(f"larger than {MAX_BYTES} bytes", file=path)
        return path.read_text("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ConfigError("no UTF-8 text", file=path) from error
    except OSError as error:
        raise MissingError(f"cannot read: {error.strerror}", file=path) from error


def is_json(text: str) -> bool:
    """Whether a text is in the JSON notation; a text form starts with a key."""
    return text.lstrip().startswith("{")


def parse(text: str, path: Path) -> Block:
    """The tree of a text; `path` is for messages.

    Raises ConfigError (file, line) for what is in neither notation.
    """
    tokens = _Tokens(text, path)
    return tokens.document() if is_json(text) else tokens.fields()


def wrong(message: str, path: Path, line: int) -> ConfigError:
    """The error for something on a line of a file."""
    return ConfigError(message, file=path, where=f"line {line}")


class _Tokens:
    """A recursive descent over the tokens of a text."""

    def __init__(self, text: str, path: Path) -> None:
        self.text = text
        self.path = path
        self.place = 0
        self.line = 1
        self.depth = 0
        self.peek = self._scan()

    def fields(self, *, until: str = "") -> Block:
        """Fields of the text form, up to a closing brace or the end."""
        found = []
        while self.peek.text != until:
            key = self._next()
            if key.kind != "word":
                self._refuse(key, "a key" if not until else f"a key or {until!r}")
            colon = self._skipped(":")
            if self.peek.text != "{" and not colon:
                self._refuse(self.peek, f"':' or '{{' after {key.text!r}")
            found.append(Field(key.text, self._value(), key.line))
            if not self._skipped(","):
                self._skipped(";")
        return Block(tuple(found))

    def document(self) -> Block:
        """A JSON object and nothing after it."""
        block = self._object()
        if self.peek.kind != "end":
            self._refuse(self.peek, "the end of the file")
        return block

    def _value(self) -> Value:
        """A value of the text form."""
        token = self._next()
        if token.text == "{" and token.kind == "mark":
            self._enter(token)
            block = self.fields(until="}")
            self._leave("}")
            return block
        if token.text == "[" and token.kind == "mark":
            return self._list(token, self._value)
        if token.kind == "string":
            return self._unquoted(token)
        if token.kind == "word":
            return {"true": True, "false": False}.get(token.text, Word(token.text))
        return self._number(token)

    def _object(self) -> Block:
        token = self._next()
        self._enter(token)
        found: list[Field] = []
        while self.peek.text != "}":
            if found:
                self._expect(",")
            key = self._next()
            if key.kind != "string" or key.text[0] != '"':
                self._refuse(key, "a key in double quotes")
            self._expect(":")
            found.append(Field(self._json_string(key), self._json_value(), key.line))
        self._leave("}")
        return Block(tuple(found))

    def _json_value(self) -> Value:
        if self.peek.kind == "mark" and self.peek.text == "{":
            return self._object()
        token = self._next()
        if token.text == "[" and token.kind == "mark":
            return self._list(token, self._json_value)
        if token.kind == "string" and token.text[0] == '"':
            return self._json_string(token)
        if token.kind == "word" and token.text in ("true", "false", "null"):
            return {"true": True, "false": False, "null": None}[token.text]
        return self._number(token)

    def _list(self, opening: _Token, item: Callable[[], Value]) -> tuple[Value, ...]:
        self._enter(opening)
        found: list[Value] = []
        while self.peek.text != "]":
            if found:
                self._expect(",")
            found.append(item())
        self._leave("]")
        return tuple(found)

    def _number(self, token: _Token) -> int | float:
        if token.kind != "number":
            self._refuse(token, "a value")
        if len(token.text) > _MAX_NUMBER:
            raise wrong("a number of too many digits", self.path, token.line)
        try:
            return int(token.text)
        except ValueError:
            return float(token.text)

    def _json_string(self, token: _Token) -> str:
        try:
            return str(json.loads(token.text))
        except ValueError as error:
            raise wrong(
                f"no JSON string: {token.text}", self.path, token.line
            ) from error

    def _unquoted(self, token: _Token) -> str:
        raw = _ESCAPE.sub(_unescaped, token.text[1:-1].encode("utf-8"))
        try:
            return raw.decode("utf-8")
        except UnicodeDecodeError as error:
            raise wrong("a string that is no UTF-8", self.path, token.line) from error

    def _enter(self, token: _Token) -> None:
        self.depth += 1
        if self.depth > _MAX_DEPTH:
            raise wrong("braces nested too deeply", self.path, token.line)

    def _leave(self, closing: str) -> None:
        self._expect(closing)
        self.depth -= 1

    def _skipped(self, mark: str) -> bool:
        if self.peek.kind != "mark" or self.peek.text != mark:
            return False
        self._next()
        return True

    def _expect(self, mark: str) -> None:
        token = self._next()
        if token.kind != "mark" or token.text != mark:
            self._refuse(token, repr(mark))

    def _next(self) -> _Token:
        token, self.peek = self.peek, self._scan()
        return token

    def _scan(self) -> _Token:
        while self.place < len(self.text):
            match = _TOKEN.match(self.text, self.place)
            if match is None or match.lastgroup is None:
                found = self.text[self.place]
                raise wrong(f"unexpected character {found!r}", self.path, self.line)
            self.place = match.end()
            if match.lastgroup == "newline":
                self.line += 1
            elif match.lastgroup != "skip":
                return _Token(match.lastgroup, match.group(), self.line)
        return _Token("end", "", self.line)

    def _refuse(self, token: _Token, expected: str) -> NoReturn:
        found = repr(token.text[:40]) if token.text else "the end of the file"
        raise wrong(f"found {found}, expected {expected}", self.path, token.line)


def _unescaped(match: re.Match[bytes]) -> bytes:
    code = match.group(1)
    if code[:1].isdigit() and code[:1] < b"8":
        return bytes([int(code, 8) & 0xFF])
    if code[:1] == b"x" and len(code) > 1:
        return bytes([int(code[1:], 16)])
    return _ESCAPES.get(code, code)
