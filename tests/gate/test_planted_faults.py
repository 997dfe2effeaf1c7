"""Faults planted in a project: each is caught, and named for what it is."""

import re
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from emu.fixedpoint import RescaleScheme, Rounding
from emu.gate import CaseOutcome, Kind, Outcome, Shared, check_case, read_suite
from tests.gate.planted import (
    Plant,
    at_rescale,
    beside,
    delete_baseline,
    flip_signs,
    in_program,
    lose_samples,
    make_project,
    move_zero_point,
    narrow_register,
    reverse_channels,
    shift_labels,
    start_from_worse,
    truncate_baseline,
    truncate_golden,
)

pytest_plugins = ["pytester"]

PLUGIN = ("-p", "no:emu", "-p", "emu.pytest_plugin")


@dataclass(frozen=True, kw_only=True)
class Fault:
    """What is planted, and all verdicts that are neither equal nor hold.

    Fields:
        plant: what does it.
        verdicts: kind -> its outcome, and what its detail matches.
        case: whose verdicts they are.
    """

    plant: Plant
    verdicts: Mapping[Kind, tuple[Outcome, str]]
    case: str = "digits"


FAULTS: Mapping[str, Fault] = {
    "rounding mode of one rescale": Fault(
        plant=in_program(at_rescale("conv", rounding=Rounding.HALF_UP)),
        case="shifts",
        verdicts={
            Kind.LAYER: (Outcome.IMPROVED, r"cumulative conv SQNR .*"),
            Kind.BIT: (
                Outcome.REGRESSED,
                (
                    r"digest \w+ -> \w+, first in conv: (\d+) of 250 kept elements differ, "
                    r"by up to 1 LSB \(rounding mode: \1 of 250 values are off by 1, all one "
                    r"way; fractions go up\)"
                ),
            ),
        },
    ),
    "one rescale rounds twice": Fault(
        plant=in_program(at_rescale("conv", scheme=RescaleScheme.DOUBLE_ROUND)),
        case="colours",
        verdicts={
            Kind.BIT: (
                Outcome.REGRESSED,
                r".*, first in conv: \d of 250 kept elements differ, by up to 1 LSB.*",
            ),
        },
    ),
    "sign of one weight": Fault(
        plant=in_program(flip_signs("relu3_out:weights", 5)),
        verdicts={
            Kind.ACCURACY: (Outcome.REGRESSED, r"top1_correct: 100 -> 9\d"),
            Kind.LAYER: (Outcome.REGRESSED, r"cumulative pointwise3 SQNR .*"),
            Kind.BIT: (
                Outcome.REGRESSED,
                (
                    r".*, first in pointwise3: \d+ of 256 kept elements differ, by up to "
                    r"\d+ LSB, all of channel 5.*, \d+ of 100 predictions differ, first "
                    r"sample \d+: \d -> \d"
                ),
            ),
            Kind.LIMIT: (Outcome.REGRESSED, r"\d points of Top-1 below FP32, .*"),
        },
    ),
    "zero point off by one": Fault(
        plant=in_program(move_zero_point("conv4b")),
        verdicts={
            Kind.LAYER: (Outcome.REGRESSED, r"cumulative conv4b SQNR .*"),
            Kind.BIT: (
                Outcome.REGRESSED,
                (
                    r".*, first in conv4b: 256 of 256 kept elements differ, by up to 1 LSB "
                    r"\(constant offset: every value is off by \+1 \(a bias, a zero "
                    r"point\)\)"
                ),
            ),
        },
    ),
    "one accumulator too narrow": Fault(
        plant=in_program(narrow_register("fc", 12)),
        case="colours",
        verdicts={
            Kind.ACCURACY: (Outcome.REGRESSED, r"top1_correct: .*"),
            Kind.LAYER: (
                Outcome.REGRESSED,
                (
                    r"cumulative fc .*, accumulator overflows 0 -> \d+; "
                    r"isolated fc .*, accumulator overflows 0 -> \d+"
                ),
            ),
            Kind.BIT: (Outcome.REGRESSED, r".*, first in fc: \d+ of 107 .*"),
        },
    ),
    "calibrated on another order of channels": Fault(
        plant=reverse_channels,
        case="colours",
        verdicts={
            Kind.LAYER: (Outcome.REGRESSED, r"cumulative conv SQNR .*"),
            Kind.BIT: (
                Outcome.REGRESSED,
                r".*, first in conv: \d+ of 250 kept elements differ, by up to .*",
            ),
        },
    ),
    "labels shifted by one": Fault(
        plant=shift_labels,
        verdicts={
            Kind.ACCURACY: (
                Outcome.REGRESSED,
                (
                    r"top1_correct: 100 -> \d+, .*\(FP32 top1_correct: 100 -> \d+, .*; "
                    r"every output is as it was: the labels are others"
                ),
            ),
        },
    ),
    "baseline deleted": Fault(
        plant=delete_baseline,
        verdicts={
            Kind.BASELINE: (
                Outcome.MISSING,
                r".*/golden/baselines/embedded/digits\.json: there is no baseline; .*",
            ),
        },
    ),
    "baseline truncated": Fault(
        plant=truncate_baseline,
        verdicts={
            Kind.BASELINE: (
                Outcome.MISSING,
                r".*/golden/baselines/embedded/digits\.json: damaged baseline: .*",
            ),
        },
    ),
    "golden file truncated": Fault(
        plant=truncate_golden,
        verdicts={
            Kind.GOLDEN: (
                Outcome.FAILED,
                (
                    r".*/golden/fp32/digits/\w+\.gz: tensor \w+: damaged: the file ends too "
                    r"early; `emu gate --record-golden` makes it anew"
                ),
            ),
        },
    ),
    "a case improved": Fault(
        plant=start_from_worse,
        verdicts={
            Kind.ACCURACY: (Outcome.IMPROVED, r"top1_correct: 9\d -> 100, .*"),
            Kind.LAYER: (
                Outcome.IMPROVED,
                r"cumulative dense SQNR .*; isolated dense SQNR .*",
            ),
            Kind.BIT: (
                Outcome.REGRESSED,
                r".*, first in dense: .*, all of channel 3, \d+ of 100 predictions .*",
            ),
        },
    ),
    "ten samples fewer": Fault(
        plant=lose_samples,
        verdicts={
            Kind.SAMPLES: (
                Outcome.MISSING,
                r"found 90 samples, the baseline has 100",
            ),
            Kind.ACCURACY: (Outcome.REGRESSED, r"n: 100 -> 90, .*"),
            Kind.BIT: (Outcome.REGRESSED, r"100 -> 90 predictions"),
        },
    ),
}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a project with baselines, and golden FP32 outputs."""
    folder = tmp_path_factory.mktemp("planted") / "made"
    make_project(folder)
    return folder


@pytest.fixture
def suite(made: Path, tmp_path: Path) -> Path:
    """The suite of a copy."""
    shutil.copytree(made, tmp_path, dirs_exist_ok=True)
    return tmp_path / "suites" / "embedded.toml"


@pytest.fixture(scope="module")
def shared() -> Shared:
    """Compiled code and FP32 results of all tests."""
    return Shared()


def checked(suite: Path, case: str, shared: Shared) -> CaseOutcome:
    (found,) = (one for one in read_suite(suite).case if one.id == case)
    return check_case(suite, found, shared=beside(shared))


def failing(outcome: CaseOutcome) -> Iterator[tuple[Kind, Outcome, str]]:
    for one in outcome.verdicts:
        if one.outcome.exit_code:
            yield one.kind, one.outcome, one.detail


@pytest.mark.parametrize("case", ["digits", "colours", "shifts"])
def test_nothing_fails_where_nothing_is_planted(case, suite, shared):
    assert list(failing(checked(suite, case, shared))) == []


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_caught_and_named(name, suite, shared, monkeypatch):
    fault = FAULTS[name]
    fault.plant(suite, monkeypatch)
    found = list(failing(checked(suite, fault.case, shared)))
    assert {kind for kind, *_ in found} == set(fault.verdicts)
    for kind, outcome, detail in found:
        expected, pattern = fault.verdicts[kind]
        assert outcome is expected
        assert re.fullmatch(pattern, detail), detail


@pytest.mark.parametrize(
    ("name", "items"),
    [
        ("labels shifted by one", {"accuracy"}),
        ("golden file truncated", {"golden"}),
        ("baseline deleted", {"baseline"}),
        (
            "one accumulator too narrow",
            {"accuracy", "bit", "layer[fc]"},
        ),
    ],
)
def test_pytest_names_it_too(name, items, made, pytester, monkeypatch):
    shutil.copytree(made, pytester.path, dirs_exist_ok=True)
    fault = FAULTS[name]
    suite = pytester.path / "suites" / "embedded.toml"
    fault.plant(suite, monkeypatch)
    result = pytester.runpytest_inprocess(*PLUGIN, "suites", "-k", fault.case)
    words = [line.split() for line in result.outlines if line.startswith("FAILED ")]
    prefix = f"suites/embedded.toml::{fault.case}::"
    assert {word[1].removeprefix(prefix) for word in words} == items
    for _, pattern in fault.verdicts.values():
        assert re.search(pattern, result.stdout.str())
