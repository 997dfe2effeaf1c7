"""emu bench: three engines, one object, and what a fixed batch leaves out."""

import numpy as np
import onnx
import pytest

from emu.evaluate.rivals import onnx_rival

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
