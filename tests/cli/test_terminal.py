"""What is written where, and in which form."""

import io

import pytest
from rich.text import Text

from emu.cli import terminal


def test_infinities_are_texts_and_nan_is_null_in_json(capsys):
    terminal.show_json({"a": [float("inf"), (float("nan"), 1.5)], "b": {"c": 2}})
    assert capsys.readouterr().out == '{"a": ["inf", [null, 1.5]], "b": {"c": 2}}\n'


@pytest.mark.parametrize(("columns", "width"), [("60", 60), (None, 100)])
def test_a_pipe_gets_100_columns_unless_columns_says_else(
    columns, width, capsys, monkeypatch
):
    monkeypatch.delenv("COLUMNS", raising=False)
    if columns:
        monkeypatch.setenv("COLUMNS", columns)
    terminal.show(Text("x" * 300))
    assert max(map(len, capsys.readouterr().out.splitlines())) == width


@pytest.mark.parametrize(
    ("quiet", "is_terminal", "drawn"),
    [(False, True, True), (True, True, False), (False, False, False)],
)
def test_bars_are_drawn_on_a_terminal_only_and_never_on_stdout(
    quiet, is_terminal, drawn, monkeypatch, capsys
):
    stderr = io.StringIO()
    monkeypatch.setattr(stderr, "isatty", lambda: is_terminal)
    monkeypatch.setattr("sys.stderr", stderr)
    monkeypatch.setenv("TERM", "xterm")
    with terminal.progress("calibrating [x]", quiet=quiet) as tell:
        tell(1, 2)
        tell(2, 2, "comparing [x]")
    assert ("comparing [x]" in stderr.getvalue()) is drawn
    assert bool(stderr.getvalue()) is drawn
    assert capsys.readouterr().out == ""
