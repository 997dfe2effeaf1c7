"""emulate: an integer program over arrays, its layers by name."""

import numpy as np
import pytest

from emu.errors import ConfigError, DataError, MissingError
from emu.gate import Emulated, emulate
from emu.graph import save_graph


@pytest.fixture
def program(suite, monkeypatch) -> Emulated:
    monkeypatch.chdir(suite.parent)
    return emulate("tiny.toml", calibration="data.npz[0:20]")


def test_every_layer_comes_by_its_name(program):
    found = program(program.inputs("data.npz[20:27]"))
    layers = {name: (value.dtype.name, value.shape) for name, value in found.items()}
    assert layers == {
        "x": ("int8", (7, 1, 4, 4)),
        "conv": ("int8", (7, 4, 4, 3)),
        "fc": ("int8", (7, 6)),
        "shares": ("float32", (7, 6)),
    }


def test_results_do_not_depend_on_the_batch_size(program, suite):
    x = program.inputs("data.npz[20:27]")
    small = emulate("tiny.toml", calibration="data.npz[0:20]", batch_size=3)
    expected = program(x)
    for name, value in small(x).items():
        np.testing.assert_array_equal(value, expected[name], strict=True)


def test_reals_are_what_the_integers_mean(program):
    x = program.inputs("data.npz[20:27]")
    codes, reals = program(x), program.reals(x)
    assert list(reals) == list(program.layers)
    for layer, tensor in program.layers.items():
        (scale,), (zero,) = (
            program.graph.tensors[tensor].qparams.scale,
            program.graph.tensors[tensor].qparams.zero_point,
        )
        exact = (codes[layer].astype(np.float64) - zero) * scale
        np.testing.assert_allclose(reals[layer], exact, rtol=1e-6)


def test_a_saved_program_computes_the_same(program, tmp_path):
    save_graph(program.graph, tmp_path / "tiny.emu")
    x = program.inputs("data.npz[20:27]")
    again = emulate(tmp_path / "tiny.emu")(x)
    np.testing.assert_array_equal(again["fc"], program(x)["fc"], strict=True)


def test_what_cannot_run_is_one_clear_line(program):
    with pytest.raises(MissingError, match="there is no model 'no'"):
        emulate("no")
    with pytest.raises(ConfigError, match="no calibration data"):
        emulate("tiny.onnx")
    with pytest.raises(DataError, match="no samples"):
        program(np.zeros((0, 1, 4, 4), np.float32))
    with pytest.raises(DataError):
        program(np.zeros((2, 4, 4), np.float32))
