"""Workbench: its programs are those of `emu optimize`, its statistics and code shared."""

import numpy as np
import pytest

from emu.evaluate import find_dataset, find_model, open_model, quantize_entry
from emu.quantize import Recipe
from emu.targets import find_target
from emu.tune import Workbench
from tests.detector import write_detector

TARGET = find_target("generic-int8")
CALIBRATION = "digits_train[:24]"
RECIPES = {
    "defaults": {},
    "searched": {"global": {"method": "kl"}},
    "few samples": {"global": {"method": "mse"}, "batch_count": 10},
    "corrected": {"global": {"bias_correction": True, "weight_method": "mse"}},
    "balanced": {"global": {"migration_strength": 0.5}},
    "mixed": {
        "exclude": ["conv5"],
        "layer": {"conv4a": {"activation_bits": 16, "method": "minmax"}},
    },
}


def open_bench():
    entry, graph = open_model(find_model("digits"))
    calibration, data = find_dataset(CALIBRATION), find_dataset("digits_test[:60]")
    return Workbench(entry, graph, TARGET, calibration, data, batch_size=16)


@pytest.fixture(scope="module")
def bench():
    made = open_bench()
    made.prepare(Recipe.model_validate(recipe) for recipe in RECIPES.values())
    return made


@pytest.mark.parametrize("name", RECIPES)
def test_a_trial_has_the_program_that_optimize_writes(bench, name):
    recipe = Recipe.model_validate(RECIPES[name])
    entry, graph = open_model(find_model("digits"))
    want = quantize_entry(entry, graph, TARGET, recipe, CALIBRATION, 16)
    got = bench.program(recipe)
    assert got.nodes == want.nodes
    assert got.constants.keys() == want.constants.keys()
    for key, values in want.constants.items():
        assert got.constants[key].dtype == values.dtype, key
        np.testing.assert_array_equal(got.constants[key], values, err_msg=key)


def test_trials_that_differ_in_clipping_compile_once():
    bench = open_bench()
    recipes = [
        Recipe.model_validate({"global": {"method": method, "end_ratio": end}})
        for method in ("kl", "mse")
        for end in (1.2, 1.3)
    ]
    bench.prepare(recipes)
    scores = [bench.measure(recipe).counts["n"] for recipe in recipes]
    assert scores == [60] * 4
    assert bench.compiled == 1


def test_shares_tell_what_stays_on_integers(bench):
    whole = bench.measure(Recipe())
    mixed = bench.measure(Recipe.model_validate(RECIPES["mixed"]))
    assert (whole.integer_share, whole.float_share, whole.wide_share) == (1, 0, 0)
    assert 0 < mixed.float_share < 1
    assert mixed.wide_share > 0


def test_a_layer_is_set_with_what_makes_its_operands(bench):
    assert bench.around("pointwise3") == ["pointwise3", "clip2"]
    assert bench.around("add4") == ["add4", "conv4b", "relu3"]
    assert bench.around("image") == ["image"]


def test_the_ranking_has_every_integer_layer_alone(bench):
    ranking = bench.rank(Recipe())
    assert list(ranking.columns) == ["name", "op", "sqnr_db", "cosine"]
    assert {"conv1", "conv4b", "dense"} <= set(ranking["name"])


def test_another_model_target_or_sample_is_another_question(bench):
    again = open_bench()
    assert again.question() == bench.question()
    entry, graph = open_model(find_model("digits"))
    data = find_dataset("digits_test[:59]")
    calibration = find_dataset(CALIBRATION)
    other = Workbench(entry, graph, TARGET, calibration, data)
    assert other.question() != bench.question()


def test_a_detector_is_measured_by_average_precision_and_its_heads_are_ranked(tmp_path):
    entry, graph = open_model(find_model(str(write_detector(tmp_path))))
    images = find_dataset(str(tmp_path / "images.toml"))
    bench = Workbench(entry, graph, TARGET, images, images, batch_size=5)
    assert bench.fp32().counts()["map_ppm"] == 1_000_000
    in_heads = {f"head{n}": {"activation_bits": 16} for n in (3, 4, 5)}
    for layer in ({}, in_heads):
        found = bench.measure(Recipe.model_validate({"layer": layer}))
        assert found.counts == bench.fp32().counts()
        assert found.integer_share == 1.0
    assert set(bench.rank(Recipe())["name"]) >= {"stem", *in_heads}
