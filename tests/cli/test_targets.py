"""emu targets."""

from emu.targets import target_names


def test_all_targets_are_listed_with_their_descriptions(emu):
    listed = emu("targets", "--json").json["targets"]
    assert [target["name"] for target in listed] == target_names()
    shown = emu("targets").out
    assert all(target["name"] in shown for target in listed)
    assert "8-bit integer datapath" in shown


def test_one_target_is_shown_in_full(emu):
    found = emu("targets", "generic-int8", "--json").json
    accumulator = found["accumulator"]
    assert (accumulator["bits"], accumulator["overflow"]) == (32, "wrap")
    shown = emu("targets", "generic-int8").out
    assert "None" not in shown
    assert "half-even" in shown
    assert "Softmax, BatchNormalization" in shown


def test_a_file_is_shown_like_a_built_in_target(emu, tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text('name = "mine"\n[activation]\nbits = 4\n')
    found = emu("targets", path, "--json").json
    assert (found["name"], found["activation"]["bits"]) == ("mine", 4)


def test_an_unknown_target_names_the_nearest(refused):
    line, error = refused("targets", "generic-int9")
    assert "did you mean 'generic-int8'?" in line
    assert error["kind"] == "missing"
