"""Limits on time: turns by a clock that is told what to say, and engines that run."""

import re
from itertools import cycle

import numpy as np
import pytest

from emu.errors import UnsupportedError
from emu.gate import Kind, Outcome, read_suite, run_case
from emu.gate.limits import judge_limits
from emu.gate.time_ratio import time_ratio, timed_rivals


class Clock:
    """Moves only when an engine works."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_the_ratio_is_that_of_the_times_however_many_calls_a_turn_has():
    clock = Clock()

    def engine(seconds):
        def run(x):
            clock.now += seconds
            return [x]

        return run

    runs = {"emu": engine(0.003), "other": engine(0.001)}
    assert time_ratio(runs, np.zeros((4, 2)), clock) == pytest.approx(3)


def test_one_slow_turn_does_not_move_the_median():
    clock = Clock()
    # One call a turn: it is as long as a turn already.
    hiccups = cycle([1.0, 1.0, 1.0, 1.0, 1.0, 50.0, 1.0])

    def steady(x):
        clock.now += 0.5
        return [x]

    def jerky(x):
        clock.now += next(hiccups)
        return [x]

    runs = {"emu": jerky, "other": steady}
    assert time_ratio(runs, np.zeros((1, 2)), clock) == pytest.approx(2)


@pytest.mark.parametrize(
    ("limit", "expected"), [(1e6, Outcome.HOLDS), (1e-6, Outcome.REGRESSED)]
)
def test_a_case_with_a_limit_is_timed_in_its_source_engine(suite, limit, expected):
    text = suite.read_text()
    other = f"limits = {{ max_time_ratio = {{ onnxruntime = {limit} }} }}"
    suite.write_text(re.sub(r"limits = .*", other, text))
    result = run_case(suite, read_suite(suite).case[0])
    [(kind, outcome, detail)] = judge_limits(result)
    assert (kind, outcome) == (Kind.LIMIT, expected)
    assert detail.endswith(f" times as long as onnxruntime, limit {limit:g}")


def test_an_engine_for_other_files_is_refused(suite):
    with pytest.raises(UnsupportedError, match="litert-xnnpack runs"):
        timed_rivals(suite.parent / "tiny.onnx", ["litert-xnnpack"])
