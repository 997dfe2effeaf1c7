"""Real TFLite models against LiteRT: floats as a whole, quantized files layer by layer.

Needs the measuring data (EMU_DATA); what is absent is reported as skipped with that
reason.
"""

import os
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest

from emu.execute import Program
from emu.frontends import load_tflite
from emu.graph import Graph, verify
from emu.ops import KERNELS
from tests.frontends.tflite_models import run_theirs

pytestmark = [
    pytest.mark.data,
    pytest.mark.skipif("EMU_DATA" not in os.environ, reason="EMU_DATA is not set"),
]

Array = np.ndarray[Any, Any]

FLOATS = (
    "ad_autoencoder_fp32",
    "kws_dscnn_fp32",
    "kws_dscnn_ckpt_fp32",
    "mobilenet_v1_0.25_224_fp32",
    "resnet8_cifar10_fp32",
    "resnet8_large_cifar10_fp32",
    "vww_mobilenet_v1_fp32",
)
QUANTIZED = (
    "ad_autoencoder_int8",
    "kws_dscnn_int8",
    "mobilenet_v1_0.25_224_uint8",
    "resnet8_cifar10_int8",
    "resnet8_large_cifar10_int8",
    "vww_mobilenet_v1_int8",
    pytest.param("mobilenet_v2_1.0_224_ptq_uint8", marks=pytest.mark.slow),
    pytest.param("ssd_mobilenet_v1_300_uint8", marks=pytest.mark.slow),
)
# Model name -> file and array of its samples; without one: smooth noise.
SAMPLES = {
    "resnet8": ("cifar10_ic01.npz", 1.0, 0.0),
    "kws": ("kws01.npz", 0.5847029, -83.0),
    "vww": ("vww01.npz", 1 / 255, 0.0),
}


def model_path(name: str) -> Path:
    return Path(os.environ["EMU_DATA"]) / "models" / f"{name}.tflite"


def samples(name: str, graph: Graph, count: int) -> Array:
    """Real samples as the model's input, in reals or in its own integers."""
    (tensor,) = (graph.tensors[i] for i in graph.inputs)
    sizes = tuple(size or 0 for size in tensor.shape[1:])
    if (kind := name.split("_", maxsplit=1)[0]) in SAMPLES:
        file, factor, offset = SAMPLES[kind]
        with np.load(Path(os.environ["EMU_DATA"]) / "datasets" / file) as data:
            raw = data["x"][:count].astype(np.float32)
        reals = ((raw + offset) * factor).reshape(count, *sizes)
    else:
        rng = np.random.default_rng(1)
        reals = rng.uniform(-1, 1, (count, *sizes))
        if len(sizes) == 3:
            reals = np.cumsum(np.cumsum(reals, axis=1), axis=2)
            reals = np.tanh(reals / np.abs(reals).max(axis=(1, 2), keepdims=True) * 2)
    if tensor.qparams is None or tensor.format is None:
        return reals.astype(np.float32)
    codes = np.round(reals / tensor.qparams.scale[0]) + tensor.qparams.zero_point[0]
    limited = np.clip(codes, tensor.format.min, tensor.format.max)
    return limited.astype(tensor.dtype)


@pytest.mark.parametrize("name", FLOATS)
def test_every_tensor_of_a_float_model_agrees_with_litert(name):
    graph = verify(load_tflite(model_path(name)))
    x = samples(name, graph, 2)
    goldens = {n: t.golden.name for n, t in graph.tensors.items() if t.golden}
    found = Program(graph, 2, tuple(goldens))(x)
    expected = run_theirs(model_path(name).read_bytes(), [x])
    assert len(goldens) > 10
    for ours, theirs in goldens.items():
        assert found[ours].shape == expected[theirs].shape
        error = np.abs(found[ours] - expected[theirs]).max()
        assert error <= 1e-4 * np.abs(expected[theirs]).max(), ours


def forced_step(graph: Graph, given: dict[str, Array]) -> dict[str, Array]:
    """Every tensor in `given`, computed with all tensors before it as given."""

    def run(
        constants: dict[str, jax.Array], given: dict[str, jax.Array]
    ) -> dict[str, jax.Array]:
        tensors = {**constants, **given}
        found = {}
        for node in graph.nodes:
            operands = [tensors[name] for name in node.inputs]
            result = KERNELS[type(node.op)](node.op, *operands)
            if node.output in given:
                found[node.output] = result
            else:
                tensors[node.output] = result
        return found

    with jax.enable_x64(True):
        return jax.device_get(jax.jit(run)(dict(graph.constants), given))


@pytest.mark.parametrize("name", QUANTIZED)
def test_each_layer_of_a_quantized_model_is_within_a_step_of_litert(name):
    """Each reads LiteRT's own integers, so that differences do not grow."""
    graph = verify(load_tflite(model_path(name)))
    x = samples(name, graph, 2)
    theirs = run_theirs(model_path(name).read_bytes(), [x])
    goldens = {n: t.golden.name for n, t in graph.tensors.items() if t.golden}
    given = {ours: theirs[golden] for ours, golden in goldens.items()}
    found = forced_step(graph, given)
    assert len(found) > 9
    for tensor, array in found.items():
        assert array.dtype == given[tensor].dtype, tensor
        assert array.shape == given[tensor].shape, tensor
        error = np.abs(array.astype(np.float64) - given[tensor]).max()
        assert error <= (1e-6 if array.dtype == np.float32 else 1), tensor


def test_integer_weights_of_a_float_model_are_read_as_reals():
    graph = load_tflite(model_path("kws_dscnn_dynrange"))
    assert {str(array.dtype) for array in graph.constants.values()} == {"float32"}
    x = samples("kws_dscnn_fp32", graph, 8)
    found = Program(graph, 8)(x)[graph.outputs[0]]
    data = model_path("kws_dscnn_dynrange").read_bytes()
    expected = run_theirs(data, [x])[graph.outputs[0]]
    # LiteRT also quantizes the operand of each convolution, to 8 bits.
    assert np.abs(found - expected).max() < 0.03
