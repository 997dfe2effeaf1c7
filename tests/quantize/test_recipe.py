"""Recipes: the most specific entry wins, and what does not fit is refused."""

import pytest

from emu.calibrate import Method
from emu.errors import ConfigError
from emu.quantize import (
    WeightMethod,
    WeightStyle,
    check_recipe,
    observations,
    read_recipe,
)
from emu.quantize.recipe import strengths
from tests.zoo import two_convs


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


def test_observations_follow_the_layer_that_makes_a_tensor(tmp_path):
    text = '[op.Input]\nmethod = "percentile"\n[layer.second]\nmethod = "percentile"\n'
    found = observations(recipe(tmp_path, text), two_convs())
    assert found["x"].method is Method.PERCENTILE
    assert found["second"].method is Method.PERCENTILE
    assert found["first"].method is Method.MINMAX


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
