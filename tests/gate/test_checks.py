"""Assertions on layers: what passes, and what a failure shows."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, strategies as st
from hypothesis.extra.numpy import arrays

from emu import targets
from emu.gate import (
    assert_bit_exact,
    assert_layer_close,
    assert_no_overflow,
    emulate,
)
from emu.gate.emulate import register_use

WANT = np.random.default_rng(1).integers(-100, 101, (4, 6, 5, 3)).astype(np.int8)


def message(check, *args, **options) -> list[str]:
    with pytest.raises(AssertionError) as caught:
        check(*args, **options)
    return str(caught.value).splitlines()


@given(arrays(np.int8, (3, 4)) | arrays(np.float32, (3, 4)))
def test_an_array_is_bit_exact_to_its_copy(values):
    assert_bit_exact(values, values.copy())


def test_a_failure_shows_where_how_far_and_why():
    got = WANT.copy()
    got[1, 2, 3, 0] += 1
    got[3, 0, 0, 2] += 1
    lines = message(assert_bit_exact, got, WANT, name="conv1")
    assert lines[0] == "conv1: not bit-exact: 2 of 360 elements differ"
    a, b = got[1, 2, 3, 0], WANT[1, 2, 3, 0]
    assert lines[2].split() == ["[1,", "2,", "3,", "0]", f"{a}", f"{b}", "+1"]
    assert [line.split()[:2] for line in lines[5:7]] == [["0", "358"], ["+1", "2"]]
    assert lines[-1].startswith("likely cause: rounding mode: 2 of 360")


def test_another_dtype_or_shape_is_not_bit_exact():
    lines = message(assert_bit_exact, WANT.astype(np.int16), WANT)
    assert lines[0].startswith("not bit-exact: got int16 [4, 6, 5, 3], expected int8")
    assert "dtype" in lines[-1]
    assert "shape" in message(assert_bit_exact, WANT[0], WANT)[-1]


@pytest.mark.parametrize("dtype", [np.int8, np.float32])
def test_scalars_and_empty_arrays_are_arrays_too(dtype):
    one, two, none = dtype(1), dtype(2), np.zeros((0, 3), dtype)
    assert_bit_exact(none, none)
    assert_bit_exact(one, one)
    assert "1 of 1 elements differ" in message(assert_bit_exact, two, one)[0]
    assert_layer_close(none, none, min_sqnr=1.0)
    assert "SQNR 0.00 dB" in message(assert_layer_close, two, one, min_sqnr=1.0)[0]


def test_zeros_of_two_signs_differ_in_a_bit():
    lines = message(assert_bit_exact, np.array([0.0]), np.array([-0.0]))
    assert lines[0] == "not bit-exact: 1 of 1 elements differ"


@given(st.integers(-40, 40), st.integers(1, 60))
def test_close_is_an_sqnr_in_decibels(signal_db, noise_db):
    want = np.array([10 ** (signal_db / 20), 0.0])
    got = want + np.array([0.0, 10 ** ((signal_db - noise_db) / 20)])
    assert_layer_close(got, want, min_sqnr=noise_db - 0.01)
    lines = message(assert_layer_close, got, want, min_sqnr=noise_db + 0.01, name="fc")
    assert lines[0].startswith(f"fc: SQNR {noise_db:.2f} dB, expected at least")


def test_equal_layers_are_infinitely_close_and_a_nan_never():
    assert_layer_close(WANT, WANT, min_sqnr=np.inf)
    off = np.where(WANT > 90, np.nan, WANT)
    assert "NaN" in message(assert_layer_close, off, WANT, min_sqnr=-400.0)[-1]


def test_a_layer_that_is_not_close_shows_its_errors_in_steps():
    want = WANT * np.float32(0.125)
    lines = message(assert_layer_close, want + 0.25, want, min_sqnr=60.0)
    assert any(line.startswith("  LSB of 0.125") for line in lines)
    assert any(line.split()[:4] == ["+2", "...", "+4", "360"] for line in lines)
    assert lines[-1].startswith("likely cause: constant offset: every value is off by")


def test_layers_of_different_shapes_are_not_close():
    lines = message(assert_layer_close, WANT.reshape(4, -1), WANT, min_sqnr=0.0)
    assert lines[0] == "shapes differ"


def test_sums_that_fit_pass(suite, monkeypatch):
    monkeypatch.chdir(suite.parent)
    program = emulate("tiny.toml", calibration="data.npz[0:20]")
    assert_no_overflow(program, program.inputs("data.npz[20:]"))


def test_a_narrow_accumulator_overflows_in_the_layer_that_is_named(suite, monkeypatch):
    monkeypatch.chdir(suite.parent)
    wide = Path(targets.__file__).with_name("generic-int8.toml").read_text()
    Path("narrow.toml").write_text(
        wide.replace(
            "\nbits = 32\n# TOSA 1.0, CONV2D", "\nbits = 14\n# TOSA 1.0, CONV2D"
        )
    )
    program = emulate("tiny.toml", target="narrow.toml", calibration="data.npz[0:20]")
    x = program.inputs("data.npz[20:]")
    uses = {use.layer: use for use in register_use(program.graph, x)}
    assert set(uses) == {"conv", "fc"}
    assert uses["fc"].bits > 14
    assert uses["fc"].additions > 0
    lines = message(assert_no_overflow, program, x)
    assert lines[0].endswith("layers overflow their accumulator")
    assert lines[1].split() == ["layer", "overflows", "bits", "needed", "then"]
    assert lines[-1].split()[0] == "fc"
    assert lines[-1].split()[2:] == ["14", str(uses["fc"].bits), "wrap"]
    assert message(assert_no_overflow, program.graph, x) == lines
