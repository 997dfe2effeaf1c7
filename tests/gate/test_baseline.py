"""Baselines on disk: stable bytes, a place of their own, damage told in one line."""

import json

import pytest

from emu.errors import ConfigError, MissingError
from emu.gate import baseline_of, baseline_path, read_baseline, write_baseline


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
    "damage",
    [
        lambda text: text[: len(text) // 2],
        lambda text: "[" * 100_000,
        lambda text: "[]",
        lambda text: text.replace('"format": 2', '"format": 3'),
        lambda text: text.replace('"digest"', '"digets"'),
        lambda text: text.replace('"predictions": [', '"predictions": [5,'),
        lambda text: "\ud800",
    ],
    ids=["cut", "deep", "list", "newer", "key", "value", "encoding"],
)
def test_a_damaged_baseline_is_one_clear_line(measured, tmp_path, damage):
    path = tmp_path / "b.json"
    write_baseline(path, baseline_of(measured))
    text = damage(path.read_text())
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    with pytest.raises(ConfigError) as caught:
        read_baseline(path)
    assert caught.value.file == str(path)
    assert "\n" not in str(caught.value)
