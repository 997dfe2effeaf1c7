"""AMCT's configurations: what they become for a model, and what is refused."""

from pathlib import Path

import pytest

from emu.calibrate import Method
from emu.errors import ConfigError, MissingError
from emu.graph import verify
from emu.ops import Add, Gemm, MaxPool, Relu
from emu.quantize import open_recipe
from emu.quantize.amct import parse_configuration, read_configuration, recipe_data
from tests.zoo import SAME, ZooBuilder, two_convs

HERE = Path(__file__).parent
FILE = Path("config")


def data(text, graph=None, batch_size=32):
    return recipe_data(
        parse_configuration(text, FILE), graph or two_convs(), batch_size
    )


def branches():
    """x -> stem -> relu -> pool -> (left, right) -> sum; all convolutions 3x3."""
    zoo = ZooBuilder("branches", (8, 8, 4))
    zoo.conv("x", "stem", 4, padding=SAME)
    zoo.add(Relu(), "stem", to="relu")
    pool = {"kernel": (2, 2), "stride": (2, 2), "padding": ((0, 0), (0, 0))}
    zoo.add(MaxPool(**pool), "relu", to="pool")
    zoo.conv("pool", "left", 4, padding=SAME)
    zoo.conv("pool", "right", 4, padding=SAME)
    zoo.add(Add(), "left", "right", to="sum")
    return verify(zoo.builder.build(("sum",)))


def test_the_published_template_of_the_old_form():
    found = read_configuration(HERE / "old_form.cfg")
    assert recipe_data(found, two_convs(), 32) == {
        "exclude": ["second"],
        "batch_count": 50,
        "global": {
            "method": "kl",
            "activation": "asymmetric",
            "weights": "per-channel",
            "bin": 150,
            "min_percentile": 1.0,
            "max_percentile": 0.99999,
            "start_ratio": 0.7,
            "end_ratio": 1.3,
            "step_ratio": 0.01,
        },
    }
    (note,) = found.notes
    for key in ("device", "preprocess_parameter", "inference_with_data_quantized"):
        assert key in note


def test_the_old_form_in_the_words_of_the_tuning_page():
    text = """quantize_algo: NON_OFFSET
    weight_type: SCALAR_TYPE
    bin: 0
    type: SYMKL
    max_percentile: PERCENTILE_MID
    start_ratio: 0.3 end_ratio: 1.7
    exclude_op: "first" exclude_op: second
    """
    assert data(text) == {
        "exclude": ["first", "second"],
        "global": {
            "method": "symkl",
            "activation": "symmetric",
            "weights": "per-tensor",
            "bin": 150,
            "max_percentile": 0.99999,
            "start_ratio": 0.3,
            "end_ratio": 1.7,
        },
    }


def test_the_old_form_is_a_recipe_that_calibrates(tmp_path):
    file = tmp_path / "old.cfg"
    file.write_text((HERE / "old_form.cfg").read_text())
    recipe = open_recipe(file).fit(two_convs(), 8)
    assert recipe.everywhere.method is Method.KL
    assert recipe.batch_count == 50
    assert recipe.settings("Conv", "second").execute == "float"


def test_the_published_sample_of_the_json_form():
    found = recipe_data(read_configuration(HERE / "config.json"), two_convs(), 16)
    assert found["batch_count"] == 2 * 16
    assert found["global"] == {"method": "ifmr", "activation": "asymmetric"}
    # The input of `first` is the model's, that of `second` is made by the Relu.
    assert found["layer"]["x"] == {
        "activation": "symmetric",
        "activation_bits": 8,
        "max_percentile": 0.999999,
        "min_percentile": 0.999999,
        "start_ratio": 0.7,
        "end_ratio": 1.3,
        "step_ratio": 0.01,
        "method": "ifmr",
    }
    assert found["layer"]["first.relu"] == {
        "activation": "asymmetric",
        "activation_bits": 8,
        "method": "hfmg",
        "num_of_bins": 2048,
    }
    assert found["layer"]["first"] == {
        "execute": "integer",
        "migration_strength": 0.5,
        "weight_method": "max",
        "weight_bits": 8,
        "weights": "per-channel",
    }
    assert found["layer"]["second"] == {
        "execute": "integer",
        "weight_method": "nuq",
        "weight_bits": 8,
        "num_steps": 32,
        "num_of_iteration": 1,
    }


