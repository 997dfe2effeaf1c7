"""emu inspect: float models and programs, told apart and counted."""

import pytest

# Conv 2x3x3x3 at 4x4 positions, and dense 3x4 with its bias.
CONV_MACS, DENSE_MACS = 4 * 4 * 54, 12
PARAMETERS = 54 + 12 + 4


def test_a_float_model_is_counted_layer_by_layer(emu, tiny):
    model, _ = tiny
    found = emu("inspect", model, "--json").json
    layers = {layer["name"]: layer for layer in found["layers"]}
    assert (found["kind"], found["target"]) == ("float", None)
    assert found["macs"] == CONV_MACS + DENSE_MACS
    assert found["parameters"] == PARAMETERS
    assert (layers["conv"]["op"], layers["conv"]["shape"]) == ("Conv", [4, 4, 3])
    assert (layers["conv"]["macs"], layers["dense"]["macs"]) == (CONV_MACS, DENSE_MACS)
    assert found["inputs"] == [{"name": "x", "shape": [2, 4, 4], "dtype": "float32"}]
    assert found["file"] == str(model)


def test_a_target_tells_what_it_cannot_run_in_integers(emu, tiny):
    model, _ = tiny
    found = emu("inspect", model, "--target", "generic-int8", "--json").json
    places = {layer["name"]: layer["runs"] for layer in found["layers"]}
    assert (places["conv"], places["softmax"]) == ("integer", "float")
    shown = emu("inspect", model, "--target", "generic-int8")
    assert shown.code == 0
    assert "softmax: generic-int8 runs Softmax in float32" in shown.out
    assert "integer_mac_share" not in found
    shown = emu("inspect", model, "--target", "ascend-310")
    assert "softmax: ascend-310 runs Softmax in float16" in shown.out


def test_a_program_shows_the_worst_case_of_its_accumulators(emu, tiny_program):
    found = emu("inspect", tiny_program, "--json").json
    layers = {layer["name"]: layer for layer in found["layers"]}
    sums = layers["conv"]["sums"]
    assert (found["kind"], found["target"]) == ("integer", "generic-int8")
    assert (sums["bits"], sums["carrier"]) == (32, "int8")
    # 18 weights of at most 127, inputs at most 255 away from their zero point, no bias.
    assert 8 < sums["worst_bits"] <= 1 + (18 * 127 * 255).bit_length()
    assert layers["softmax"]["runs"] == "float"
    assert f"{sums['worst_bits']} of 32" in emu("inspect", tiny_program).out


def test_a_narrow_accumulator_that_could_overflow_is_named(emu, tiny, tmp_path):
    model, data = tiny
    target = tmp_path / "narrow.toml"
    target.write_text(
        'name = "narrow"\n[accumulator]\nbits = 16\n[operators]\nfloat = ["Softmax"]\n'
    )
    output = tmp_path / "narrow.emu"
    made = emu("optimize", model, "--target", target, "--calib", data, "-o", output)
    assert made.code == 0
    assert "could overflow" in made.out
    shown = emu("inspect", output).out
    assert "the accumulator has 16 and then does wrap" in " ".join(shown.split())


def test_codebooks_and_balancing_are_reported(emu, tiny, tmp_path):
    model, data = tiny
    recipe, output = tmp_path / "r.toml", tmp_path / "p.emu"
    recipe.write_text(
        '[global]\nweight_method = "nuq"\nnum_steps = 4\nmigration_strength = 0.5\n'
    )
    options = ("--target", "generic-int8", "--calib", data, "--recipe", recipe)
    made = emu("optimize", model, *options, "-o", output, "--json").json
    # 54 and 12 weights of 8 bits; indices of 2 bits, and 4 levels for each layer.
    ratio = 8 * 66 / (2 * 66 + 2 * 4 * 8)
    assert made["weight_compression"]["ratio"] == ratio
    assert made["balancing"]["layers"] == ["dense"]
    assert list(made["balancing"]["left"]) == ["conv"]
    assert emu("inspect", output, "--json").json["weight_compression"]["ratio"] == ratio
    assert f"{ratio:.2f}x smaller" in emu("inspect", output).out
    shown = emu("optimize", model, *options, "-o", output).out
    assert "not conv: Transpose" in " ".join(shown.split())


def test_a_program_takes_no_target(refused, tiny_program):
    line, error = refused("inspect", tiny_program, "--target", "generic-int8")
    assert "an .emu file is quantized already" in line
    assert (error["kind"], error["where"]) == ("config", "--target")


@pytest.mark.parametrize("name", ["conv", "middle", "pool", "dense", "softmax"])
def test_every_layer_is_on_the_screen(name, emu, tiny):
    model, _ = tiny
    shown = emu("inspect", model)
    assert shown.err == ""
    assert name in shown.out
