"""Suites as tests: what is collected, what fails and how it reads."""

import subprocess
import sys
import tomllib
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree as ET

import jax
import pytest

import emu
from emu.errors import DataError, MissingError
from emu.gate import (
    baseline_of,
    baseline_path,
    read_baseline,
    record_golden,
    write_baseline,
)
from emu.is_suite import is_suite
from tests.gate.conftest import write_suite

pytest_plugins = ["pytester"]

PLUGIN = ("-p", "no:emu", "-p", "emu.pytest_plugin")
ID = "suites/small.toml::tiny"
ITEMS = (
    "accuracy",
    "bit",
    "limit",
    "layer[x]",
    "layer[conv]",
    "layer[fc]",
    "layers",
)
# Appends a line for every case that is measured, in whatever process.
COUNTING = """
from pathlib import Path
from emu.gate import measure

run_case = measure.run_case

def counted(suite, case, *rest):
    with (Path(__file__).parent / "runs.txt").open("a") as file:
        file.write(f"{case.id}\\n")
    return run_case(suite, case, *rest)

measure.run_case = counted
"""


@pytest.fixture
def project(pytester, measured) -> Path:
    """A suite with its baseline, in the folder that pytest is run in."""
    suite = write_suite(pytester.path)
    write_baseline(baseline_path(suite, "tiny"), baseline_of(measured))
    return suite


@pytest.fixture
def run(pytester, instant):
    """Run pytest in this process; cases give the measured result without a run."""
    return lambda *args: pytester.runpytest_inprocess(*PLUGIN, *args)


def edit(suite: Path, **changes) -> None:
    """Another baseline than the one that was measured."""
    path = baseline_path(suite, "tiny")
    write_baseline(path, read_baseline(path).model_copy(update=changes))


def failed(result) -> set[str]:
    lines = [line for line in result.outlines if line.startswith("FAILED ")]
    return {line.split()[1].removeprefix(f"{ID}::") for line in lines}


def test_a_suite_has_an_item_for_each_verdict_of_a_case(project, run):
    result = run("suites", "--collect-only", "-q")
    assert result.outlines[: len(ITEMS)] == [f"{ID}::{name}" for name in ITEMS]
    assert "7 tests collected" in result.outlines[-1]


def test_a_case_that_is_as_it_was_passes_in_all_items(project, run):
    run("suites").assert_outcomes(passed=len(ITEMS))


def test_recorded_golden_outputs_have_an_item_that_names_a_damaged_file(project, run):
    (recorded,) = record_golden([project])
    run("suites").assert_outcomes(passed=len(ITEMS) + 1)
    assert recorded.folder
    (recorded.folder / "manifest.json").write_text("{")
    result = run("suites")
    result.assert_outcomes(passed=len(ITEMS), failed=1)
    assert failed(result) == {"golden"}
    result.stdout.fnmatch_lines(["*manifest.json: damaged manifest*"])


@pytest.mark.parametrize(
    ("args", "names"),
    [
        (("suites", "-k", "conv"), ["layer[conv]"]),
        (("suites", "-k", "tiny and (bit or accuracy)"), ["accuracy", "bit"]),
        ((f"{ID}::layer[fc]",), ["layer[fc]"]),
        ((f"{ID}",), list(ITEMS)),
    ],
)
def test_items_are_chosen_by_words_and_by_ids(project, run, args, names):
    lines = run(*args, "--collect-only", "-q").outlines
    assert [line for line in lines if "::" in line] == [f"{ID}::{n}" for n in names]


def test_a_worse_layer_fails_its_item_alone_and_shows_its_figures(project, run):
    layers = {
        mode: tuple(
            row.model_copy(update={"sqnr_db": row.sqnr_db + 20 * (row.name == "conv")})
            for row in rows
        )
        for mode, rows in read_baseline(baseline_path(project, "tiny")).layers.items()
    }
    edit(project, layers=layers)
    result = run("suites")
    assert failed(result) == {"layer[conv]"}
    result.assert_outcomes(passed=len(ITEMS) - 1, failed=1)
    result.stdout.fnmatch_lines(
        [
            "*tiny::layer?conv?*",
            "layer regressed: cumulative conv * -> * dB; isolated conv * -> * dB",
            "  cumulative * baseline * now",
            "  sqnr_db *",
            "  isolated * baseline * now",
        ]
    )
    assert "Traceback" not in result.stdout.str()
    assert "items.py" not in result.stdout.str()


