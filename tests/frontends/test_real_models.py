"""The real float models: every tensor of ours against ONNX Runtime's."""

import os
from pathlib import Path

import jax
import numpy as np
import onnx
import pytest

from emu.frontends import load_model
from emu.graph import Graph, verify
from emu.optimize import run_passes
from tests.frontends.run import random_feeds, run_graph, run_onnxruntime

pytestmark = [
    pytest.mark.data,
    pytest.mark.skipif("EMU_DATA" not in os.environ, reason="EMU_DATA is not set"),
]

SAMPLES = 4

# Model -> largest difference, as a share of the tensor's largest value. The sums of
# the autoencoder's 640 inputs cancel: three engines differ by 8e-6 among themselves.
MODELS = {
    "resnet8_cifar10": 1e-4,
    "resnet8_large_cifar10": 1e-4,
    "vww_mobilenet_v1": 1e-4,
    "kws_dscnn": 1e-4,
    "ad_autoencoder": 1e-4,
    "mobilenet_v1_0.25_224": 1e-4,
    "squeezenet_v1.1": 1e-4,
    "mnist_cnn": 1e-4,
}


def model_path(name: str) -> Path:
    return Path(os.environ["EMU_DATA"]) / "models" / f"{name}_fp32.onnx"


def goldens(path: Path, graph: Graph) -> tuple[dict, dict[str, np.ndarray]]:
    """Feeds of our batch, and ONNX Runtime's tensors for each of our names."""
    feeds = random_feeds(onnx.load(path), SAMPLES)
    known = {name: t.golden for name, t in graph.tensors.items() if t.golden}
    names = [golden.name for golden in known.values()]
    rows = [
        run_onnxruntime(path, {k: x[i : i + 1] for k, x in feeds.items()}, names)
        for i in range(SAMPLES)
    ]
    arrays = [np.concatenate(parts) for parts in zip(*rows, strict=True)]
    return feeds, {
        name: np.transpose(array, golden.perm)
        for (name, golden), array in zip(known.items(), arrays, strict=True)
    }


@pytest.mark.parametrize("name", MODELS)
def test_every_tensor_of_a_real_model_agrees_with_onnxruntime(name):
    path = model_path(name)
    imported = verify(load_model(path))
    optimized = run_passes(imported)
    assert run_passes(optimized) is optimized
    feeds, expected = goldens(path, imported)
    for graph in (imported, optimized):
        ours = jax.jit(lambda xs, graph=graph: run_graph(graph, xs))(feeds)
        assert set(expected) >= set(graph.tensors)
        for tensor in graph.tensors:
            share = np.abs(expected[tensor] - ours[tensor]).max()
            assert share <= MODELS[name] * np.abs(expected[tensor]).max(), tensor
