"""Factors of programs: a program made of the record of another is that program."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from emu.errors import ConfigError, UnsupportedError
from emu.graph import Graph, GraphBuilder, Tensor
from emu.ops import Relu
from emu.quantize import (
    Recipe,
    calibration_gaps,
    quantize_model,
    record_of,
    write_record,
)
from emu.quantize.amct import Record, parse_record
from emu.targets import find_target
from tests.oracles.interpreter import interpret
from tests.zoo import every_layer, images, two_convs

FILE = Path("record.txt")
TARGET = find_target("generic-int8")


def made(graph, target=TARGET, recipe=None, count=8):
    return quantize_model(graph, [images(graph, count)], recipe or Recipe(), target)


def exported(program):
    return parse_record(write_record(record_of(program)), FILE)


def assert_the_same(found: Graph, expected: Graph):
    assert found.nodes == expected.nodes
    assert found.tensors == expected.tensors
    assert list(found.constants) == list(expected.constants)
    for name, array in expected.constants.items():
        assert found.constants[name].dtype == array.dtype, name
        np.testing.assert_array_equal(found.constants[name], array, name)


def target_of(**changes):
    activation = TARGET.activation.model_copy(update=changes)
    return TARGET.model_copy(update={"activation": activation})


TARGETS = {
    "generic-int8": TARGET,
    "ascend-310": find_target("ascend-310"),
    "unsigned": target_of(signed=False),
    "symmetric": target_of(symmetric=True),
    "xnnpack": find_target("tflite-xnnpack"),
}


@pytest.mark.parametrize("target", TARGETS.values(), ids=TARGETS)
def test_every_layer_comes_back_from_its_record_without_data(target):
    graph = every_layer()
    program = made(graph, target)
    record = exported(program)
    assert calibration_gaps(graph, Recipe(), target, record) == ()
    assert_the_same(quantize_model(graph, [], Recipe(), target, record=record), program)


RECIPES = {
    "least error, 7 bits": {"weight_method": "mse", "weight_bits": 7},
    "one scale a layer": {"weights": "per-tensor"},
    "levels": {"weight_method": "nuq", "num_steps": 16},
    "corrected biases": {"bias_correction": True},
    "balanced": {"migration_strength": 0.5},
    "kl, symmetric": {"method": "kl", "activation": "symmetric"},
}


@pytest.mark.parametrize("settings", RECIPES.values(), ids=RECIPES)
def test_with_the_same_recipe_and_data_every_program_comes_back(settings):
    graph = two_convs()
    recipe = Recipe.model_validate({"global": settings})
    program = made(graph, recipe=recipe)
    x = [images(graph, 8)]
    found = quantize_model(graph, x, recipe, TARGET, record=exported(program))
    assert_the_same(found, program)


def test_the_record_says_what_the_documents_of_amct_say_it_means():
    """q = round(x / scale_d + offset_d), in signed integers."""
    graph = two_convs()
    x = images(graph, 4)
    for target in (TARGET, TARGETS["unsigned"]):
        program = made(graph, target)
        first = record_of(program)[0]
        q = interpret(program, {"x": x})["x:q"].astype(np.int64)
        middle = 0 if target.activation.signed else 128
        steps = np.rint(x / np.float32(first.scale_d)) + first.offset_d
        assert first.key == "first"
        np.testing.assert_array_equal(q - middle, np.clip(steps, -128, 127))


def test_weights_are_those_of_scale_w():
    graph = two_convs()
    program = made(graph)
    for one in record_of(program)[:2]:
        stored = program.constants[
            "first.relu:weights" if one.key == "first" else "second:weights"
        ]
        expected = np.rint(graph.constants[f"{one.key}.w"] / np.array(one.scale_w))
        np.testing.assert_array_equal(stored, expected)


def test_what_no_record_says_is_calibrated_and_the_rest_is_not():
    graph = two_convs()
    program = made(graph)
    full = exported(program)
    assert [one.key for one in full.layers] == ["first", "second", "second:q"]
    part = Record(file=FILE, layers=full.layers[:2])
    assert calibration_gaps(graph, Recipe(), TARGET, part) == ("second",)
    again = quantize_model(graph, [images(graph, 8)], Recipe(), TARGET, record=part)
    assert_the_same(again, program)
    louder = [100 * images(graph, 8)]
    found = quantize_model(graph, louder, Recipe(), TARGET, record=part)
    assert found.tensors["x:q"] == program.tensors["x:q"]
    assert found.tensors["second:q"] != program.tensors["second:q"]


def test_one_scale_for_all_filters():
    text = "record { key: 'first' value { scale_d: 0.03 offset_d: 2 scale_w: 0.01 } }"
    graph = two_convs()
    record = parse_record(text, FILE)
    program = quantize_model(graph, [images(graph, 8)], Recipe(), TARGET, record=record)
    first = record_of(program)[0]
    assert first.scale_w == (float(np.float32(0.01)),) * 4
    qparams = program.tensors["x:q"].qparams
    assert qparams
    assert (qparams.scale, qparams.zero_point) == ((float(np.float32(0.03)),), (2,))


def changed(record, which, **fields):
    layers = tuple(
        replace(one, **fields) if one.key == which else one for one in record.layers
    )
    return replace(record, layers=layers)


@pytest.mark.parametrize(
    ("key", "fields", "message"),
    [
        ("first", {"key": "frist"}, "no layer 'frist'; did you mean 'first'?"),
        ("second:q", {"key": "scond:q"}, "no layer 'scond:q'"),
        ("first", {"scale_w": (0.5, 0.5)}, "2 of scale_w, expected 1 or 4"),
        ("first", {"bits": 16}, "data of 16 bits; generic-int8 has 8"),
        ("first", {"weight_bits": 16}, "weights of 16 bits; generic-int8 has 8"),
        ("second:q", {"key": "first.relu", "scale_w": (1.0,)}, "has no weights"),
        ("first", {"scale_w": (1e-12,)}, "does not fit 32 bits"),
    ],
)
def test_factors_that_do_not_fit_the_model_or_the_target(key, fields, message):
    graph = two_convs()
    target = target_of(widths=(8,))
    weight = target.weight.model_copy(update={"widths": (8,)})
    target = target.model_copy(update={"weight": weight})
    record = changed(exported(made(graph)), key, **fields)
    with pytest.raises(ConfigError) as caught:
        quantize_model(graph, [images(graph, 8)], Recipe(), target, record=record)
    assert message in str(caught.value)


def test_two_layers_cannot_read_one_tensor_in_two_forms():
    graph = every_layer()
    record = exported(made(graph))
    shared = [one for one in record.layers if one.scale_w]
    by_input = {}
    for one in shared:
        by_input.setdefault((one.scale_d, one.offset_d), []).append(one.key)
    twins = next(keys for keys in by_input.values() if len(keys) > 1)
    wrong = changed(record, twins[1], scale_d=0.75)
    with pytest.raises(ConfigError, match="cannot be had: its input has"):
        quantize_model(graph, [images(graph, 8)], Recipe(), TARGET, record=wrong)


def test_a_recorded_layer_that_runs_in_float():
    graph = two_convs()
    record = exported(made(graph))
    batches = [images(graph, 8)]
    without = TARGET.model_copy(
        update={"operators": TARGET.operators.model_copy(update={"float": ("Conv",)})}
    )
    with pytest.raises((ConfigError, UnsupportedError)):
        quantize_model(graph, batches, Recipe(), without, record=record)
    # A recipe may say so.
    recipe = Recipe(exclude=("second",))
    program = quantize_model(graph, batches, recipe, TARGET, record=record)
    assert [one.key for one in record_of(program) if one.scale_w] == ["first"]


def test_fixed_scales_leave_a_record_nothing_to_say():
    target = target_of(symmetric=True, fraction_bits=4)
    record = exported(made(two_convs()))
    with pytest.raises(ConfigError, match="fixed; a record means nothing for it"):
        quantize_model(two_convs(), [], Recipe(), target, record=record)


def test_a_program_without_scales_of_weights_or_without_weights():
    program = made(two_convs())
    old = replace(program, provenance={})
    with pytest.raises(UnsupportedError, match="first: the program does not say"):
        record_of(old)
    for damage in (3, {"scale": [-1.0], "bits": 8}, {"bits": 8}, {"scale": [1.0]}):
        provenance = {"weight_scales": {"first": damage, "second": damage}}
        with pytest.raises(UnsupportedError, match="first: "):
            record_of(replace(program, provenance=provenance))
    builder = GraphBuilder("none")
    builder.input("x", Tensor(shape=(None, 4)))
    graph = builder.build((builder.add(Relu(), ("x",), "y"),))
    with pytest.raises(UnsupportedError, match="no layer with weights"):
        record_of(made(graph))
