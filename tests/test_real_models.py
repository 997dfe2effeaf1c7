"""The whole integer program of real models against the independent interpreter.

Needs the measuring data (EMU_DATA); what is absent is reported as skipped with that
reason.
"""

import itertools
import os

import numpy as np
import pytest

from emu.compare import onnxruntime_engine
from emu.evaluate import find_dataset, find_model, model_inputs, quantize_entry
from emu.execute import Program
from emu.frontends import load_model
from emu.optimize import run_passes
from emu.quantize import Recipe
from emu.targets import find_target
from tests.oracles.interpreter import interpret

pytestmark = [
    pytest.mark.data,
    pytest.mark.skipif("EMU_DATA" not in os.environ, reason="EMU_DATA is not set"),
]

# Largest difference over largest golden value; the autoencoder's engines differ from
# one another by 8e-6 of it already.
FLOAT_LIMITS = {
    "resnet8": 1e-4,
    "resnet8_large": 1e-4,
    "vww": 1e-4,
    "kws": 1e-4,
    "ad": 1e-3,
    "mobilenet_v1_0.25": 1e-4,
    "squeezenet": 1e-4,
    "mnist": 1e-4,
}


@pytest.mark.parametrize("name", FLOAT_LIMITS)
def test_float_execution_agrees_with_onnxruntime_on_fifty_real_samples(name):
    entry = find_model(name)
    graph = run_passes(load_model(entry.file))
    program = Program(graph, 10)
    golden = onnxruntime_engine(entry.file)
    inputs = model_inputs(find_dataset(str(entry.data)), entry, 10)
    for x in itertools.islice(inputs, 5):
        assert len(x) == 10
        got, want = program(x), golden.run(x)
        for output in graph.outputs:
            error = np.abs(got[output] - want[output]).max()
            assert error <= FLOAT_LIMITS[name] * np.abs(want[output]).max()


# Some layers of resnet8 at 16 bits, its widest one with 4-bit weights.
MIXED = {
    "op": {"Input": {"activation_bits": 16}, "Add": {"activation_bits": 16}},
    "layer": {"op01_conv": {"activation_bits": 16}, "op09_conv": {"weight_bits": 4}},
}


@pytest.mark.parametrize(
    ("name", "recipe"), [("resnet8", {}), ("kws", {}), ("resnet8", MIXED)]
)
def test_every_tensor_of_eight_real_samples_equals_the_interpreter(name, recipe):
    entry = find_model(name)
    graph = load_model(entry.file)
    target = find_target("generic-int8")
    program = quantize_entry(entry, graph, target, Recipe.model_validate(recipe))
    dataset = find_dataset(f"{entry.data}[0:8]")
    x = next(model_inputs(dataset, entry, 8))
    taps = tuple(
        node.output
        for node in program.nodes
        if "int" in program.tensors[node.output].dtype
    )
    got = Program(program, 8, taps)(x)
    want = interpret(program, {program.inputs[0]: x})
    assert len(taps) > 20
    for tensor in taps:
        assert got[tensor].dtype == want[tensor].dtype, tensor
        np.testing.assert_array_equal(got[tensor], want[tensor], err_msg=tensor)
