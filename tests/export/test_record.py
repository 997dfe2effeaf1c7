"""export_record: a record file of a program, whole, and what it tells of itself."""

import pytest

from emu.errors import ConfigError, MissingError, UnsupportedError
from emu.export import export_record
from emu.quantize import record_of
from emu.quantize.amct import read_record
from tests.export.programs import convolution, lowered, lowered_zoo
from tests.zoo import two_convs

ORIGIN = {"name": "two\nconvs", "sha256": "0" * 64, "target": None}


def test_the_file_holds_the_factors_of_the_program(tmp_path):
    graph = lowered_zoo()
    made = export_record(graph, tmp_path / "zoo.txt", ORIGIN)
    found = read_record(tmp_path / "zoo.txt").layers
    expected = record_of(graph)
    assert [(one.key, one.scale_d, one.offset_d, one.scale_w) for one in found] == [
        (one.key, one.scale_d, one.offset_d, one.scale_w) for one in expected
    ]
    assert made["layers"] == [one.key for one in expected if one.scale_w]
    assert made["tensors"] == [one.key for one in expected if not one.scale_w]
    assert (made["program"], made["notes"]) == (ORIGIN, [])


def test_the_text_is_that_of_a_record_of_amct(tmp_path):
    export_record(lowered(two_convs()), tmp_path / "r.txt", ORIGIN)
    lines = (tmp_path / "r.txt").read_text().splitlines()
    assert lines[:2] == ["# name: two convs", f"# sha256: {'0' * 64}"]
    assert lines[2:5] == ["record {", '  key: "first"', "  value {"]
    keys = [line.split(":")[0].strip() for line in lines[5:] if ":" in line]
    four = ["scale_w"] * 4 + ["offset_w"] * 4 + ["shift_bit"] * 4
    assert keys[: 2 + len(four)] == ["scale_d", "offset_d", *four]


def test_an_older_file_is_replaced(tmp_path):
    (tmp_path / "r.txt").write_text("old")
    export_record(lowered(two_convs()), tmp_path / "r.txt", ORIGIN)
    assert "old" not in (tmp_path / "r.txt").read_text()


def test_what_cannot_be_written_leaves_nothing(tmp_path):
    graph = lowered(two_convs())
    with pytest.raises(ConfigError, match="is a folder, expected a file"):
        export_record(graph, tmp_path, ORIGIN)
    with pytest.raises(MissingError, match="there is no folder"):
        export_record(graph, tmp_path / "no" / "r.txt", ORIGIN)
    with pytest.raises(UnsupportedError, match="does not say the scales"):
        export_record(convolution(), tmp_path / "r.txt", ORIGIN)
    assert list(tmp_path.iterdir()) == []
