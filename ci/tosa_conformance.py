"""Run generated TOSA tests through emu and compare every element with the reference.

The tests and their expected results come from the TOSA tools (package tosa-tools), in
an environment of their own: `ci/conformance.sh` makes it and calls this module. The
default is a sample: some tests of each operator and element type, and of the special
ones (full ranges) one of each set. The table counts the tests of each operator.

Equal means equal dtype, shape and elements. The one exception is INEXACT_ROUND of
RESCALE, which the specification leaves to the implementation within an error bound:
there every element must lie between the least and the greatest value that the
reference model, in its precise mode, computes as allowed.

Exit code: 0 all as expected, 1 a difference or an operator that is not what
NOT_SUPPORTED says, 2 could not run.
"""

import argparse
import json
import random
import re
import subprocess
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any, Final

import jax
import numpy as np

from emu.errors import EmuError, UnsupportedError
from emu.execute import Program
from emu.frontends import load_tosa

DEFAULT_SEED: Final = 42
PROFILE: Final = "tosa-pro-int"
EXTENSIONS: Final = ("int4", "int16", "doubleround", "inexactround")
# Sizes of axes: small, so that thousands of tests remain practical.
DIM_RANGE: Final = "1,16"
REFERENCE_WORKERS: Final = 2

# Operators of TOSA 1.1 (draft) that the generator adds: shapes that are computed,
# kernel sizes as operands, block scaled numbers. emu claims TOSA 1.0.
_NOT_SUPPORTED: Final = """
    ADD_SHAPE ASSERT_EQUAL_SHAPE AVG_POOL2D_ADAPTIVE CONCAT_SHAPE DIM DIV_CEIL_SHAPE
    DIV_FLOOR_SHAPE EXP2_SHAPE LOG2_CEIL_SHAPE LOG2_FLOOR_SHAPE MATMUL_T
    MAX_POOL2D_ADAPTIVE MAX_SHAPE MIN_SHAPE MOD_SHAPE MUL_SHAPE RESHAPE_BLOCK_SCALED
    ROW_GATHER ROW_GATHER_BLOCK_SCALED SLICE_SHAPE SUB_SHAPE
"""
NOT_SUPPORTED: Final = frozenset(_NOT_SUPPORTED.split())

# Operator -> tests of each element type in the sample, and OTHERS_SAMPLED of the
# others. The generator adds special tests (full ranges), in sets for convolutions.
SAMPLED: Final = {
    "CONV2D": 4,
    "CONV3D": 4,
    "DEPTHWISE_CONV2D": 4,
    "TRANSPOSE_CONV2D": 4,
    "AVG_POOL2D": 6,
    "MAX_POOL2D": 6,
    "MATMUL": 2,
    "RESCALE": 18,
    "RESIZE": 5,
    "MUL": 4,
    "PAD": 4,
    "RESHAPE": 3,
    "SLICE": 4,
    "TILE": 3,
    "TRANSPOSE": 4,
    "CAST": 1,
}
OTHERS_SAMPLED: Final = 2
_OTHERS: Final = """
    ABS ADD ARGMAX ARITHMETIC_RIGHT_SHIFT BITWISE_AND BITWISE_NOT BITWISE_OR
    BITWISE_XOR CLAMP CLZ CONCAT CONST CONST_SHAPE EQUAL GATHER GREATER GREATER_EQUAL
    IDENTITY INTDIV LOGICAL_AND LOGICAL_LEFT_SHIFT LOGICAL_NOT LOGICAL_OR
    LOGICAL_RIGHT_SHIFT LOGICAL_XOR MAXIMUM MINIMUM NEGATE REDUCE_ALL REDUCE_ANY
    REDUCE_MAX REDUCE_MIN REDUCE_PRODUCT REDUCE_SUM REVERSE SCATTER SELECT SUB TABLE
"""
OTHERS: Final = tuple(_OTHERS.split())

_SET_NUMBER: Final = re.compile(r"_s[0-9]+$")

# Compiled programs are kept by JAX until it is told otherwise.
CLEAR_EVERY: Final = 200


class Verdict(Enum):
    """What became of a test."""

    PASSED = "passed"
    DIFFERENT = "different"
    NOT_SUPPORTED = "not supported"
    UNDEFINED = "undefined"  # the reference model says so


