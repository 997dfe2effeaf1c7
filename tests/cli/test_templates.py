"""The CI files that users copy: what they call exists, and failing keeps the reports."""

import re
from pathlib import Path

import pytest
import typer

from emu.cli.environment import CACHE_VARIABLE
from emu.cli.main import COMMANDS, app
from emu.gate.history import NAME

FOLDER = Path(__file__).resolve().parents[2] / "ci" / "templates"
TEMPLATES = sorted(FOLDER.iterdir())

each_template = pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.stem)


def calls(text: str) -> list[list[str]]:
    """The words after `emu` of every line that runs it."""
    found = re.findall(r"^ *(?:- |run: )+emu +(.+)$", text, re.MULTILINE)
    return [line.split() for line in found]


def options_of(command: str) -> set[str]:
    commands = typer.main.get_group(app).commands
    return {name for option in commands[command].params for name in option.opts}


def test_there_is_one_for_each_of_github_and_gitlab():
    assert [path.name for path in TEMPLATES] == ["github-actions.yml", "gitlab-ci.yml"]


@each_template
def test_every_command_and_option_exists(path):
    found = calls(path.read_text())
    assert [words[0] for words in found] == ["gate", "history"]
    for command, *words in found:
        assert command in COMMANDS
        assert {word for word in words if word.startswith("-")} <= options_of(command)


@each_template
def test_history_and_compiled_programs_share_one_cache(path):
    text = path.read_text()
    assert f"{CACHE_VARIABLE}: {NAME.parent}/" in text
    assert re.search(rf"(path: |- ){re.escape(str(NAME.parent))}$", text, re.MULTILINE)


@each_template
def test_what_a_failing_gate_leaves_is_kept(path):
    text = path.read_text()
    assert str(NAME) in text
    assert text.count("reports/junit.xml") >= 1
    kept = {"github-actions": "if: ${{ !cancelled() }}", "gitlab-ci": "when: always"}
    assert text.count(kept[path.stem]) >= 2


@each_template
def test_the_layout_is_plain_yaml(path):
    lines = path.read_text().splitlines()
    assert not [line for line in lines if "\t" in line or line != line.rstrip()]
    depths = [len(line) - len(line.lstrip()) for line in lines if line]
    assert all(depth % 2 == 0 for depth in depths)


def test_an_option_that_is_gone_would_be_found():
    assert calls("      run: emu gate x --nix\n") == [["gate", "x", "--nix"]]
    assert "--nix" not in options_of("gate")
    assert {"--junit", "--history"} <= options_of("gate")
