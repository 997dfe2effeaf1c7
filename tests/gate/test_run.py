"""run_case on a tiny model: what it measures, and what it refuses."""

from dataclasses import replace

import pytest

from emu.compare import Mode
from emu.errors import ConfigError, DataError, MissingError
from emu.gate import CaseResult, Limits, baseline_of, read_suite, run_case


def case_of(suite, **changes):
    return read_suite(suite).case[0].model_copy(update=changes)


def test_a_case_measures_both_models_and_every_layer(measured: CaseResult):
    assert measured.fp32.counts()["n"] == 70
    assert measured.fp32.counts()["top1_correct"] == 56
    assert abs(measured.quantized.counts()["top1_correct"] - 56) <= 4
    assert set(measured.layers.tables) == {Mode.CUMULATIVE, Mode.ISOLATED}
    assert measured.layers.samples == 20
    assert {"emu", "jax", "numpy", "onnxruntime"} == set(measured.versions)
    assert measured.seconds > 0


def test_nothing_but_time_depends_on_the_batch_size(suite, measured):
    stages: dict[str, tuple[int, int]] = {}

    def progress(case: str, stage: str, done: int, total: int) -> None:
        assert case == "tiny"
        stages[stage] = (done, total)

    again = run_case(suite, case_of(suite, batch_size=9), progress)
    assert again.digest == measured.digest
    found, first = baseline_of(again), baseline_of(measured)
    assert (found.quantized, found.predictions) == (first.quantized, first.predictions)
    for mode in found.layers:
        for new, old in zip(found.layers[mode], first.layers[mode], strict=True):
            assert new.differing == old.differing
            assert new.sqnr_db == pytest.approx(old.sqnr_db, abs=1e-3)
    assert stages == {
        "FP32": (70, 70),
        "calibrate": (20, 20),
        "integer": (70, 70),
        "compare": (20, 20),
    }


def test_samples_that_calibrated_are_not_evaluated(suite):
    case = case_of(suite, data="data.npz[19:]")
    with pytest.raises(ConfigError, match=r"1 samples, 'x\[19\]' the first") as caught:
        run_case(suite, case)
    assert (caught.value.file, caught.value.where) == (str(suite), "tiny")


@pytest.mark.parametrize(
    ("changes", "kind", "expected"),
    [
        ({"model": "nowhere"}, MissingError, "no model 'nowhere'"),
        ({"data": "data.npz[0:1000]"}, DataError, "there are 90 samples"),
        ({"target": "generic-int9"}, MissingError, "did you mean 'generic-int8'"),
        ({"recipe": "none.toml"}, MissingError, r"suites.none\.toml: there is no such"),
        ({"limits": Limits(max_drop_auc=0.1)}, ConfigError, "max_drop_auc means"),
    ],
    ids=["model", "data", "target", "recipe", "limits"],
)
def test_what_cannot_be_run_is_one_clear_line(suite, changes, kind, expected):
    with pytest.raises(kind, match=expected):
        run_case(suite, case_of(suite, **changes))


def test_an_identity_tells_what_was_asked_for(measured):
    case = measured.case.model_copy(update={"recipe": "r.toml"})
    assert replace(measured, case=case).identity == {
        "model": "tiny.toml",
        "data": "data.npz[20:]",
        "calibration": "data.npz[0:20]",
        "target": "generic-int8",
        "recipe": "r.toml",
    }
