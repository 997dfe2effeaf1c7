"""Errors are one line for people, and named parts for programs."""

import pytest

from emu.errors import ConfigError, DataError, EmuError


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (ConfigError("m"), "m"),
        (ConfigError("m", where="w"), "w: m"),
        (DataError("m", file="f", where="w"), "f: w: m"),
        (DataError("two\n  lines", file="f"), "f: two lines"),
    ],
)
def test_an_error_is_one_line_of_file_place_and_message(error, line):
    assert str(error) == line


def test_an_error_tells_its_parts():
    assert ConfigError("m", where="w").to_json() == {
        "kind": "config",
        "message": "m",
        "file": None,
        "where": "w",
    }


def test_every_kind_has_a_name_of_its_own():
    kinds = [kind.kind for kind in EmuError.__subclasses__()]
    assert len(kinds) >= 6
    assert len(set(kinds)) == len(kinds)
