"""The notations of AMCT's files: what is read, and one line for whatever is not."""

import contextlib
import json
from pathlib import Path

import pytest
from hypothesis import example, given, strategies as st

from emu.errors import ConfigError
from emu.quantize.amct.text import Block, Word, parse

FILE = Path("f.cfg")


def plain(value):
    """The tree as lists of pairs, dicts being lists of pairs too."""
    if isinstance(value, Block):
        return [(field.key, plain(field.value)) for field in value.fields]
    return [plain(item) for item in value] if isinstance(value, tuple) else value


def read(text):
    return plain(parse(text, FILE))


def test_fields_blocks_lists_and_comments_of_the_text_form():
    text = """
    # a comment
    bin:150 type:KL;  ratio: -0.5e1, on: true
    name: 'a "b"' other: "c\\'d\\n\\101"
    block { list: [1, 2.5, "x"] inner: { } }
    """
    assert read(text) == [
        ("bin", 150),
        ("type", "KL"),
        ("ratio", -5.0),
        ("on", True),
        ("name", 'a "b"'),
        ("other", "c'd\nA"),
        ("block", [("list", [1, 2.5, "x"]), ("inner", [])]),
    ]


def test_a_bare_word_is_told_from_a_string():
    fields = parse("a: KL b: 'KL'", FILE).fields
    assert [type(field.value) for field in fields] == [Word, str]


def test_lines_are_those_of_the_keys():
    tree = parse("a: 1\n\n# c\nb {\n  c: 2 d:\n 3\n}", FILE)
    inner = tree.fields[1].value
    assert isinstance(inner, Block)
    assert [field.line for field in (*tree.fields, *inner.fields)] == [1, 4, 5, 5]


def test_a_repeated_key_stays_repeated_and_in_order():
    assert read("m: 1 m: 2 m: 1") == [("m", 1), ("m", 2), ("m", 1)]


def test_utf_8_in_octal_as_protocol_buffers_write_it():
    assert read(r'a: "\346\227\245"') == [("a", "日")]


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**30), 10**30)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=12,
)


def as_pairs(value):
    if isinstance(value, dict):
        return [(key, as_pairs(inner)) for key, inner in value.items()]
    return [as_pairs(inner) for inner in value] if isinstance(value, list) else value


@given(st.dictionaries(st.text(max_size=3), JSON))
def test_json_is_read_as_the_json_module_does(value):
    assert read(json.dumps(value, indent=1)) == as_pairs(value)


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("a", 1, "found the end of the file, expected ':' or '{' after 'a'"),
        ("a:\n\n", 3, "found the end of the file, expected a value"),
        ("a {\nb: 1", 2, "found the end of the file, expected a key or '}'"),
        ("a: 1\n}", 2, "found '}', expected a key"),
        ("a: 1\n? 3", 2, "unexpected character '?'"),
        ('a: "x\n"', 1, "unexpected character '\"'"),
        ("a: [1 2]", 1, "found '2', expected ','"),
        ("a " + "{a " * 40, 1, "nested too deeply"),
        ("a: " + "9" * 100, 1, "too many digits"),
        (r"a: '\xff'", 1, "no UTF-8"),
        ('{\n"a": KL}', 2, "found 'KL', expected a value"),
        ('{"a": 1,}', 1, "found '}', expected a key in double quotes"),
        ('{"a": 1} {', 1, "found '{', expected the end of the file"),
        ('{"a" 1}', 1, "found '1', expected ':'"),
        ('{"a": "\\q"}', 1, "no JSON string"),
        ('{"a": [' + "[" * 40, 1, "nested too deeply"),
    ],
)
def test_what_is_wrong_is_said_with_its_line(text, line, message):
    with pytest.raises(ConfigError) as caught:
        parse(text, FILE)
    assert message in str(caught.value)
    assert (caught.value.file, caught.value.where) == ("f.cfg", f"line {line}")


@given(
    st.text(st.sampled_from("{}[]:,;\"'\\\n #-.a1e/") | st.characters(), max_size=40)
)
@example('{"a":1e999}')
@example("a: 1e999")
def test_any_text_is_a_tree_or_one_clear_error(text):
    with contextlib.suppress(ConfigError):
        parse(text, FILE)