def test_a_layer_that_the_baseline_lacks_fails(project, run):
    stored = read_baseline(baseline_path(project, "tiny"))
    edit(project, layers={mode: rows[:-1] for mode, rows in stored.layers.items()})
    result = run("suites")
    assert failed(result) == {"layers"}
    result.stdout.fnmatch_lines(["layer regressed: cumulative fc is new; *"])


@pytest.mark.parametrize("by", [1, -1])
def test_other_counts_fail_the_accuracy(project, run, by):
    counts = dict(read_baseline(baseline_path(project, "tiny")).quantized)
    counts["top1_correct"] += by
    edit(project, quantized=counts)
    result = run("suites")
    assert failed(result) == {"accuracy"}
    word = "regressed" if by > 0 else "improved"
    result.stdout.fnmatch_lines([f"accuracy {word}: top1_correct: *"])


def test_other_bits_fail_the_digest(project, run):
    edit(project, digest="0" * 64)
    assert failed(run("suites")) == {"bit"}


def test_a_missed_limit_fails_its_item(project, run, measured, monkeypatch):
    project.write_text(project.read_text().replace("= 5.0", "= -90.0"))
    monkeypatch.setattr(
        "emu.gate.measure.run_case", lambda _, case, *rest: replace(measured, case=case)
    )
    result = run("suites")
    assert failed(result) == {"limit"}
    result.stdout.fnmatch_lines(["limit regressed: * FP32, limit -90 below"])


def test_a_missing_baseline_is_one_failing_item(project, run):
    baseline_path(project, "tiny").unlink()
    result = run("suites")
    result.assert_outcomes(failed=1)
    assert failed(result) == {"baseline"}
    result.stdout.fnmatch_lines(["missing baseline: *tiny.json: there is no baseline*"])


def test_a_damaged_baseline_is_one_failing_item(project, run):
    baseline_path(project, "tiny").write_text("{")
    result = run("suites")
    assert failed(result) == {"baseline"}
    result.stdout.fnmatch_lines(["missing baseline: *damaged baseline*"])


def test_a_baseline_whose_case_is_gone_fails(project, run):
    path = baseline_path(project, "tiny")
    path.with_name("gone.json").write_bytes(path.read_bytes())
    result = run("suites")
    result.assert_outcomes(passed=len(ITEMS), failed=1)
    assert failed(result) == {"suites/small.toml::gone::baseline"}


@pytest.mark.parametrize(
    "error", [MissingError("there is no such file", file="x.npz"), DataError("bad")]
)
def test_a_case_that_cannot_run_fails_in_every_item_in_one_line(
    project, run, error, monkeypatch
):
    tries = []

    def fail(*_):
        tries.append(1)
        raise error

    monkeypatch.setattr("emu.gate.measure.run_case", fail)
    result = run("suites")
    assert failed(result) == set(ITEMS)
    assert result.outlines.count(f"run failed: {error}") == len(ITEMS)
    assert len(tries) == 1


def test_a_broken_suite_is_one_line_of_a_collection_error(project, run):
    project.write_text('[[case]]\nid = "a"\nmodell = "b"\n')
    result = run("suites")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*small.toml: *modell: unknown key; did you mean*"])
    assert "Traceback" not in result.stdout.str()


def test_a_suite_that_is_no_toml_is_an_error_too(project, run):
    project.write_text('[[case]]\nid = "a\n')
    result = run("suites")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*small.toml: no sound TOML: *"])


def test_a_file_named_itself_is_a_suite_even_if_it_has_no_cases(project, run):
    project.write_text('[[cases]]\nid = "a"\n')
    run("suites").assert_outcomes()
    result = run("suites/small.toml")
    result.stdout.fnmatch_lines(["*unknown key; did you mean 'case'*"])


def test_suites_are_looked_for_only_where_somebody_names_a_folder(
    project, run, pytester
):
    pytester.makepyfile(test_own="def test_own(): pass")
    run().assert_outcomes(passed=1)
    run(".").assert_outcomes(passed=1 + len(ITEMS))
    pytester.mkdir("tests")
    run("tests").assert_outcomes()
    pytester.makeini("[pytest]\ntestpaths = suites")
    run().assert_outcomes(passed=len(ITEMS))


def test_last_failed_runs_the_failed_items_alone(project, run):
    edit(project, digest="0" * 64)
    run("suites")
    result = run("suites", "--lf")
    result.assert_outcomes(failed=1)
    assert failed(result) == {"bit"}


