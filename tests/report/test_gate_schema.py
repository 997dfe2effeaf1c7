"""The published schema of `emu gate --json` beside what really comes out."""

import json
from dataclasses import replace
from importlib import resources

import jsonschema
import numpy as np
import pytest

from emu.compare import Mode
from emu.gate import DetectionChange, Kind, Outcome
from emu.gate.statistics import paired_change
from emu.jsondata import strict_json
from emu.report import gate_json
from tests.gate.made_up import failed, outcome, run_of

SCHEMA = json.loads(
    resources.files("emu.report").joinpath("gate.schema.json").read_text()
)
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)


def as_json(result) -> dict:
    """As it is after the way over stdout."""
    return json.loads(json.dumps(strict_json(gate_json(result)), allow_nan=False))


def wrong(value: dict) -> list[str]:
    return [error.message for error in VALIDATOR.iter_errors(value)]


def test_the_schema_is_one():
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


def test_every_outcome_and_a_failed_case_fit(gate):
    assert wrong(as_json(gate)) == []


def test_kinds_and_verdicts_are_those_of_the_gate():
    verdict = SCHEMA["$defs"]["verdict"]["properties"]
    assert set(verdict["kind"]["enum"]) == {kind.value for kind in Kind}
    assert set(verdict["verdict"]["enum"]) == {found.value for found in Outcome}


@pytest.mark.parametrize("name", ["required", "properties"])
def test_all_that_is_published_of_a_layer_is_there(layers, name):
    columns = set(layers.tables[Mode.CUMULATIVE].columns)
    assert set(SCHEMA["$defs"]["layer"][name]) == columns


def test_what_changed_fits_for_samples_and_for_detections():
    samples = paired_change(("a", "b"), np.array([True, False]), np.array([False] * 2))
    images = DetectionChange(
        samples=2, points=-1.0, low=-2.0, high=0.0, worse=("a",), better=()
    )
    for change in (samples, images):
        value = as_json(run_of(replace(outcome(), change=change)))
        assert wrong(value) == []
        assert value["cases"][0]["change"]["points"] == change.points
        assert wrong(without(value, "cases", 0, "change", "samples"))


def without(value: dict, *path: str | int) -> dict:
    copy = json.loads(json.dumps(value))
    spot = copy
    for step in path[:-1]:
        spot = spot[step]
    del spot[path[-1]]
    return copy


@pytest.mark.parametrize(
    "path",
    [
        ("exit_code",),
        ("verdicts", 0, "detail"),
        ("cases", 0, "digest"),
        ("cases", 0, "quantized", "top1"),
        ("cases", 0, "compare", "layers", 1, "cosine"),
        ("cases", 1, "error", "where"),
    ],
)
def test_a_key_that_is_gone_does_not_fit(path):
    sound = as_json(run_of(outcome(), failed()))
    assert wrong(sound) == []
    assert wrong(without(sound, *path))


def test_a_number_that_became_text_does_not_fit():
    value = as_json(run_of(outcome()))
    value["cases"][0]["compare"]["layers"][0]["sqnr_db"] = "40.0"
    assert wrong(value)
