"""Which cases run: expressions, tags, shards and folders."""

from itertools import chain
from pathlib import Path

import pytest
from hypothesis import given, strategies as st

from emu.errors import ConfigError, MissingError
from emu.gate.select import Selection, parse_expression, parse_shard, suite_files
from emu.gate.suite import Case

CASES = [
    (Path("suites/kws.toml"), Case(id=f"kws-{name}", model="kws", tags=tags))
    for name, tags in (("kl", ("nightly",)), ("mse", ()), ("auto", ("nightly", "x")))
]


def names(selection: Selection) -> list[str]:
    return [case.id for _, case in selection.of(CASES)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ["kws-kl", "kws-mse", "kws-auto"]),
        ("KL", ["kws-kl"]),
        ("kws/kws-m", ["kws-mse"]),
        ("not kl", ["kws-mse", "kws-auto"]),
        ("kl or auto", ["kws-kl", "kws-auto"]),
        ("kws and not (kl or mse)", ["kws-auto"]),
        ("not kl and not mse or kl", ["kws-kl", "kws-auto"]),
        ("vww", []),
    ],
)
def test_an_expression_chooses_by_words_of_the_name(text, expected):
    assert names(Selection(expression=text)) == expected


@pytest.mark.parametrize("text", ["(kl", "kl)", "and", "kl or", "not", "kl mse", "()"])
def test_words_that_make_no_expression_are_one_clear_line(text):
    with pytest.raises(ConfigError, match="expected words joined by and, or, not"):
        parse_expression(text)


@given(
    a=st.booleans(),
    b=st.booleans(),
    c=st.booleans(),
    word=st.sampled_from(["and", "or"]),
)
def test_not_binds_before_and_before_or(a, b, c, word):
    name = "".join(
        letter for letter, held in zip("abc", (a, b, c), strict=True) if held
    )
    text = f"a or b {word} not c"
    last = (b and not c) if word == "and" else (b or not c)
    assert parse_expression(text)(name) == (a or last)


def test_a_case_has_any_of_the_tags():
    assert names(Selection(tags=("nightly",))) == ["kws-kl", "kws-auto"]
    assert names(Selection(tags=("x", "y"))) == ["kws-auto"]


@given(n=st.integers(1, 5))
def test_shards_share_all_cases_out(n):
    shards = [names(Selection(shard=(k, n))) for k in range(1, n + 1)]
    assert sorted(chain.from_iterable(shards)) == sorted(names(Selection()))


def test_a_shard_is_a_part_of_what_the_others_leave():
    assert names(Selection(tags=("nightly",), shard=(2, 2))) == ["kws-auto"]


@pytest.mark.parametrize("text", ["0/2", "3/2", "2", "a/b", "1/0", "-1/2"])
def test_a_wrong_shard_is_one_clear_line(text):
    with pytest.raises(ConfigError, match="expected K/N"):
        parse_shard(text)
    assert parse_shard("2/8") == (2, 8)


def test_a_folder_stands_for_its_suites(tmp_path):
    (tmp_path / "b.toml").write_text('[[case]]\nid = "b"\n')
    (tmp_path / "a.toml").write_text("case = []\n")
    (tmp_path / "entry.toml").write_text('file = "m.onnx"\n')
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "c.toml").write_text("[[case]]\n")
    (empty := tmp_path / "empty").mkdir()
    found = suite_files([tmp_path / "b.toml", tmp_path])
    assert [path.name for path in found] == ["b.toml", "a.toml"]
    with pytest.raises(MissingError, match="no suite in this folder"):
        suite_files([empty])
