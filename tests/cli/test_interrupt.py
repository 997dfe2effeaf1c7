"""A signal ends a command, even where Python loses the exception."""

import gc
import signal

import pytest

from emu.cli import interrupt
from emu.cli.terminal import progress


@pytest.fixture
def prepared():
    before = {n: signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM)}
    interrupt.prepare()
    yield
    interrupt.prepare()
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.usefixtures("prepared")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_both_signals_interrupt(number):
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(number)


@pytest.mark.usefixtures("prepared")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_an_interrupt_that_a_collector_swallows_comes_with_the_next_progress():
    def callback(phase, info):
        if phase == "start":
            gc.callbacks.remove(callback)
            signal.raise_signal(signal.SIGTERM)

    with progress("label", quiet=True) as tell:
        tell(1, 2)
        gc.callbacks.append(callback)
        gc.collect()
        with pytest.raises(KeyboardInterrupt):
            tell(2, 2)