def test_a_json_without_layers_means_the_defaults_of_amct():
    assert data("{}") == {"global": {"method": "ifmr"}}


def test_bins_mean_the_algorithm_that_has_bins():
    found = data('{"second": {"activation_quant_params": {"num_of_bins": 1024}}}')
    assert found["layer"]["first.relu"] == {"method": "hfmg", "num_of_bins": 1024}


def test_a_layer_that_is_not_quantized_runs_in_float():
    found = data('{"second": {"quant_enable": false}}')
    assert found["layer"] == {"second": {"execute": "float"}}


def test_dense_layers_have_one_scale_unless_the_file_says_otherwise():
    zoo = ZooBuilder("dense", (8,))
    zoo.add(Gemm(), "x", zoo.weights("w", 8, 4), zoo.weights("b", 4), to="fc")
    graph = verify(zoo.builder.build(("fc",)))
    assert data("{}", graph)["layer"] == {"fc": {"weights": "per-tensor"}}
    text = '{"fc": {"weight_quant_params": {"channel_wise": true}}}'
    assert data(text, graph)["layer"]["fc"] == {"weights": "per-channel"}
    assert "layer" not in data("bin: 150", graph)


def test_settings_of_an_input_go_to_the_layer_that_makes_it_through_moves():
    both = '"activation_quant_params": {"search_step": 0.02}'
    found = data(f'{{"left": {{{both}}}, "right": {{{both}}}}}', branches())
    assert found["layer"] == {"relu": {"step_ratio": 0.02}}


def test_two_layers_cannot_want_one_tensor_in_two_ways():
    text = '{"left": {"activation_quant_params":\n {"search_step": 0.02}}}'
    with pytest.raises(
        ConfigError, match="'left' and 'right' read one tensor"
    ) as caught:
        data(text, branches())
    assert caught.value.where == "line 2"
    # What AMCT does by default may be said or not.
    text = text.replace("0.02", "0.01")
    assert data(text, branches())["layer"] == {"relu": {"step_ratio": 0.01}}
    # A layer that is left out wants nothing.
    text = text.replace("0.01", "0.02").replace(
        "{", '{"right": {"quant_enable": false}, ', 1
    )
    assert data(text, branches())["layer"]["relu"] == {"step_ratio": 0.02}


def test_the_simplified_form():
    found = read_configuration(HERE / "quant.cfg")
    assert recipe_data(found, branches(), 32) == {
        "batch_count": 64,
        "exclude": ["stem"],
        "global": {
            "method": "ifmr",
            "activation": "symmetric",
            "weight_method": "max",
            "weights": "per-channel",
            "start_ratio": 0.8,
            "end_ratio": 1.3,
        },
        "layer": {
            "stem": {"weight_bits": 7, "migration_strength": 0.5},
            # Instead of common_config, not on top of it.
            "left": {
                "weight_method": "max",
                "weight_bits": 8,
                "weights": "per-tensor",
            },
            "right": {"weight_method": "nuq", "num_steps": 16, "weight_bits": 8},
            "relu": {"method": "hfmg", "num_of_bins": 8192},
        },
    }