@dataclass(frozen=True, kw_only=True)
class Test:
    """A generated test: its folder and its description."""

    folder: Path
    description: dict[str, Any]

    @property
    def operator(self) -> str:
        """The TOSA operator under test."""
        return self.description["test_details"]["operator"]

    @property
    def inexact(self) -> bool:
        """Whether its result has a range instead of a value."""
        compliance = self.description["meta"]["compliance"]["tensors"]
        return any(t["mode"] == "RESCALE_INEXACT" for t in compliance.values())


@dataclass(frozen=True, kw_only=True)
class Expected:
    """The least and greatest result allowed; None: the reference model has none."""

    low: list[np.ndarray]
    high: list[np.ndarray]


def selection(*, everything: bool) -> dict[str, Any]:
    """What the generator shall take of each operator."""

    def chosen(permutes: list[str], maximum: int) -> dict[str, Any]:
        rule = {"permutes": permutes, "maximum": maximum}
        return {"selection": {"default": {"all": True} if everything else rule}}

    return {
        **{name.lower(): chosen([], 1) for name in NOT_SUPPORTED},
        **{name.lower(): chosen(["type"], OTHERS_SAMPLED) for name in OTHERS},
        **{name.lower(): chosen(["type"], count) for name, count in SAMPLED.items()},
    }


def generate(tools: Path, folder: Path, seed: int, *, everything: bool) -> list[Test]:
    """Make the tests, or find them made with the same settings."""
    wanted = json.dumps(
        [seed, DIM_RANGE, EXTENSIONS, selection(everything=everything)], sort_keys=True
    )
    stamp = folder / "settings.json"
    if not stamp.is_file() or stamp.read_text() != wanted:
        folder.mkdir(parents=True, exist_ok=True)
        config = folder / "selection.json"
        config.write_text(json.dumps(selection(everything=everything)))
        command = [
            tools / "tosa_verif_build_tests",
            *("--seed", str(seed), "--tosa-version", "1.0", "--profile", PROFILE),
            *("--extension", *(f"tosa-ext-{name}" for name in EXTENSIONS)),
            *("--test-type", "positive", "--tensor-dim-range", DIM_RANGE),
            *("--test-selection-config", config, "-o", folder / "tests"),
        ]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        stamp.write_text(wanted)
    return [
        Test(folder=path.parent, description=json.loads(path.read_text()))
        for path in sorted((folder / "tests").rglob("desc.json"))
    ]


def sampled(tests: list[Test], seed: int) -> list[Test]:
    """One test of each set (names that differ in their last number, `..._s2`)."""
    sets: defaultdict[str, list[Test]] = defaultdict(list)
    for test in tests:
        sets[_SET_NUMBER.sub("", str(test.folder))].append(test)
    generator = random.Random(seed)
    return [generator.choice(members) for members in sets.values()]


def expect(tools: Path, test: Test) -> Expected | None:
    """What the reference model computes; kept beside the test."""
    results = test.folder / "reference"
    names = test.description["ofm_file"]
    prefixes = ("", "bounds_") if test.inexact else ("", "")
    files = [[results / f"{prefix}{name}" for name in names] for prefix in prefixes]
    if not all(path.is_file() for path in (*files[0], *files[1])):
        results.mkdir(exist_ok=True)
        description = test.folder / "desc.json"
        command = [tools / "tosa_reference_model", "--test_desc", description]
        precise = ["--precise_mode=1"] if test.inexact else []
        done = subprocess.run(
            [*command, *precise, "--output_dir", results],
            capture_output=True,
            check=False,
        )
        if done.returncode == 1:
            return None
        done.check_returncode()
    low, high = ([np.load(path) for path in paths] for paths in files)
    return Expected(low=low, high=high)


def compare(found: np.ndarray, low: np.ndarray, high: np.ndarray) -> str:
    """What is wrong with a result; nothing if it is as expected."""
    if (found.dtype, found.shape) != (low.dtype, low.shape):
        return f"{found.dtype} {found.shape}, expected {low.dtype} {low.shape}"
    wrong = (found < low) | (found > high)
    if not wrong.any():
        return ""
    first = tuple(int(i) for i in np.argwhere(wrong)[0])
    return (
        f"{wrong.sum()} of {wrong.size} elements differ, the first at {first}: "
        f"{found[first]}, expected {low[first]}"
        + (f"..{high[first]}" if low[first] != high[first] else "")
    )


