"""The judge of the TOSA conformance run: what it calls equal, expected, a sample."""

import importlib.util
from collections import Counter
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

SCRIPT = Path(__file__).parents[2] / "ci" / "tosa_conformance.py"


@pytest.fixture(scope="module")
def judge() -> ModuleType:
    spec = importlib.util.spec_from_file_location("tosa_conformance", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


ONE = np.array([1, 2, 3], np.int8)


def test_equal_is_equal(judge: ModuleType):
    assert judge.compare(ONE, ONE, ONE) == ""


@pytest.mark.parametrize(
    ("found", "message"),
    [
        (ONE.astype(np.int16), r"int16 (3,), expected int8 (3,)"),
        (ONE.reshape(1, 3), "int8 (1, 3), expected int8 (3,)"),
        (
            np.array([1, 2, 4], np.int8),
            "1 of 3 elements differ, the first at (2,): 4, expected 3",
        ),
    ],
    ids=["dtype", "shape", "element"],
)
def test_any_difference_is_told(judge: ModuleType, found: np.ndarray, message: str):
    assert judge.compare(found, ONE, ONE) == message


def test_a_range_admits_its_ends_and_nothing_beyond(judge: ModuleType):
    low, high = ONE, ONE + np.int8(2)
    assert judge.compare(low, low, high) == judge.compare(high, low, high) == ""
    assert judge.compare(high + np.int8(1), low, high).endswith("4, expected 1..3")


def described(judge: ModuleType, name: str, operator: str = "ADD") -> object:
    description = {"test_details": {"operator": operator}}
    return judge.Test(folder=Path(name), description=description)


def test_an_operator_that_is_not_claimed_must_not_pass_by_chance(judge: ModuleType):
    passed, refused = judge.Verdict.PASSED, judge.Verdict.NOT_SUPPORTED
    claimed, other = described(judge, "a"), described(judge, "b", "DIM")
    assert judge.is_expected(claimed, passed)
    assert not judge.is_expected(claimed, refused)
    assert judge.is_expected(other, refused)
    assert not judge.is_expected(other, passed)


def test_a_sample_has_one_of_each_set_and_depends_on_the_seed_alone(
    judge: ModuleType,
):
    names = [f"x/conv_{k}_s{i}" for k in "ab" for i in range(6)]
    names += ["x/conv_c", "y/add"]
    tests = [described(judge, name) for name in names]
    chosen = [test.folder for test in judge.sampled(tests, 3)]
    assert Counter(str(path).split("_s")[0] for path in chosen) == Counter(
        {"x/conv_a": 1, "x/conv_b": 1, "x/conv_c": 1, "y/add": 1}
    )
    assert chosen == [test.folder for test in judge.sampled(tests, 3)]


def test_the_table_counts_every_verdict(judge: ModuleType):
    verdict = judge.Verdict
    text = judge.table({"ADD": Counter({verdict.PASSED: 3, verdict.DIFFERENT: 1})})
    rows = [line.split() for line in text.splitlines()]
    assert rows[0] == [
        "operator",
        "generated",
        "passed",
        "different",
        "not",
        "supported",
    ]
    assert rows[1:] == [["ADD", "4", "3", "1", "0"], ["all", "4", "3", "1", "0"]]


def test_no_operator_is_claimed_and_not_claimed(judge: ModuleType):
    wanted = [*judge.NOT_SUPPORTED, *judge.SAMPLED, *judge.OTHERS]
    assert len(wanted) == len(set(wanted))