def test_types_are_those_of_any_framework():
    found = data('skip_layer_types: "Conv2d"\nskip_layer_types: "Linear"')
    assert found["exclude"] == ["first", "second"]


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("bin: 150\nbim: 3", 2, "unknown key 'bim'; did you mean 'bin'?"),
        ("bin: 99", 1, "bin: found 99, expected a whole number 100..250"),
        ("bin: 150\nbin: 150", 2, "'bin' is said twice"),
        ("type: KLD", 1, "type: found 'KLD', expected 'KL' or 'SYMKL' or 'JSD'"),
        ("type: [KL]", 1, "type: found ('KL',), expected"),
        ("quantize_algo: OFFSET", 1, "expected 'HALF_OFFSET' or 'NON_OFFSET'"),
        ("bin: 150\nmax_percentile: PERCENTILE_LOW", 2, "above 0.5, up to 1"),
        ("max_percentile: 0.5", 1, "found 0.5, expected a share above 0.5"),
        ("start_ratio: 1.5", 1, "a search from 1.5 to 1.3, expected start < end"),
        ("step_ratio: 1e999", 1, "step_ratio: found inf, expected a number above 0"),
        ("step_ratio: true", 1, "step_ratio: found True, expected a number above 0"),
        ("batch_count: 0", 1, "expected a whole number from 1"),
        ("bin: 150\nexclude_op: 'frist'", 2, "no layer 'frist'; did you mean 'first'?"),
        ("preprocess_parameter: {\n mean: 1 }", 2, "unknown key 'mean'"),
        ("preprocess_parameter: 3", 1, "expected { ... }"),
        ("super_parameter {\n start_ratio: 1 }\nstart_ratio: 1", 3, "said twice"),
        ('{"version": 2}', 1, "version: found 2, expected 1: the only version"),
        ('{"batch_num": 1.5}', 1, "expected a whole number from 1"),
        ('{"batchnum": 1}', 1, "unknown key 'batchnum'; did you mean 'batch_num'?"),
        ('{\n"joint_quant": true}', 2, "joint_quant: found True, expected false"),
        ('{"do_fusion": false}', 1, "expected true: emu folds"),
        ('{"skip_fusion_layers": ["first"]}', 1, "expected nothing: emu folds"),
        ('{"tensor_quantize": [1]}', 1, "expected nothing: inputs of MaxPool"),
        ('{\n"frist": {}}', 2, "the model has no layer 'frist'; did you mean 'first'?"),
        ('{"first": {\n"quant_enabled": true}}', 2, "did you mean 'quant_enable'?"),
        ('{"first": {}, "first": {}}', 1, "layer 'first' is said twice"),
        ('{"first": {"dmq_balancer_param": 0.9}}', 1, "a number from 0.2 to 0.8"),
        (
            '{"first": {"activation_quant_params": {"search_range":\n[1.3, 0.7]}}}',
            1,
            "expected [start, end] with 0 < start < end",
        ),
        (
            '{"first": {"activation_quant_params": {"num_of_bins": 1024,\n"max_percentile": 1}}}',
            2,
            "a setting of ifmr, and act_algo is hfmg",
        ),
        (
            '{"first": {"weight_quant_params": {"wts_algo": "ada_quantize"}}}',
            1,
            "expected 'arq_quantize' or 'nuq_quantize'",
        ),
        ('{"first": {"weight_quant_params": {"warm_start": 1}}}', 1, "no AdaRound"),
        ("batch_num: 1\nskip_layer_types: 'Cnv'", 2, "did you mean 'Conv'?"),
        ("batch_num: 1\noverride_layer_configs { }", 2, "names no layer"),
        ("common_config {\n ada_quantize { } }", 2, "emu has no AdaRound"),
        (
            "common_config { ifmr_quantize { }\n hfmg_quantize { } }",
            2,
            "method is said twice",
        ),
    ],
)
def test_what_is_wrong_is_said_with_its_line(text, line, message):
    with pytest.raises(ConfigError) as caught:
        data(text)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
    assert (caught.value.file, caught.value.where) == ("config", f"line {line}")


@pytest.mark.parametrize(
    ("name", "text", "amct"),
    [
        ("r.toml", "", False),
        ("r.txt", "# type: KL\nexclude = []\n", False),
        ("r.txt", "[global]\nmethod = 'minmax'\n", False),
        ("r.cfg", "\n# a comment\n\nbin: 150\n", True),
        ("r.cfg", "common_config {\n}\n", True),
        ("r", ' {"version": 1}', True),
        ("r.json", "{}", True),
    ],
)
def test_a_file_is_known_by_its_suffix_or_its_first_line(tmp_path, name, text, amct):
    (tmp_path / name).write_text(text)
    found = open_recipe(tmp_path / name).fit(two_convs(), 1)
    assert (found.everywhere.method in (Method.IFMR, Method.KL)) == amct


def test_no_file_and_no_text(tmp_path):
    with pytest.raises(MissingError, match="there is no such file"):
        open_recipe(tmp_path / "none.json")
    (tmp_path / "bad.json").write_bytes(b'{"\xff": 1}')
    with pytest.raises(ConfigError, match=r"bad.json: no UTF-8 text"):
        open_recipe(tmp_path / "bad.json")


def test_no_recipe_is_the_empty_one():
    assert open_recipe(None).fit(two_convs(), 1).model_dump(exclude_defaults=True) == {}
