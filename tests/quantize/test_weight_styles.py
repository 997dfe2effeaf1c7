"""Weights of every style in whole programs: run exactly, saved, corrected, refused."""

from typing import Any

import numpy as np
import pytest

from emu.errors import ConfigError
from emu.execute import Program, choose_carriers
from emu.graph import Graph, fold_constants, load_graph, save_graph
from emu.ops import Codebook
from emu.quantize import Recipe, quantize_model
from emu.targets import find_target
from tests.oracles.interpreter import interpret
from tests.zoo import every_layer, images, two_convs

TARGET = find_target("generic-int8")


def quantized(graph: Graph, target: str = "generic-int8", **settings: Any) -> Graph:
    recipe = Recipe.model_validate({"global": settings})
    x = images(graph, 12)
    return quantize_model(graph, lambda: [x], recipe, find_target(target))


def weights(program: Graph) -> dict[str, np.ndarray]:
    constants = fold_constants(program).constants
    return {k: v for k, v in constants.items() if k.endswith(":weights")}


@pytest.fixture(scope="module")
def compressed():
    return quantized(every_layer(), weight_method="nuq", num_steps=8)


def test_codebooks_run_bit_for_bit_as_the_interpreter_has_them(compressed):
    taps = tuple(
        n.output
        for n in compressed.nodes
        if "int" in compressed.tensors[n.output].dtype
    )
    x = images(compressed, 2, seed=5)
    got, want = Program(compressed, 2, taps)(x), interpret(compressed, {"x": x})
    assert sum(isinstance(n.op, Codebook) for n in compressed.nodes) == 7
    for name in taps:
        assert got[name].dtype == want[name].dtype, name
        np.testing.assert_array_equal(got[name], want[name], err_msg=name)


def test_each_layer_holds_the_index_of_few_levels(compressed):
    for name, array in weights(compressed).items():
        levels = compressed.constants[f"{name}:levels"]
        assert levels.dtype == np.int8
        assert (levels.size, name in compressed.constants) == (8, False)
        assert set(array.ravel()) <= set(levels)
        assert compressed.constants[f"{name}:index"].dtype == np.uint8


def test_codebooks_cost_a_program_nothing(compressed):
    folded = Program(compressed, 2).graph
    assert not any(isinstance(node.op, Codebook) for node in folded.nodes)
    assert not any(name.endswith(":index") for name in folded.constants)
    plain = quantized(every_layer())
    assert choose_carriers(folded).keys() == choose_carriers(plain).keys()


def test_codebooks_are_saved_and_loaded(compressed, tmp_path):
    save_graph(compressed, tmp_path / "p.emu")
    loaded = load_graph(tmp_path / "p.emu")
    assert loaded.nodes == compressed.nodes
    x = images(compressed, 2)
    for name, value in Program(compressed, 2)(x).items():
        np.testing.assert_array_equal(Program(loaded, 2)(x)[name], value)


@pytest.mark.parametrize(("bits", "most"), [(6, 31), (7, 63), (8, 127)])
def test_fewer_bits_are_stored_in_bytes(bits, most):
    for array in weights(quantized(two_convs(), weight_bits=bits)).values():
        assert array.dtype == np.int8
        assert np.abs(array).max() == most


def test_a_filter_whose_largest_weight_is_negative_uses_the_lowest_level():
    found = weights(quantized(two_convs(), "ascend-310"))
    assert min(array.min() for array in found.values()) == -128


STYLES = [
    {"weight_method": "max", "weight_bits": 6},
    {"weight_method": "mse", "weight_bits": 4},
    {"weight_method": "nuq", "num_steps": 4},
    {"weight_method": "nuq", "num_steps": 4, "weights": "per-tensor"},
]


@pytest.mark.parametrize("style", STYLES, ids=str)
def test_biases_are_corrected_with_every_style(style):
    graph = two_convs()
    x, output = images(graph, 12), graph.outputs[0]
    programs = {
        "plain": quantized(graph, **style),
        "corrected": quantized(graph, **style, bias_correction=True),
    }
    mean = {k: Program(p, 12)(x)[output].mean((0, 1, 2)) for k, p in programs.items()}
    true = Program(graph, 12)(x)[output].mean((0, 1, 2))
    errors = {k: np.abs(value - true).sum() for k, value in mean.items()}
    assert errors["corrected"] < errors["plain"]


def test_biases_of_every_layer_that_sums_products_can_be_corrected():
    graph = every_layer()
    plain, corrected = (
        quantized(graph, bias_correction=flag).constants for flag in (False, True)
    )
    biases = [name for name in plain if name.endswith(":bias")]
    assert len(biases) == 7
    for name in biases:
        assert not np.array_equal(plain[name], corrected[name]), name


def test_balancing_is_recorded_and_outputs_stay_comparable():
    graph = two_convs()
    program = quantized(graph, migration_strength=0.5)
    assert program.provenance["balancing"] == {
        "layers": ["second"],
        "left": {"first": "its input is the model's input 'x'"},
    }
    assert "balancing" not in quantized(graph).provenance
    goldens = {name: tensor.golden for name, tensor in program.tensors.items()}
    assert goldens["first.relu:q"] is None
    assert goldens["second:q"] == graph.tensors["second"].golden
    x, output = images(graph, 12), graph.outputs[0]
    got, want = Program(program, 12)(x)[output], Program(graph, 12)(x)[output]
    assert np.mean((got - want) ** 2) < 1e-3 * np.mean(want**2)


def test_less_error_of_weights_with_mse_than_with_max():
    graph = two_convs()
    floats = graph.constants["second.w"]
    errors = {}
    for method in ("max", "mse"):
        program = quantized(graph, weight_method=method, weight_bits=3)
        array = weights(program)["second:weights"].astype(np.float64)
        # The scale of a filter is that of least squares or next to it.
        scale = (floats * array).sum((0, 1, 2)) / np.square(array).sum((0, 1, 2))
        errors[method] = np.square(floats - array * scale).sum()
    assert errors["mse"] < errors["max"]


@pytest.mark.parametrize(
    ("target", "settings", "message"),
    [
        ("generic-int8", {"weight_bits": 9}, "first: weight_bits is 9; weights of gen"),
        ("ap-fixed", {"weight_method": "mse"}, "weight_method is 'mse'; ap-fixed has"),
        ("ap-fixed", {"weight_bits": 2}, "weight_bits is 2; ap-fixed has"),
        (
            "generic-int8",
            {"weight_method": "nuq", "weight_bits": 4, "num_steps": 32},
            "first: num_steps is 32, but weights of int4 have 15 levels",
        ),
    ],
)
def test_styles_that_a_target_cannot_have_are_refused(target, settings, message):
    with pytest.raises(ConfigError, match=message):
        quantized(two_convs(), target, **settings)
