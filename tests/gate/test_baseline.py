"""Baselines on disk: stable bytes, a place of their own, damage told in one line."""

import json
import math

import pytest

from emu.errors import ConfigError, MissingError
from emu.gate import baseline_of, baseline_path, read_baseline, write_baseline
from emu.gate.baseline import checksum_of
from emu.jsondata import strict_json


def test_what_is_written_is_read_back(measured, tmp_path):
    baseline = baseline_of(measured)
    write_baseline(tmp_path / "b.json", baseline)
    assert read_baseline(tmp_path / "b.json") == baseline


def test_bytes_are_sorted_stable_and_end_in_a_newline(measured, tmp_path):
    path, again = tmp_path / "b.json", tmp_path / "again.json"
    write_baseline(path, baseline_of(measured))
    write_baseline(again, read_baseline(path))
    text = path.read_text()
    assert text == again.read_text()
    assert text.endswith("}\n")
    pairs = json.loads(text, object_pairs_hook=lambda pairs: [key for key, _ in pairs])
    assert pairs == sorted(pairs)


def test_lines_stay_short_enough_for_a_diff(measured, tmp_path):
    write_baseline(tmp_path / "b.json", baseline_of(measured))
    assert max(map(len, (tmp_path / "b.json").read_text().splitlines())) < 300


def test_infinite_figures_are_stored_as_text(measured, tmp_path):
    baseline = baseline_of(measured)
    row = baseline.layers["isolated"][0].model_copy(update={"sqnr_db": float("inf")})
    baseline = baseline.model_copy(update={"layers": {"isolated": (row,)}})
    write_baseline(tmp_path / "b.json", baseline)
    assert '"sqnr_db": "inf"' in (tmp_path / "b.json").read_text()
    assert read_baseline(tmp_path / "b.json") == baseline


def test_baselines_lie_in_golden_beside_suites(tmp_path):
    path = tmp_path / "suites" / "s.toml"
    expected = tmp_path / "golden" / "baselines" / "s" / "c.json"
    assert baseline_path(path, "c") == expected


def test_baselines_of_a_suite_elsewhere_lie_beside_it(tmp_path):
    expected = tmp_path / "baselines" / "s" / "c.json"
    assert baseline_path(tmp_path / "s.toml", "c") == expected


def test_no_baseline_is_missing(tmp_path):
    with pytest.raises(MissingError, match="there is no baseline"):
        read_baseline(tmp_path / "b.json")


@pytest.mark.parametrize(
    ("damage", "expected"),
    [
        (lambda text: text[: len(text) // 2], "damaged baseline"),
        (lambda text: "[" * 100_000, "damaged baseline"),
        (lambda text: "[]", "expected an object"),
        (lambda text: "\ud800", "damaged baseline"),
        (lambda text: text.replace('"format": 2', '"format": 3'), "a newer emu"),
        (lambda text: text.replace('"format": 2', '"format": 1'), "an older emu"),
        (lambda text: text.replace('"format": 2', '"format": "x"'), "found .* 'x'"),
        (lambda text: text.replace('"digest"', '"digets"'), "edited by hand"),
        (lambda text: text.replace('ons": [', 'ons": [5,'), "edited by hand"),
        (lambda text: text.replace('"reason": ""', '"reason": "so"'), "--reason"),
        (lambda text: text.replace('"checksum"', '"case_sum"'), "edited by hand"),
        (lambda text: text.replace('"cosine": 0', '"cosine": -0'), "edited by hand"),
        (lambda text: text.replace('"mse": 0', '"mse": NaN, "x": 0'), "found NaN"),
        (lambda text: f"{{\n<<<<<<< HEAD\n{text}", "line 2: a merge conflict"),
    ],
    ids=[
        "cut",
        "deep",
        "list",
        "encoding",
        "newer",
        "older",
        "format",
        "key",
        "value",
        "reason",
        "checksum",
        "digit",
        "number",
        "conflict",
    ],
)
def test_a_damaged_baseline_is_one_clear_line(measured, tmp_path, damage, expected):
    path = tmp_path / "b.json"
    write_baseline(path, baseline_of(measured))
    text = damage(path.read_text())
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    with pytest.raises(ConfigError, match=expected) as caught:
        read_baseline(path)
    assert caught.value.file == str(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "change",
    [
        {"digest": 5},
        {"fp32": {"n": "many"}},
        {"boxes": [{"count": 3, "data": ["eJwDAAAAAAE="]}]},
        {"more": 1},
    ],
)
def test_wrong_types_are_refused_even_with_a_soundchecksum_of(
    measured, tmp_path, change
):
    path = tmp_path / "b.json"
    content = {**strict_json(baseline_of(measured).model_dump()), **change}
    path.write_text(json.dumps({**content, "checksum": checksum_of(content)}))
    with pytest.raises(ConfigError, match=f"b.json: {next(iter(change))}"):
        read_baseline(path)


def test_layout_and_order_of_keys_are_no_part_of_thechecksum_of(measured, tmp_path):
    path = tmp_path / "b.json"
    write_baseline(path, baseline_of(measured))
    content = json.loads(path.read_text())
    path.write_text(json.dumps(dict(reversed(content.items()))))
    assert read_baseline(path) == baseline_of(measured)


def test_figures_that_are_no_numbers_are_read_back(measured, tmp_path):
    baseline = baseline_of(measured)
    row = baseline.layers["isolated"][0].model_copy(update={"cosine": float("nan")})
    baseline = baseline.model_copy(update={"layers": {"isolated": (row,)}})
    write_baseline(tmp_path / "b.json", baseline)
    read = read_baseline(tmp_path / "b.json").layers["isolated"][0]
    assert math.isnan(read.cosine)
    assert read.sqnr_db == row.sqnr_db
