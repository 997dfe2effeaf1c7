"""run_case on a tiny model: what it measures, and what it refuses."""

from dataclasses import replace

import jax
import numpy as np
import pytest

from emu.compare import Mode
from emu.errors import ConfigError, DataError, MissingError
from emu.evaluate import ModelEntry
from emu.gate import (
    CaseResult,
    Limits,
    Outcome,
    baseline_of,
    read_suite,
    run_case,
)
from emu.gate.limits import judge_limits
from emu.gate.shared import Shared
from emu.gate.verdict import judge
from emu.graph import Graph
from tests.quantized import tiny_tflite


def case_of(suite, **changes):
    return read_suite(suite).case[0].model_copy(update=changes)


def test_a_case_measures_both_models_and_every_layer(measured: CaseResult):
    assert measured.fp32
    assert measured.layers
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


@pytest.fixture
def quantized(tmp_path):
    """A suite over a model that is quantized already."""
    (tmp_path / "q.tflite").write_bytes(tiny_tflite())
    rng = np.random.default_rng(8)
    x = rng.normal(0, 2, (12, 4, 4, 2)).astype(np.float32)
    np.savez(tmp_path / "data.npz", x=x, y=np.arange(12) % 4)
    path = tmp_path / "s.toml"
    path.write_text(
        '[[case]]\nid = "q"\nmodel = "q.tflite"\ndata = "data.npz"\nbatch_size = 5\n'
    )
    return path


def test_a_quantized_model_is_measured_without_fp32(quantized):
    case = case_of(quantized)
    found = run_case(quantized, case)
    assert (found.fp32, found.layers, found.calibration) == (None, None, None)
    assert found.identity["target"] == "tflite-reference"
    assert found.quantized.n == 12
    stored = baseline_of(found)
    assert (stored.fp32, stored.layers) == ({}, {})
    again = run_case(quantized, case_of(quantized, batch_size=12))
    assert [v[1] for v in judge(baseline_of(again), stored)] == [Outcome.EQUAL] * 2
    other = run_case(quantized, case_of(quantized, target="tflite-xnnpack"))
    assert other.identity["target"] == "tflite-xnnpack"
    assert judge_limits(found) == []


@pytest.mark.parametrize(
    "changes",
    [
        {"calibration": "data.npz"},
        {"recipe": "r.toml"},
        {"limits": Limits(max_drop_points=1.0)},
    ],
    ids=["calibration", "recipe", "limits"],
)
def test_what_means_nothing_for_a_quantized_model_is_refused(changes, quantized):
    with pytest.raises(ConfigError, match=r"for q\.tflite, which is quantized already"):
        run_case(quantized, case_of(quantized, **changes))


def test_what_cases_share_is_measured_once_and_changes_nothing(suite, measured):
    shared = Shared()
    seen = []
    for size in (32, 32):
        case = case_of(suite, batch_size=size)
        found = run_case(suite, case, lambda _, stage, *__: seen.append(stage), shared)
        assert found.digest == measured.digest
        assert found.quantized.counts() == measured.quantized.counts()
    assert len(shared.fp32) == 1
    assert seen.index("FP32") < seen.index("calibrate")
    assert "FP32" not in seen[seen.index("compare") :]


def test_layers_are_compared_in_the_ways_that_a_case_names(suite):
    found = run_case(suite, case_of(suite, compare=(Mode.CUMULATIVE,)))
    assert found.layers
    assert set(found.layers.tables) == {Mode.CUMULATIVE}
    assert found.layers.mean_sqnr(Mode.CUMULATIVE)
    assert found.layers.mean_sqnr(Mode.ISOLATED) is None


def test_cases_that_share_a_program_compile_it_once(suite):
    compiled: list[str] = []

    def listen(event: str, *_: object, **__: object) -> None:
        if event == "/jax/core/compile/jaxpr_to_mlir_module_duration":
            compiled.append(event)

    jax.monitoring.register_event_duration_secs_listener(listen)
    shared = Shared()
    counts = []
    try:
        for number in range(20):
            limits = Limits(max_drop_points=5.0 + number)
            run_case(
                suite, case_of(suite, id=f"c{number}", limits=limits), None, shared
            )
            counts.append(len(compiled))
    finally:
        jax.monitoring.unregister_event_duration_listener(listen)
    assert counts[0] > 0
    assert counts[1:] == counts[:1] * 19
    assert shared.family.compiled == 4  # integer, kept elements, layers both ways


def test_only_the_last_few_programs_are_kept(suite):
    shared = Shared()
    made = []

    def program(key: str) -> Graph:
        def compute() -> Graph:
            made.append(key)
            return graph

        return shared.recalled_program(key, compute)

    _, graph = shared.opened(ModelEntry(file=suite.parent / "tiny.onnx"))
    for key in "aabcdeaeb":
        assert program(key) is graph
    assert made == ["a", "b", "c", "d", "e", "a", "b"]
