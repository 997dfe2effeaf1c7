"""What the command sets for JAX before it is imported."""

import pytest

from emu.cli.environment import prepare

FOLDER, ENABLED = "JAX_COMPILATION_CACHE_DIR", "JAX_ENABLE_COMPILATION_CACHE"

pytestmark = pytest.mark.filterwarnings("default")


def prepared(**environ):
    prepare(environ)
    return environ


def test_compiled_programs_are_kept_in_the_users_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    found = prepared(XDG_CACHE_HOME=str(tmp_path / "cache"))
    assert found[FOLDER] == str(tmp_path / "cache" / "emu" / "jax")
    assert found["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] == "0"
    assert prepared()[FOLDER] == str(tmp_path / "home" / ".cache" / "emu" / "jax")
    relative = prepared(XDG_CACHE_HOME="cache")
    assert relative[FOLDER] == str(tmp_path / "home" / ".cache" / "emu" / "jax")


def test_emu_cache_names_another_folder_or_none(tmp_path):
    found = prepared(EMU_CACHE=str(tmp_path / "mine"), JAX_COMPILATION_CACHE_DIR="/x")
    assert found[FOLDER] == str(tmp_path / "mine")
    found = prepared(EMU_CACHE="off", JAX_COMPILATION_CACHE_DIR="/x")
    assert found[ENABLED] == "false"


def test_what_the_user_sets_for_jax_wins(tmp_path):
    found = prepared(
        JAX_COMPILATION_CACHE_DIR="/x",
        XDG_CACHE_HOME=str(tmp_path),
        TF_CPP_MIN_LOG_LEVEL="0",
    )
    assert (found[FOLDER], found["TF_CPP_MIN_LOG_LEVEL"]) == ("/x", "0")


def test_a_folder_that_cannot_be_made_turns_the_cache_off(tmp_path):
    (tmp_path / "file").touch()
    assert FOLDER not in prepared(EMU_CACHE=str(tmp_path / "file" / "cache"))
