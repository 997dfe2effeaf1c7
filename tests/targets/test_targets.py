"""The targets that come with emu, and a user's own: read, shown, refused, lowered."""

import tomllib
from importlib import resources

import numpy as np
import pytest

from emu.calibrate import calibrate
from emu.errors import ConfigError, MissingError
from emu.execute import Program
from emu.ops import FloatType
from emu.quantize import Recipe, observations, quantize_graph
from emu.targets import find_target, target_names
from tests.oracles.interpreter import compute
from tests.zoo import every_layer, images, two_convs

NETWORKS = {"two_convs": two_convs, "every_layer": every_layer}

each_target = pytest.mark.parametrize("name", target_names())


def text_of(name):
    return (resources.files("emu.targets") / f"{name}.toml").read_text("utf-8")


def test_the_targets_that_are_promised_are_there():
    promised = {
        "ap-fixed",
        "ascend-310",
        "dsp-20bit",
        "generic-int8",
        "generic-w4a4",
        "generic-w4a8",
        "hailo-8",
        "onnxruntime",
        "tflite-optimized",
        "tflite-reference",
        "tflite-xnnpack",
        "tosa-int",
    }
    assert promised <= set(target_names())


@each_target
def test_a_target_is_named_as_its_file_and_described_in_one_line(name):
    target = find_target(name)
    assert target.name == name
    assert 20 < len(target.description) < 90
    assert "\n" not in target.description


@each_target
def test_every_number_says_where_it_is_from(name):
    """A comment stands right above each key, its section or the keys before it."""
    explained = False
    for line in text_of(name).splitlines():
        if line.startswith("#"):
            explained = True
        elif not line:
            explained = False
        elif " = " in line and not line.startswith(("name", "description")):
            assert explained, line


@each_target
def test_every_key_of_the_file_is_in_the_target(name):
    written = tomllib.loads(text_of(name))
    read = find_target(name).model_dump(mode="json")

    def check(part, whole, where):
        for key, value in part.items():
            if isinstance(value, dict):
                check(value, whole[key], f"{where}.{key}")
            else:
                assert whole[key] == value, f"{where}.{key}"

    check(written, read, name)


def test_a_users_own_file_needs_only_what_differs(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text('name = "mine"\n[weight]\nbits = 4\n')
    target = find_target(str(path))
    assert (target.name, target.weight.bits, target.activation.bits) == ("mine", 4, 8)


def test_a_target_has_its_own_width_and_those_it_names(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text('name = "mine"\n[activation]\nbits = 10\nwidths = [10, 16]\n')
    target = find_target(str(path))
    assert target.activation.widths == (10, 16)
    assert target.weight.widths == (8,)
    assert find_target("ascend-310").activation.widths == (8,)
    assert find_target("hailo-8").weight.widths == (4, 8, 16)


def test_layers_off_the_datapath_run_as_the_target_says():
    ascend, generic = find_target("ascend-310"), find_target("generic-int8")
    assert ascend.operators.precision is FloatType.FLOAT16
    assert generic.operators.precision is FloatType.FLOAT32
    assert {ascend.operators.excluded, generic.operators.excluded} == {
        FloatType.FLOAT16
    }


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[activation]\nwidths = [16]", r"activation: .*lacks the default of 8 bits"),
        (
            '[operators]\nprecision = "half"',
            r"line 3: operators.precision: found 'half'",
        ),
        (
            "[weight]\nbit = 4",
            r"line 3: weight.bit: unknown key; did you mean 'bits'\?",
        ),
        ("[weights]\nbits = 4", r"weights: unknown key; did you mean 'weight'\?"),
        ('[rescale]\nscheme = "single"', r"line 3: rescale.scheme: .*'single-round'"),
        ('[activation]\nrounding = "nearest"', r"line 3: activation.rounding: "),
        ("[activation]\nbits = 40", r"line 3: activation.bits: found 40; .*16"),
        ('[accumulator]\nbits = "wide"', r"line 3: accumulator.bits: "),
        ("[weight]\nbits = ", r"no sound TOML"),
        ('[accumulator]\nsaturate = "tile"', r"line 2: accumulator: a tile of 0 "),
        (
            '[rescale.layer.Cnov]\nscheme = "double-round"',
            r"rescale.layer: no layer 'Cnov'; did you mean 'Conv'\?",
        ),
        (
            '[operators]\nfloat = ["Sofmax"]',
            r"line 3: operators.float: no layer 'Sofmax'; did you mean 'Softmax'\?",
        ),
        (
            '[operators]\nwide = "tflite-optimised"',
            r"line 3: operators.wide: .*did you mean 'tflite-optimized'\?",
        ),
    ],
)
def test_a_wrong_key_or_value_is_one_clear_line(text, message, tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text(f'name = "mine"\n{text}\n')
    with pytest.raises(ConfigError, match=message) as caught:
        find_target(str(path))
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)


def test_a_name_or_path_that_is_not_there(tmp_path):
    with pytest.raises(MissingError, match="did you mean 'hailo-8'"):
        find_target("hailo-9")
    with pytest.raises(MissingError, match="there is no such file"):
        find_target(str(tmp_path / "none.toml"))


@pytest.fixture(scope="module")
def calibrated():
    """Each network with its ranges, measured once."""
    found = {}
    for name, make in NETWORKS.items():
        graph = make()
        recipe = Recipe()
        plan = observations(recipe, graph, find_target("generic-int8"))
        found[name] = (graph, recipe, calibrate(graph, [images(graph, 8)], plan))
    return found


@pytest.mark.parametrize("network", NETWORKS)
@each_target
def test_the_zoo_runs_and_equals_the_interpreter(name, network, calibrated):
    graph, recipe, calibration = calibrated[network]
    program = quantize_graph(graph, calibration, recipe, find_target(name))
    made = tuple(node.output for node in program.nodes)
    x = images(program, 4, seed=3)
    tensors = {**program.constants, "x": x, **Program(program, 4, made)(x)}
    integers = 0
    for node in program.nodes:
        got = tensors[node.output]
        want = compute(node.op, *(tensors[name] for name in node.inputs))
        if got.dtype.kind == "f":
            np.testing.assert_allclose(
                got, want, rtol=1e-4, atol=1e-5, err_msg=node.name
            )
        else:
            np.testing.assert_array_equal(got, want, node.name)
            assert got.dtype == want.dtype
            integers += got.size
    assert integers > 500
