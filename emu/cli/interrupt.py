"""Signals that end a command in order, also where Python loses the exception.

A signal raises KeyboardInterrupt wherever the main thread happens to be. In a callback
of the garbage collector (JAX has one) or in a finalizer Python prints such an exception
and goes on; so whoever reports progress asks whether there was one.
"""

import signal
from threading import Event
from types import FrameType
from typing import Final

_TOLD: Final = Event()


def prepare() -> None:
    """From now on SIGTERM interrupts as SIGINT does: what a key ends, a scheduler can."""
    _TOLD.clear()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _interrupt)


def raise_if_told() -> None:
    """Raise the KeyboardInterrupt that may have been lost."""
    if _TOLD.is_set():
        raise KeyboardInterrupt


def _interrupt(number: int, frame: FrameType | None) -> None:
    del number, frame
    _TOLD.set()
    raise KeyboardInterrupt
