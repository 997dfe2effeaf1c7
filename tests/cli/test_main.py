"""The command as a whole: help, usage errors, exit codes, what is imported when."""

import json
import os
import re
import subprocess
import sys

import pytest

from emu.cli import main
from emu.cli.main import COMMANDS, run
from emu.errors import DataError


def test_help_names_every_command_and_the_cache(emu):
    for arguments in ((), ("--help",)):
        shown = emu(*arguments)
        assert shown.code == 0
        assert all(re.search(rf"\b{name}\b", shown.out) for name in COMMANDS)
        assert "EMU_CACHE" in shown.out


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_explains_itself_and_takes_json(name, emu):
    shown = emu(name, "--help")
    assert shown.code == 0
    assert "--json" in shown.out


def test_version_is_that_of_the_package(emu):
    assert emu("--version").out == "emu 0.1.0\n"


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (
            ("evaluate",),
            "No such command 'evaluate'. Did you mean 'eval'? (see `emu --help`)",
        ),
        (("eval",), "Missing argument 'MODEL' (see `emu eval --help`)"),
        (("eval", "digits", "--nix"), "No such option: --nix"),
        (("eval", "digits", "--batch", "0"), "--batch"),
        (("optimize", "digits", "-o", "x.emu"), "Missing option '--target'"),
        (("compare", "digits", "--mode", "each"), "--mode"),
    ],
)
def test_a_wrong_command_line_is_one_line_and_exit_code_2(arguments, expected, refused):
    line, error = refused(*arguments)
    assert expected in line
    assert error["kind"] == "usage"


def test_help_imports_neither_jax_nor_onnx():
    script = (
        "import sys; from emu.cli.main import run; code = run(['--help']); "
        "heavy = {'jax', 'onnx', 'onnxruntime', 'pandas', 'numpy'} & set(sys.modules); "
        "sys.exit(f'imported {heavy}' if heavy else code)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_an_interrupt_is_one_word_and_exit_code_130(emu, monkeypatch):
    def interrupt(*arguments, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr("emu.targets.target_names", interrupt)
    stopped = emu("targets")
    assert (stopped.code, stopped.out, stopped.err) == (130, "", "interrupted\n")


def test_a_bug_is_not_taken_for_the_users_mistake(monkeypatch):
    def fail(*arguments, **options):
        raise ZeroDivisionError

    monkeypatch.setattr("emu.targets.target_names", fail)
    with pytest.raises(ZeroDivisionError):
        run(["targets"])


def test_the_json_error_holds_the_parts_of_the_line(emu, monkeypatch):
    def fail(*arguments, **options):
        raise DataError("is\nno image", file="a.jpg", where="sample 3")

    monkeypatch.setattr("emu.targets.target_names", fail)
    failed = emu("targets", "--json")
    assert failed.code == 2
    assert failed.err == "error: a.jpg: sample 3: is no image\n"
    parts = {"message": "is no image", "file": "a.jpg", "where": "sample 3"}
    assert failed.json == {"error": {"kind": "data", **parts}}


def test_the_process_prepares_itself_and_ends_with_the_exit_code(monkeypatch):
    calls = []
    monkeypatch.setattr(main.environment, "prepare", lambda: calls.append("prepared"))
    monkeypatch.setattr(sys, "argv", ["emu", "--version"])
    with pytest.raises(SystemExit) as ended:
        main.main()
    assert (calls, ended.value.code) == (["prepared"], 0)


def test_the_second_run_of_the_command_compiles_nothing(tmp_path, tiny):
    model, data = tiny
    environment = {**os.environ, "EMU_CACHE": str(tmp_path / "cache")}
    command = [sys.executable, "-m", "emu.cli.main", "eval", model, "--data", data]
    outputs, entries = [], []
    for _ in range(2):
        done = subprocess.run(
            [*command, "--json", "--batch", "4"],
            capture_output=True,
            text=True,
            check=False,
            env=environment,
        )
        assert (done.returncode, done.stderr) == (0, "")
        outputs.append(json.loads(done.stdout))
        entries.append({file.name for file in (tmp_path / "cache").glob("*-cache")})
    assert outputs[0] == outputs[1]
    assert entries[0] == entries[1]
    assert entries[0]
