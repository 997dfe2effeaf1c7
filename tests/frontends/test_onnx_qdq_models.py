"""The QDQ models executed literally, beside ONNX Runtime without its optimizations.

Every quantized tensor is compared; each layer reads the integers that ONNX Runtime
gives it, so that a difference is that layer's own. What remains is a rounding at a tie
that float sums in another order hit or miss: by one, in a few elements.
"""

import os
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import pytest
from PIL import Image

from emu.execute import Program
from emu.frontends import load_onnx
from emu.graph import Graph
from tests.frontends.run import in_our_layout, run_onnxruntime

pytestmark = [
    pytest.mark.data,
    pytest.mark.slow,
    pytest.mark.skipif("EMU_DATA" not in os.environ, reason="EMU_DATA is not set"),
]

Array = np.ndarray[Any, Any]
BGR_MEAN: Final = np.array([104, 117, 123], np.float32)
IMAGENET_MEAN: Final = np.array([103.53, 116.28, 123.675], np.float32)
IMAGENET_STD: Final = np.array([57.375, 57.12, 58.395], np.float32)

# Model -> how its pixels (BGR) are prepared, and the share of elements that may differ.
MODELS: Final = {
    "squeezenet_v1.1": (lambda x: x - BGR_MEAN, 1e-6),
    "nanodet_m_320": (lambda x: (x - IMAGENET_MEAN) / IMAGENET_STD, 1e-6),
    "yolox_nano_416": (lambda x: x, 1e-6),
}


def taught(graph: Graph, names: list[str]) -> Graph:
    """The graph whose layers read `given` integers in place of their neighbours'."""
    given = {name: f"{name}:given" for name in names}
    nodes = [
        replace(node, inputs=tuple(given.get(name, name) for name in node.inputs))
        for node in graph.nodes
    ]
    held = {new: replace(graph.tensors[old], golden=None) for old, new in given.items()}
    return Graph(
        name=graph.name,
        inputs=(*graph.inputs, *held),
        outputs=graph.outputs,
        nodes=tuple(nodes),
        tensors={**graph.tensors, **held},
        constants=graph.constants,
    )


def sample(index: int, h: int, w: int) -> Array:
    """One image as BGR pixels, h w c."""
    folder = Path(os.environ["EMU_DATA"]) / "datasets" / "coco_val128"
    path = sorted(folder.rglob("*.jpg"))[index]
    image = Image.open(path).convert("RGB").resize((w, h), Image.Resampling.BILINEAR)
    return np.asarray(image)[..., ::-1].astype(np.float32)


@pytest.mark.parametrize("name", MODELS)
def test_each_layer_gives_the_integers_of_onnxruntime(name):
    prepare, share = MODELS[name]
    path = Path(os.environ["EMU_DATA"]) / "models" / f"{name}_ort_qdq_int8.onnx"
    graph = load_onnx(path)
    (source,) = graph.inputs
    _, _, h, w = graph.tensors[source].shape
    goldens = {n: t.golden for n, t in graph.tensors.items() if t.golden and t.qparams}
    program = Program(taught(graph, list(goldens)), 1, tuple(goldens))
    differing, elements, largest = 0, 0, 0
    for index in range(2):
        pixels = prepare(sample(index, h or 0, w or 0))
        x = np.ascontiguousarray(pixels.transpose(2, 0, 1)[None], np.float32)
        wanted = list(dict.fromkeys(golden.name for golden in goldens.values()))
        arrays = run_onnxruntime(path, {source: x}, wanted)
        theirs = dict(zip(wanted, arrays, strict=True))
        expected = {
            n: np.ascontiguousarray(in_our_layout(theirs[g.name], g.perm))
            for n, g in goldens.items()
        }
        feeds = {source: x} | {f"{n}:given": a for n, a in expected.items()}
        found = program(feeds)
        for n, array in expected.items():
            assert found[n].dtype == array.dtype
            apart = np.abs(found[n].astype(int) - array.astype(int))
            differing += int((apart > 0).sum())
            largest = max(largest, int(apart.max()))
            elements += apart.size
    assert largest <= 1
    assert differing <= share * elements
