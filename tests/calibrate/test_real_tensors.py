"""Every search on tensors of real models: the clip of the direct transcription."""

import itertools
import os

import numpy as np
import pytest

from emu.calibrate import Method, Observation, collect
from emu.evaluate import find_dataset, find_model, model_inputs
from emu.execute import Program
from emu.frontends import load_model
from emu.graph import GraphBuilder, Tensor
from emu.ops import Relu
from emu.optimize import run_passes
from tests.oracles.ranges import expected

pytestmark = [
    pytest.mark.data,
    pytest.mark.skipif("EMU_DATA" not in os.environ, reason="EMU_DATA is not set"),
]

SAMPLES = 11


def observations():
    """Every method with its defaults, and what AMCT's documents advise to try."""
    found = [Observation(method=method) for method in Method if method != Method.HFMG]
    for method in (Method.MSE, Method.IFMR, Method.SYMKL):
        found.append(Observation(method=method, symmetric=True))
        found.append(Observation(method=method, start_ratio=0.3, end_ratio=1.7))
        found.append(Observation(method=method, max_percentile=0.99999))
    found += [Observation(method=Method.KL, bin=bins) for bins in (200, 250)]
    found.append(Observation(method=Method.MSE, bits=4))
    found.append(Observation(method=Method.PERCENTILE, percentile=99.9))
    found.append(Observation(method=Method.HFMG, num_of_bins=1024))
    return found


@pytest.fixture(scope="module", params=["resnet8", "kws"])
def tensors(request):
    """Some tensors of a model on its first calibration samples, the input too."""
    entry = find_model(request.param)
    graph = run_passes(load_model(entry.file))
    names = [node.output for node in graph.nodes]
    chosen = tuple(names[:: len(names) // 4])
    inputs = model_inputs(find_dataset(str(entry.calibration)), entry, SAMPLES)
    (x,) = itertools.islice(inputs, 1)
    assert len(x) == SAMPLES
    return {**Program(graph, SAMPLES, chosen)(x), graph.inputs[0]: x}


def ranges(x, every):
    """What a run over batches of 4, 4 and 3 samples of one tensor finds."""
    builder = GraphBuilder("one")
    builder.input("x", Tensor(shape=(None, *x.shape[1:])))
    graph = builder.build((builder.add(Relu(), ("x",), "y", layer="y"),))
    found = collect(graph, [x[:4], x[4:8], x[8:]], {"x": every})
    return [found.range("x", one) for one in every]


def test_searches_pick_the_clips_of_their_transcriptions(tensors):
    for name, x in tensors.items():
        every = observations()
        for one, found in zip(every, ranges(x, every), strict=True):
            want = expected(np.asarray(x), one)
            assert (found.low, found.high) == pytest.approx(want, rel=1e-12), (
                name,
                one,
            )


def test_hfmg_with_its_default_bins(tensors):
    x = next(iter(tensors.values()))
    every = [Observation(method=Method.HFMG), Observation(method=Method.HFMG, bits=4)]
    for one, found in zip(every, ranges(x, every), strict=True):
        assert (found.low, found.high) == pytest.approx(expected(x, one), rel=1e-12)
