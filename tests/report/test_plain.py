"""JSON objects: stable names, and nothing that JSON cannot say."""

import json

from emu.compare import Mode
from emu.report import compare_json, eval_json, gate_json


def strict(value: object) -> str:
    return json.dumps(value, allow_nan=False)


def test_compare_has_stable_names_and_execution_order(layers):
    found = compare_json(layers)
    strict(found)
    assert [layer["name"] for layer in found["layers"]][:2] == ["input", "first"]
    assert set(found["layers"][1]) >= {
        "name",
        "op",
        "sqnr_db",
        "cosine",
        "differing",
        "max_lsb",
        "saturated",
    }
    assert found["isolated"][1]["sqnr_db"] == 31.0
    assert found["first_divergence"] == "first"
    assert found["n"] == 64
    assert found["golden"] == {"engine": "onnxruntime", "version": "1.2.3"}


def test_infinity_is_a_text_that_float_reads(layers):
    text = compare_json(layers)["layers"][0]["sqnr_db"]
    assert text == "inf"
    assert float(text) == float("inf")


def test_whole_numbers_stay_whole(layers):
    layer = compare_json(layers)["layers"][2]
    assert strict(layer["acc_overflows"]) == "123456"
    assert strict(layer["differing"]) == "4"


def test_a_mode_that_was_not_run_is_an_empty_list(layers):
    only = type(layers)(
        tables={Mode.ISOLATED: layers.tables[Mode.ISOLATED]},
        samples=1,
        engine=layers.engine,
    )
    assert compare_json(only)["layers"] == []


def test_eval_has_stable_names(result):
    assert eval_json(result, "m", "d", "fp32") == {
        "model": "m",
        "data": "d",
        "target": "fp32",
        "n": 200,
        "top1_correct": 170,
        "top5_correct": 200,
        "top1": 0.85,
        "top5": 1.0,
    }


def test_gate_has_stable_names(gate):
    found = gate_json(gate)
    strict(found)
    assert found["exit_code"] == 2
    assert found["verdicts"][0] == {
        "suite": "s",
        "case": "c",
        "kind": "accuracy",
        "verdict": "equal",
        "detail": "[b]so[/b]",
    }
    measured, failed = found["cases"]
    assert measured["quantized"]["top1_correct"] == 170
    assert measured["baseline"]["fp32"]["top1_correct"] == 171
    assert measured["compare"]["first_divergence"] == "first"
    assert failed["error"]["where"] == "x[3]"
