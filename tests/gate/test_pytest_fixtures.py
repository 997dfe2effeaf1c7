"""The fixtures `golden` and `emulator`, and --update-golden."""

import re
from pathlib import Path

import numpy as np
import pytest

import emu
from emu.arrays import read_npz
from emu.pytest_plugin.golden_files import golden_array
from tests.gate.conftest import write_suite

pytest_plugins = ["pytester"]

PLUGIN = ("-p", "no:emu", "-p", "emu.pytest_plugin")
TEST = """
    import numpy as np
    from emu.gate import assert_bit_exact

    def test_square(golden):
        got = np.arange({count}, dtype=np.int16) ** 2
        assert_bit_exact(got, golden("math/square", got))
"""


@pytest.fixture
def run(pytester):
    def run(*args: str, count: int = 5) -> pytest.RunResult:
        pytester.makepyfile(test_math=TEST.format(count=count))
        return pytester.runpytest_inprocess(*PLUGIN, *args)

    return run


def test_a_missing_golden_file_fails_and_says_what_makes_it(run, pytester):
    result = run()
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        ["*square.npz: there is no golden file; *--update-gol*"]
    )
    assert "Traceback" not in result.stdout.str()
    assert not (pytester.path / "golden").exists()


def test_an_update_writes_shows_and_fails_and_the_next_run_passes(run, pytester):
    result = run("--update-golden")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(
        ["*golden/math/square.npz: new, int16 ?5?", "--update-golden: this run fails*"]
    )
    stored = read_npz(pytester.path / "golden" / "math" / "square.npz")
    np.testing.assert_array_equal(
        stored["array"], np.array([0, 1, 4, 9, 16], np.int16), strict=True
    )
    result = run()
    assert result.ret == pytest.ExitCode.OK
    result.assert_outcomes(passed=1)


def test_an_update_that_changes_nothing_fails_too_and_writes_nothing(run, pytester):
    run("--update-golden")
    path = pytester.path / "golden" / "math" / "square.npz"
    before = path.stat().st_mtime_ns
    result = run("--update-golden")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.assert_outcomes(passed=1)
    assert path.stat().st_mtime_ns == before


def test_an_update_tells_what_changed(run):
    run("--update-golden")
    result = run("--update-golden", count=6)
    result.stdout.fnmatch_lines(["*square.npz: int16 ?5? -> int16 ?6?"])


def test_another_result_fails_with_its_cause(run):
    run("--update-golden")
    result = run(count=6)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["E*not bit-exact: got int16 ?6?, expected int16 ?5?"])


def test_changed_elements_are_counted_and_explained(tmp_path):
    changes: list[str] = []
    old = np.arange(6, dtype=np.int8).reshape(2, 3)
    golden_array(tmp_path, changes, "a", old)
    golden_array(tmp_path, changes, "a", old + np.int8(2))
    assert changes[1] == (
        f"{tmp_path / 'a.npz'}: 6 of 6 elements changed, first at [0, 0]: 0 -> 2; "
        "constant offset: every value is off by +2 (a bias, a zero point)"
    )
    np.testing.assert_array_equal(golden_array(tmp_path, None, "a"), old + 2)


@pytest.mark.parametrize("name", ["", "../a", "a/../b", "/a", "a b", "a/", ".a"])
def test_a_name_that_leads_out_of_the_folder_is_refused(tmp_path, name):
    with pytest.raises(pytest.fail.Exception, match="expected letters"):
        golden_array(tmp_path, [], name, np.zeros(1))
    assert not list(tmp_path.iterdir())


def test_a_damaged_golden_file_fails_and_can_be_replaced(tmp_path):
    (tmp_path / "a.npz").write_bytes(b"PK no")
    with pytest.raises(pytest.fail.Exception, match=r"is no sound \.npz file"):
        golden_array(tmp_path, None, "a", np.zeros(1))
    changes: list[str] = []
    golden_array(tmp_path, changes, "a", np.zeros(1))
    assert "was damaged" in changes[0]
    assert golden_array(tmp_path, None, "a") == np.zeros(1)


def test_python_objects_are_not_stored(tmp_path):
    with pytest.raises(pytest.fail.Exception, match="Python objects"):
        golden_array(tmp_path, [], "a", np.array([None]))


def test_a_user_checks_layers_without_any_conftest(pytester):
    write_suite(pytester.path)
    pytester.makepyfile(
        test_layers="""
        from emu.gate import assert_bit_exact, assert_layer_close, assert_no_overflow

        SOURCE = {"calibration": "suites/data.npz[0:20]"}

        def test_layers(emulator, golden):
            program = emulator("suites/tiny.toml", **SOURCE)
            x = program.inputs("suites/data.npz[20:28]")
            layers = program(x)
            assert_bit_exact(layers["conv"], golden("conv", layers["conv"]), name="conv")
            assert_no_overflow(program, x)

        def test_programs_are_made_once(emulator):
            assert emulator("suites/tiny.toml", **SOURCE) is emulator(
                "suites/tiny.toml", **SOURCE
            )

        def test_unknown(emulator):
            emulator("suites/no.toml")
        """
    )
    result = pytester.runpytest_inprocess(*PLUGIN, "--update-golden")
    result.assert_outcomes(passed=2, failed=1, errors=1)
    result = pytester.runpytest_inprocess(*PLUGIN)
    result.assert_outcomes(passed=2, failed=1)
    result.stdout.fnmatch_lines(["suites/no.toml: there is no such file"])
    assert "Traceback" not in result.stdout.str()


def test_the_example_of_the_readme_runs(pytester):
    readme = (Path(emu.__file__).parent.parent / "README.md").read_text()
    (example,) = re.findall(r"```python\n(.*?)```", readme, re.DOTALL)
    pytester.makepyfile(test_readme=example)
    result = pytester.runpytest_inprocess(*PLUGIN, "--update-golden")
    result.assert_outcomes(passed=1, errors=1)
    files = sorted(path.name for path in (pytester.path / "golden/digits").iterdir())
    assert files == ["conv1.npz", "conv1_real.npz"]
    pytester.runpytest_inprocess(*PLUGIN).assert_outcomes(passed=1)
    path = pytester.path / "golden/digits/conv1.npz"
    stored = np.array(read_npz(path)["array"])
    stored[stored == 17] += 1
    np.savez_compressed(path, array=stored)
    result = pytester.runpytest_inprocess(*PLUGIN)
    result.assert_outcomes(failed=1)
    shown = [line.removeprefix("E").strip() for line in result.outlines]
    (sample,) = re.findall(r"```\n(conv1: not .*?)```", readme, re.DOTALL)
    first, *others = sample.splitlines()
    assert f"AssertionError: {first}" in shown
    assert [line for line in others if line.strip() not in shown] == []
