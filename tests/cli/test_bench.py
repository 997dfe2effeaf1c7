"""emu bench: three engines, one object, and what a fixed batch leaves out."""

from itertools import count

import numpy as np
import onnx
import pytest

from emu.evaluate import pipeline_bench
from emu.evaluate.rivals import onnx_rival
from tests.detector import write_detector

ENGINES = ["emu", "onnxruntime_fp32", "onnxruntime_int8"]


def test_three_engines_are_measured_at_each_batch_size(emu, tiny):
    model, _ = tiny
    sizes = ("--batch", "2", "--batch", "1", "--seconds", "0.01")
    found = emu("bench", model, *sizes, "--json").json
    assert found["batch"] == 2
    assert [run["batch"] for run in found["runs"]] == [2, 1]
    for run in (found, *found["runs"]):
        engines = run["engines"]
        assert list(engines) == ENGINES
        assert all(rate > 0 for rate in engines.values())
        assert run["ratios"] == {
            f"emu/{name}": pytest.approx(engines["emu"] / engines[name])
            for name in ENGINES[1:]
        }
    assert (found["target"], found["left_out"]) == ("generic-int8", [])


def test_a_program_is_measured_beside_its_source(emu, tiny_program):
    shown = emu("bench", tiny_program, "--batch", "4", "--seconds", "0.01")
    assert (shown.code, shown.err) == (0, "")
    assert all(name in shown.out for name in ENGINES)


def test_a_batch_fixed_to_one_is_freed_for_onnxruntime(tmp_path, make_model):
    onnx.save(make_model(batch=1), tmp_path / "one.onnx")
    rival = onnx_rival(tmp_path / "one.onnx")
    assert not rival.fixed_batch
    x = np.random.default_rng(1).standard_normal((3, 2, 4, 4)).astype(np.float32)
    run = rival.start()
    (together,) = run(x)
    alone = np.concatenate([run(row[None])[0] for row in x])
    np.testing.assert_allclose(together, alone, rtol=1e-5)


def test_a_model_that_onnxruntime_cannot_run_is_the_users_problem(refused, tmp_path):
    (tmp_path / "empty.onnx").write_bytes(b"")
    line, _ = refused("bench", tmp_path / "empty.onnx")
    assert "no ONNX file" in line


@pytest.fixture
def detector(tmp_path, monkeypatch):
    """The entry of a detector, in the folder of the test."""
    monkeypatch.chdir(tmp_path)
    return write_detector(tmp_path).name


@pytest.mark.parametrize(
    ("quantized", "target"),
    [((), "fp32"), (("--target", "generic-int8"), "generic-int8")],
)
def test_whole_evaluations_are_measured_in_turns(quantized, target, emu, detector):
    arguments = ("bench", detector, *quantized, "--data", "images.toml", "--batch", "2")
    found = emu(*arguments, "--seconds", "0.01", "--json").json
    assert (found["n"], found["batch"], found["metric"]) == (5, 2, "mAP")
    assert found["target"] == target
    engines = ["emu", "onnxruntime-optimized"]
    assert found["scores"] == dict.fromkeys(engines, 1.0)
    assert found["rounds"] == 3
    assert found["ratios"].keys() == {"emu/onnxruntime-optimized"}
    for name in engines:
        profile = found["profile"][name]
        assert list(profile) == ["samples", "engine", "outputs", "metric"]
        assert all(spent > 0 for spent in profile.values())


def test_a_pass_is_the_sum_of_its_stages_and_time_gives_more_passes(
    emu, detector, monkeypatch
):
    ticks = count()
    monkeypatch.setattr(pipeline_bench, "perf_counter", lambda: next(ticks) / 100)
    arguments = ("bench", detector, "--data", "images.toml", "--json", "--seconds")
    found = emu(*arguments, "1").json
    # The clock ticks once for each of four stages, at the start of a pass, and once a
    # round: 11 ticks a round of two passes, and 200 ticks are two seconds.
    assert found["rounds"] == 200 // 11 + 1
    assert found["profile"]["emu"] == pytest.approx(
        {"samples": 0.01, "engine": 0.01, "outputs": 0.01, "metric": 0.01}
    )
    assert found["engines"]["emu"] == pytest.approx(5 / 0.04)
    assert found["ratios"] == {"emu/onnxruntime-optimized": pytest.approx(1.0)}


def test_a_program_is_evaluated_beside_its_source(emu, tiny, tiny_program):
    arguments = ("bench", tiny_program, "--data", tiny[1], "--seconds", "0.01")
    shown = emu(*arguments)
    assert (shown.code, shown.err) == (0, "")
    assert "tiny on tiny, generic-int8" in shown.out
    assert "Top-1" in shown.out


def test_options_of_whole_evaluations_need_data(refused, tiny):
    line, _ = refused("bench", tiny[0], "--calib", tiny[1])
    assert "--calib: means nothing without --data" in line
    sizes = ("--batch", "1", "--batch", "2")
    line, _ = refused("bench", tiny[0], "--data", tiny[1], *sizes)
    assert "--batch: found several; expected one with --data" in line
