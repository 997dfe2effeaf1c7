"""The bits that codebooks save are counted, layer by layer."""

import pytest

from emu.evaluate.compression import weight_compression
from emu.evaluate.inspection import inspect_graph
from emu.quantize import Recipe, quantize_model
from emu.targets import find_target
from tests.zoo import images, two_convs

# Weights of two_convs: 3 x 3 x 2 x 4 and 3 x 3 x 4 x 3.
FIRST, SECOND = 72, 108


def quantized(**recipe):
    graph = two_convs()
    plan = Recipe.model_validate(recipe)
    target = find_target("generic-int8")
    return quantize_model(graph, lambda: [images(graph, 4)], plan, target)


@pytest.mark.parametrize(
    ("steps", "index_bits"), [(2, 1), (3, 2), (16, 4), (17, 5), (32, 5)]
)
def test_an_index_has_just_enough_bits_and_levels_their_own(steps, index_bits):
    settings = {"weight_method": "nuq", "num_steps": steps}
    found = weight_compression(quantized(**{"global": settings}))
    first, second = found.layers
    assert (first.name, first.steps) == ("first", steps)
    assert first.weight_bits == 8 * FIRST
    assert first.stored_bits == index_bits * FIRST + 8 * steps
    assert second.ratio == 8 * SECOND / (index_bits * SECOND + 8 * steps)


def test_layers_without_a_codebook_count_in_the_whole():
    layer = {"weight_method": "nuq", "num_steps": 4, "weight_bits": 6}
    program = quantized(layer={"second": layer})
    found = weight_compression(program)
    stored = 2 * SECOND + 6 * 4
    assert [layer.name for layer in found.compressed] == ["second"]
    assert found.ratio == (8 * FIRST + 6 * SECOND) / (8 * FIRST + stored)
    report = inspect_graph(program).to_json()["weight_compression"]
    assert report["ratio"] == found.ratio
    assert [layer["steps"] for layer in report["layers"]] == [4]


def test_counts_of_layers_are_those_without_codebooks():
    plain = inspect_graph(quantized())
    packed = inspect_graph(quantized(**{"global": {"weight_method": "nuq"}}))
    assert plain.compression.to_json() is None
    for before, after in zip(plain.layers, packed.layers, strict=True):
        assert (before.name, before.op, before.macs) == (
            after.name,
            after.op,
            after.macs,
        )
        assert before.parameters == after.parameters
