"""Differences on the terminal and as JSON."""

import io
import math
from dataclasses import replace

import pytest
from rich.console import Console

from emu.compare import AgainstReport, Difference
from emu.report import against_json, render_against
from emu.report.numbers import name_text


def row(name: str, differing: int = 0, largest: float | None = 0) -> Difference:
    return Difference(
        name=name,
        op="Conv2d",
        dtype="int8",
        elements=1000,
        differing=differing,
        max_lsb=largest,
    )


def report(*rows: Difference, **fields: tuple[str, ...]) -> AgainstReport:
    other = {"engine": "litert", "version": "2.3.0"}
    return AgainstReport(rows=rows, samples=64, other=other, **fields)


def text(found: AgainstReport, limit: int | None = None) -> str:
    console = Console(file=io.StringIO(), width=100)
    console.print(render_against(found, title="m for t on d", limit=limit))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_the_first_divergence_stands_above_the_table():
    shown = text(report(row("a"), row("b", 12, 3), row("c", 999, 70)))
    lines = shown.splitlines()
    assert lines[0] == "m for t on d"
    assert lines[1] == (
        "first divergence: b (Conv2d): 12 of 1,000 elements, by at most 3 LSB; 2 of 3 "
        "tensors differ"
    )
    assert "3 tensors in execution order; 64 samples; against litert, 2.3.0" in shown


def test_equal_sides_say_so_in_one_line():
    assert "all 2 tensors are equal" in text(report(row("a"), row("b")))
    assert text(report(row("a"))).splitlines()[1] == "equal"


def real(name: str, differing: int, relative: float) -> Difference:
    found = row(name, differing, None)
    return replace(found, dtype="float32", max_relative=relative)


def test_floats_are_told_and_integers_decide():
    found = report(row("a"), real("p", 0, 0.0), real("y", 3, 1.5e-7))
    shown = text(found)
    assert shown.splitlines()[1] == (
        "equal in all integers; 1 of 2 float tensors differs, by at most 1.5e-07 of the "
        "largest value"
    )
    (line,) = (line for line in shown.splitlines() if line.startswith("y "))
    assert line.split() == ["y", "Conv2d", "float32", "1,000", "3", "?", "1.5e-07"]
    told = against_json(found)
    assert told["first_divergence"] is None
    assert [one["max_relative"] for one in told["layers"]] == [None, 0.0, 1.5e-7]


def test_an_integer_that_differs_stands_above_floats_before_it():
    found = report(real("y", 3, 0.5), row("b", 1, 1))
    assert text(found).splitlines()[1].startswith("first divergence: b (Conv2d): 1 of")
    assert against_json(found)["first_divergence"] == "b"


def test_floats_alone_decide():
    found = report(real("y", 3, 0.5))
    assert text(found).splitlines()[1].startswith("first divergence: y (Conv2d): 3 of")


def test_integers_alone_have_no_column_of_relative_differences():
    assert "relative" not in text(report(row("a", 1, 1)))


def test_a_limit_keeps_the_worst_in_execution_order():
    shown = text(report(row("a", 5, 1), row("b"), row("c", 9, 1)), limit=2)
    names = [line.split()[0] for line in shown.splitlines() if "int8" in line]
    assert names == ["a", "c"]
    assert "2 of 3 tensors" in shown


def test_what_could_not_be_compared_is_listed():
    many = tuple(f"t{i}" for i in range(7))
    shown = text(report(row("a"), missing=many, extra=("typo",)))
    assert "not given by the other side: t0, t1, t2, t3, t4 and 2 more" in shown
    assert "in the dump, but no tensor here: typo" in shown


@pytest.mark.parametrize(
    ("largest", "shown", "told"),
    [(None, "?", None), (math.inf, "inf", "inf"), (0.12345, "0.123", 0.12345)],
)
def test_steps_that_are_no_whole_numbers(largest, shown, told):
    found = report(row("a", 1, largest))
    assert f"by at most {shown} LSB" in text(found)
    assert against_json(found)["layers"][0]["max_lsb"] == told


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("conv", "conv"),
        ("model/relu;model/conv/BiasAdd", "model/relu;…"),
        ("Extractor/MobilenetV1/Conv2d_1/Relu6", "…etV1/Conv2d_1/Relu6"),
        ("Extractor/MobilenetV1/Conv2d_1/Relu6;b", "…tV1/Conv2d_1/Relu6;…"),
    ],
)
def test_long_names_keep_what_tells_them_apart(name, shown):
    assert name_text(name, 21 if name.endswith(";b") else 20) == shown