def run(test: Test, expected: Expected | None) -> tuple[Verdict, str]:
    """One test through emu."""
    if expected is None:
        return Verdict.UNDEFINED, "the reference model calls it unpredictable"
    description = test.description
    try:
        graph = load_tosa(test.folder / description["tosa_file"])
        files = [np.load(test.folder / name) for name in description["ifm_file"]]
        results = Program(graph, 1)(
            dict(zip(description["ifm_name"], files, strict=True))
        )
    except UnsupportedError as error:
        return Verdict.NOT_SUPPORTED, error.message
    except EmuError as error:
        return Verdict.DIFFERENT, error.message
    for name, low, high in zip(graph.outputs, expected.low, expected.high, strict=True):
        complaint = compare(results[name], low, high)
        if complaint:
            return Verdict.DIFFERENT, complaint
    return Verdict.PASSED, ""


def run_all(tools: Path, tests: list[Test]) -> Iterator[tuple[Test, Verdict, str]]:
    """Every test; the reference model works ahead."""
    with ThreadPoolExecutor(REFERENCE_WORKERS) as pool:
        ahead = pool.map(lambda test: expect(tools, test), tests)
        for count, (test, expected) in enumerate(zip(tests, ahead, strict=True)):
            yield test, *run(test, expected)
            if count % CLEAR_EVERY == CLEAR_EVERY - 1:
                jax.clear_caches()


def is_expected(test: Test, verdict: Verdict) -> bool:
    """Passed where emu claims the operator, and only there."""
    claimed = test.operator not in NOT_SUPPORTED
    return verdict is (Verdict.PASSED if claimed else Verdict.NOT_SUPPORTED)


def table(counts: dict[str, Counter[Verdict]]) -> str:
    """Operators by row, verdicts by column."""
    shown = [Verdict.PASSED, Verdict.DIFFERENT, Verdict.NOT_SUPPORTED]
    if any(Verdict.UNDEFINED in row for row in counts.values()):
        shown.append(Verdict.UNDEFINED)
    head = ["operator", "generated", *(verdict.value for verdict in shown)]
    rows = [
        [name, str(row.total()), *(str(row[verdict]) for verdict in shown)]
        for name, row in sorted(counts.items())
    ]
    total = sum(counts.values(), Counter())
    rows.append(
        ["all", str(total.total()), *(str(total[verdict]) for verdict in shown)]
    )
    width = max(len(row[0]) for row in (head, *rows))
    return "\n".join(
        " ".join([row[0].ljust(width), *(cell.rjust(13) for cell in row[1:])])
        for row in (head, *rows)
    )


def main() -> int:
    """Generate, run, report."""
    parser = argparse.ArgumentParser(description="TOSA tests through emu")
    parser.add_argument("--tools", type=Path, required=True, help="where they are")
    parser.add_argument("--seed", type=int, default=DEFAULT_SEED)
    parser.add_argument("--all", action="store_true", help="all tests, not a sample")
    parser.add_argument("--work", type=Path, default=Path("build/tosa-tests"))
    options = parser.parse_args()
    start = time.monotonic()
    folder = options.work / f"{'all' if options.all else 'sample'}-{options.seed}"
    try:
        tests = generate(options.tools, folder, options.seed, everything=options.all)
    except (OSError, subprocess.CalledProcessError) as error:
        print(f"could not generate the tests: {error}", file=sys.stderr)
        return 2
    tests = tests if options.all else sampled(tests, options.seed)
    print(f"{len(tests)} tests after {time.monotonic() - start:.0f} s", flush=True)
    counts: defaultdict[str, Counter[Verdict]] = defaultdict(Counter)
    unexpected = 0
    for test, verdict, detail in run_all(options.tools, tests):
        counts[test.operator][verdict] += 1
        if not is_expected(test, verdict):
            unexpected += 1
            print(f"{test.folder.name}: {verdict.value}: {detail}", flush=True)
    print(table(counts))
    print(f"{unexpected} unexpected, {time.monotonic() - start:.0f} s in all")
    return 1 if unexpected or not tests else 0


if __name__ == "__main__":
    sys.exit(main())
