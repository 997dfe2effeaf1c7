"""The fixture `emulator`: programs made once a session."""

from collections.abc import Callable
from functools import cache

import pytest

from emu.errors import EmuError
from emu.gate import Emulated, emulate


def cached_emulate() -> Callable[..., Emulated]:
    """`emulate` with a memory; what cannot be emulated fails the test in one line."""
    remembered = cache(emulate)

    def emulator(model: str, **options: str | int | None) -> Emulated:
        try:
            return remembered(model, **options)
        except EmuError as error:
            line = str(error)
        pytest.fail(line, pytrace=False)

    return emulator