def test_the_first_failure_can_stop_the_run(project, run):
    edit(project, digest="0" * 64)
    run("suites", "-x").assert_outcomes(passed=1, failed=1)


def test_junit_has_a_case_for_each_item(project, run, pytester):
    edit(project, digest="0" * 64)
    run("suites", "--junitxml=junit.xml")
    cases = list(ET.parse(pytester.path / "junit.xml").iter("testcase"))
    assert [case.get("name") for case in cases] == list(ITEMS)
    assert {case.get("classname") for case in cases} == {"suites.small.toml.tiny"}
    (failure,) = [case.find("failure") for case in cases if len(case)]
    assert failure is not None
    assert "bit regressed: digest 0000" in (failure.text or "")


def test_a_case_is_measured_once_in_a_run(project, run, measured, monkeypatch):
    runs = []

    def count(_, case, *rest):
        runs.append(case.id)
        return measured

    monkeypatch.setattr("emu.gate.measure.run_case", count)
    run("suites").assert_outcomes(passed=len(ITEMS))
    assert runs == ["tiny"]


SECOND = """
[[case]]
id = "second"
model = "tiny.toml"
calibration = "data.npz[0:20]"
compare_samples = 20
"""


def test_workers_measure_a_case_once_between_them(
    project, pytester, measured, monkeypatch
):
    project.write_text(project.read_text() + SECOND)
    write_baseline(baseline_path(project, "second"), baseline_of(measured))
    pytester.makeconftest(COUNTING)
    cache = jax.config.values["jax_compilation_cache_dir"]
    monkeypatch.setenv("JAX_COMPILATION_CACHE_DIR", cache)
    monkeypatch.setenv("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0.05")
    monkeypatch.setenv("JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES", "-1")
    result = pytester.runpytest_subprocess(*PLUGIN, "-n", "2", "suites")
    result.assert_outcomes(passed=2 * len(ITEMS) - 1)
    runs = (pytester.path / "runs.txt").read_text().splitlines()
    assert sorted(runs) == ["second", "tiny"]


def test_items_of_a_case_are_one_group_to_xdist(project, pytester):
    items, _ = pytester.inline_genitems(*PLUGIN, "--strict-markers", "suites")
    groups = [m.kwargs for item in items for m in item.iter_markers("xdist_group")]
    assert groups == [{"name": "small-tiny"}] * len(ITEMS)


def test_workers_do_not_look_where_nobody_named_a_folder(project, pytester):
    pytester.makepyfile(test_own="def test_own(): pass")
    result = pytester.runpytest_subprocess(*PLUGIN, "-n", "1")
    result.assert_outcomes(passed=1)


def test_the_plugin_costs_a_run_nothing_heavy():
    script = (
        "import sys, emu.pytest_plugin\n"
        "heavy = {'jax', 'pandas', 'onnx', 'onnxruntime', 'pydantic', 'numpy'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True, timeout=60)


def test_pytest_finds_the_plugin_where_emu_is_installed(pytester, monkeypatch):
    project = Path(emu.__file__).parent.parent / "pyproject.toml"
    entries = tomllib.loads(project.read_text())["project"]["entry-points"]
    assert entries == {"pytest11": {"emu": "emu.pytest_plugin"}}
    folder = pytester.path / "site" / "found-1.dist-info"
    folder.mkdir(parents=True)
    (folder / "METADATA").write_text("Name: found\nVersion: 1\n")
    (folder / "entry_points.txt").write_text("[pytest11]\nemu = emu.pytest_plugin\n")
    root = Path(emu.__file__).parent.parent
    monkeypatch.setenv("PYTHONPATH", f"{folder.parent}:{root}")
    result = pytester.runpytest_subprocess("--help")
    result.stdout.fnmatch_lines(["*--update-golden*"])


def test_only_toml_files_with_cases_are_suites(tmp_path):
    texts = {
        '[[case]]\nid = "a"\n': True,
        'case = [{ id = "a" }]\n': True,
        "[[ case ]]\nid = \n": True,
        'file = "m.onnx"\n': False,
        '[tool]\ncase = "x"\n': False,
        "not toml": False,
        "": False,
    }
    for text, expected in texts.items():
        path = tmp_path / "x.toml"
        path.write_text(text)
        assert is_suite(path) is expected, text
