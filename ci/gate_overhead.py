"""How much time `emu gate` takes beside that of the models it measures.

    python ci/gate_overhead.py [--cases 200] [--profile]

A suite of so many cases of the embedded digits model, in a project of its own: most are
alike but for their id and limits, every tenth has other samples, another target, or a
recipe. The whole command runs in this process, `--update-baseline` first, then a check
that writes its history and JUnit XML; both are timed.

The models' own time is what FP32 evaluation, calibration, integer evaluation and the
comparison of layers take, with compiling; the harness's is all else, digests and the
store of finished work inside of these included. One line for each of the two runs gives
the time of a case in milliseconds, and how many programs were compiled. On a machine
that others use, the CPU time of the harness says more than what passed.

Exit code: 0, or 2 if a run fails.
"""

import argparse
import cProfile
import pstats
import shutil
import sys
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from functools import partial, wraps
from io import StringIO
from pathlib import Path
from time import perf_counter, thread_time
from typing import Any, Final

import jax.monitoring

from emu.cli.main import run as run_command
from emu.evaluate import Dataset
from emu.gate import bits, figures, run
from emu.gate.digest import BitDigest
from emu.gate.store import Store

_ROOT: Final = Path(__file__).resolve().parents[1]
_PARTS: Final = (
    "golden/digits/digits.npz",
    "golden/digits/digits.onnx",
    "suites/datasets/digits_test.toml",
    "suites/datasets/digits_train.toml",
    "suites/models/digits.toml",
    "suites/recipes/methods/mse.toml",
)
_CASE: Final = """
[[case]]
id = "case{number}"
model = "digits"
data = "digits_test"
calibration = "digits_train[::5]"
limits = {{ max_drop_points = {limit} }}
"""
# What every tenth case has beside.
_OTHERS: Final = (
    "samples = 100",
    'target = "generic-w4a8"',
    'recipe = "recipes/methods/mse.toml"',
    "samples = { choose = 200, seed = 7 }",
    'target = "ascend-310"',
)
_COMPILED: Final = "/jax/core/compile/jaxpr_to_mlir_module_duration"
# Functions that are the models' own time.
_OWN: Final = (
    (figures, "evaluate_graph"),
    (bits, "evaluate_graph"),
    (figures, "quantize_entry"),
    (figures, "compare_layers"),
    (run, "keep_tensors"),
)
# Parts of the harness that run inside of them.
_INSIDE: Final = (
    (Store, "get"),
    (Store, "put"),
    (BitDigest, "add"),
    (Dataset, "digest"),
)


class Clock:
    """Seconds by name; what begins inside of something else does not count there."""

    def __init__(self) -> None:
        """All that passes counts as of the harness."""
        self.seconds: dict[str, float] = defaultdict(float)
        self._names = ["harness"]
        self._since = perf_counter(), thread_time()

    @contextmanager
    def within(self, name: str) -> Iterator[None]:
        """Time of a name."""
        self._turn()
        self._names.append(name)
        try:
            yield
        finally:
            self._turn()
            self._names.pop()

    def _turn(self) -> None:
        now = perf_counter(), thread_time()
        name = self._names[-1]
        self.seconds[name] += now[0] - self._since[0]
        self.seconds[f"{name} CPU"] += now[1] - self._since[1]
        self._since = now

    def timed(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """The same function, whose time counts for a name."""

        @wraps(function)
        def call(*args: Any, **options: Any) -> Any:  # noqa: ANN401 - any function
            with self.within(name):
                return function(*args, **options)

        return call

    def take(self) -> dict[str, float]:
        """What has passed; counts from here on."""
        self._turn()
        found, self.seconds = self.seconds, defaultdict(float)
        return found


def make_project(folder: Path, cases: int) -> Path:
    """A suite of so many cases."""
    for part in _PARTS:
        (folder / part).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(_ROOT / part, folder / part)
    lines = []
    for number in range(cases):
        lines.append(_CASE.format(number=number, limit=90 + number / cases))
        if number % 10 == 9:
            lines.append(_OTHERS[number // 10 % len(_OTHERS)] + "\n")
    suite = folder / "suites" / "many.toml"
    suite.write_text("".join(lines))
    return suite


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--cases", type=int, default=200)
    parser.add_argument("--profile", action="store_true", help="where the time goes")
    options = parser.parse_args()
    compiled: list[str] = []
    jax.monitoring.register_event_duration_secs_listener(
        lambda event, *_, **__: compiled.append(event) if event == _COMPILED else None
    )
    clock = Clock()
    for module, name in _OWN:
        setattr(module, name, clock.timed("models", getattr(module, name)))
    for kind, name in _INSIDE:
        setattr(kind, name, clock.timed("harness", getattr(kind, name)))
    with tempfile.TemporaryDirectory(prefix="emu-overhead-") as folder:
        suite = make_project(Path(folder), options.cases)
        check = ["gate", str(suite), "--junit", f"{folder}/junit.xml"]
        update = ["gate", str(suite), "--update-baseline", "--reason", "first"]
        for command in (update, check):
            compiled.clear()
            clock.take()
            if (code := _run(command, profile=options.profile)) != 0:
                print(f"{' '.join(command)} exits with {code}", file=sys.stderr)
                return 2
            taken = clock.take()
            each = {name: 1000 * taken[name] / options.cases for name in taken}
            print(
                f"{'update' if command is update else 'check'}: {options.cases} cases, "
                f"of each {each['models']:.0f} ms of the models and "
                f"{each['harness']:.1f} ms of the harness ({each['harness CPU']:.1f} ms "
                f"of its thread's CPU); {len(compiled)} compilations"
            )
    return 0


def _run(command: list[str], *, profile: bool) -> int:
    """The exit code of a command line, whose output is not shown."""
    act = partial(run_command, command)
    with redirect_stdout(StringIO()):
        if not profile:
            return act()
        profiler = cProfile.Profile()
        code = profiler.runcall(act)
    pstats.Stats(profiler).sort_stats("cumulative").print_stats(60)
    return code


if __name__ == "__main__":
    sys.exit(main())
