"""Recipes: the most specific entry wins, and what does not fit is refused."""

import pytest

from emu.calibrate import Method, Observation
from emu.errors import ConfigError
from emu.quantize import (
    WeightMethod,
    WeightStyle,
    check_recipe,
    observations,
    read_recipe,
)
from emu.quantize.recipe import layer_settings, strengths
from emu.targets import find_target
from tests.zoo import two_convs

TARGET = find_target("generic-int8")


def recipe(tmp_path, text):
    path = tmp_path / "recipe.toml"
    path.write_text(text)
    return read_recipe(path)


def test_layer_beats_type_beats_global(tmp_path):
    found = recipe(
        tmp_path,
        """
        [global]
        method = "percentile"
        percentile = 99.0
        weights = "per-tensor"
        [op.Conv]
        percentile = 99.9
        [layer.second]
        percentile = 100
        weights = "per-channel"
        """,
    )
    assert found.settings("Gemm", "fc").percentile == 99.0
    assert found.settings("Conv", "first").percentile == 99.9
    assert found.settings("Conv", "first").weights == "per-tensor"
    assert found.settings("Conv", "second").percentile == 100
    assert found.settings("Conv", "second").weights == "per-channel"
    assert found.settings("Conv", "second").method is Method.PERCENTILE


def test_an_excluded_layer_runs_in_float_whatever_else_is_said(tmp_path):
    found = recipe(
        tmp_path, 'exclude = ["first"]\n[layer.first]\nexecute = "integer"\n'
    )
    assert found.settings("Conv", "first").execute == "float"


def test_an_activation_that_ends_a_layer_has_its_settings_but_its_own_win(tmp_path):
    found = recipe(
        tmp_path,
        """
        [global]
        activation_bits = 8
        [op.Relu]
        percentile = 99.0
        [layer.first]
        activation_bits = 16
        percentile = 98.0
        [layer."first.relu"]
        method = "percentile"
        """,
    )
    merged = layer_settings(found, two_convs())["first.relu"]
    assert merged.activation_bits == 16
    assert merged.percentile == 98.0
    assert merged.method is Method.PERCENTILE
    assert layer_settings(found, two_convs())["first"].method is None


def test_observations_follow_the_layer_that_makes_a_tensor(tmp_path):
    text = '[op.Input]\nmethod = "percentile"\n[layer.second]\nmethod = "percentile"\n'
    found = observations(recipe(tmp_path, text), two_convs(), TARGET)
    assert found["x"].method is Method.PERCENTILE
    assert found["second"].method is Method.PERCENTILE
    assert found["first"].method is Method.MINMAX


def test_parameters_of_methods_reach_the_observation(tmp_path):
    text = """
        [global]
        method = "kl"
        max_percentile = "PERCENTILE_MID"
        bin = 200
        [layer.second]
        method = "ifmr"
        start_ratio = 0.3
        end_ratio = 1.7
        activation = "symmetric"
        [op.Input]
        method = "hfmg"
        num_of_bins = 1024
    """
    found = observations(recipe(tmp_path, text), two_convs(), TARGET)
    assert found["first"] == Observation(Method.KL, bin=200, max_percentile=0.99999)
    assert found["x"].num_of_bins == 1024
    second = found["second"]
    assert (second.method, second.start_ratio, second.end_ratio) == (
        Method.IFMR,
        0.3,
        1.7,
    )
    assert (second.symmetric, found["first"].symmetric) == (True, False)


def test_observations_know_the_integers_of_the_target(tmp_path):
    ascend = find_target("ascend-310")
    wide = ascend.model_copy(
        update={
            "activation": ascend.activation.model_copy(
                update={"bits": 16, "symmetric": True}
            )
        }
    )
    for found in observations(recipe(tmp_path, ""), two_convs(), wide).values():
        assert (found.bits, found.symmetric) == (16, True)


def test_parameters_that_do_not_fit_together_name_the_layer(tmp_path):
    text = "[global]\nstart_ratio = 1.2\n[layer.second]\nend_ratio = 1.1\n"
    with pytest.raises(ConfigError, match=r"layer 'second': start_ratio 1.2 must be"):
        observations(recipe(tmp_path, text), two_convs(), TARGET)


def test_layers_to_balance_are_those_that_sum_products_in_integers(tmp_path):
    text = "[global]\nmigration_strength = 0.5\n[layer.second]\nexecute = 'float'\n"
    assert strengths(recipe(tmp_path, text), two_convs()) == {"first": 0.5}
    assert strengths(recipe(tmp_path, ""), two_convs()) == {}


def test_a_style_of_weights_is_merged_key_by_key(tmp_path):
    text = """
        [global]
        weight_method = "nuq"
        num_steps = 16
        [layer.second]
        num_of_iteration = 3
        """
    found = recipe(tmp_path, text)
    first, second = (
        found.settings("Conv", n).weight_style for n in ("first", "second")
    )
    assert first == WeightStyle(method=WeightMethod.NUQ, num_steps=16)
    assert second == WeightStyle(
        method=WeightMethod.NUQ, num_steps=16, num_of_iteration=3
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('exclude = ["frist"]', "no layer 'frist'; did you mean 'first'"),
        ('[layer.secnd]\nweights = "per-tensor"', "did you mean 'second'"),
        ('[op.Cov]\nweights = "per-tensor"', "no layer of type 'Cov'"),
    ],
)
def test_names_that_the_model_lacks_are_refused(tmp_path, text, message):
    with pytest.raises(ConfigError, match=message):
        check_recipe(recipe(tmp_path, text), two_convs())


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[global]\nmethd = 1", r"line 2: global.methd: unknown key; did you mean 'm"),
        ('[global]\nmethod = "magic"', r"line 2: global.method: found 'magic'"),
        ("[global]\npercentile = 12", r"line 2: global.percentile: found 12"),
        ('[global]\nexecute = "half"', r"line 2: global.execute: found 'half'"),
        ("[global]\nactivation_bits = 17", r"line 2: global.activation_bits: found 17"),
        ("[global]\nbin = 300", r"line 2: global.bin: found 300; .*equal to 250"),
        ("[global]\nnum_of_bins = 1000", r"global.num_of_bins: found 1000; .*8192"),
        ("[op.Conv]\nend_ratio = 0", r"line 2: op.Conv.end_ratio: found 0; .*than 0"),
        ("[global]\nsmoothing = 1", r"line 2: global.smoothing: found 1; .*than 1"),
        ('[global]\nmax_percentile = "PERCENTILE_MAX"', "found 'PERCENTILE_MAX'"),
        ("batch_count = 0", r"line 1: batch_count: found 0; .*equal to 1"),
        (
            "[global]\nweight_method = 'nuk'",
            r"line 2: global.weight_method: found 'nuk'",
        ),
        ("[global]\nweight_bits = 1", r"line 2: global.weight_bits: found 1"),
        ("[global]\nnum_steps = 257", r"line 2: global.num_steps: found 257"),
        ("[global]\nnum_of_iteration = -1", r"line 2: global.num_of_iteration: found"),
        ("[global]\nmigration_strength = 0.9", r"line 2: global.migration_strength: f"),
        ("[global", "no sound TOML"),
    ],
)
def test_mistakes_in_the_file_name_file_and_line(tmp_path, text, message):
    with pytest.raises(ConfigError, match=message) as caught:
        recipe(tmp_path, text)
    assert str(caught.value).startswith(str(tmp_path))
    assert "\n" not in str(caught.value)
