"""The embedded detector: files as the manifest says, one head, the stated mAP."""

import hashlib
import json
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest

from emu.evaluate import (
    DetectResult,
    evaluate_graph,
    find_dataset,
    find_model,
    load_dataset_entry,
    open_model,
    quantize_entry,
)
from emu.evaluate.session import evaluate_outputs
from emu.gate import run_gate
from emu.gate.boxes import keep_boxes, kept_detections
from emu.quantize import Recipe
from emu.targets import find_target

REPOSITORY = Path(__file__).resolve().parents[2]
FOLDER = REPOSITORY / "golden" / "digits_detection"
SUITE = REPOSITORY / "suites" / "digits_detection.toml"
BASELINES = REPOSITORY / "golden" / "baselines" / "digits_detection"
MODEL = FOLDER / "digits_detection.onnx"
NOT_IN_MANIFEST = {"manifest.json", "README.md", "network.py", "train.py"}


@pytest.fixture(scope="module")
def manifest():
    return json.loads((FOLDER / "manifest.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def graph():
    return onnx.load(MODEL).graph


def test_manifest_lists_every_data_file_and_no_other(manifest):
    present = {path.name for path in FOLDER.iterdir() if path.is_file()}
    assert set(manifest["files"]) == present - NOT_IN_MANIFEST


def test_model_has_the_size_and_digest_of_the_manifest(manifest):
    content = MODEL.read_bytes()
    assert manifest["files"][MODEL.name] == {
        "bytes": len(content),
        "sha256": hashlib.sha256(content).hexdigest(),
    }
    assert len(content) < 2_000_000


def test_manifest_is_in_its_one_canonical_form(manifest):
    text = (FOLDER / "manifest.json").read_text(encoding="utf-8")
    assert text == json.dumps(manifest, indent=2, sort_keys=True) + "\n"


def test_train_and_test_scenes_are_made_of_the_digits_parts():
    folder = REPOSITORY / "suites" / "datasets"
    for part in ("train", "test"):
        entry = load_dataset_entry(folder / f"digits_scenes_{part}.toml")
        assert entry.path == REPOSITORY / "golden" / "digits" / "digits.npz"
        assert (entry.x, entry.y) == (f"x_{part}", f"y_{part}")


def test_model_is_a_pyramid_of_two_levels(graph):
    assert Counter(node.op_type for node in graph.node) == {
        "Add": 4,
        "BatchNormalization": 10,
        "Conv": 22,
        "Relu": 16,
        "Reshape": 4,
        "Resize": 1,
        "Transpose": 4,
    }


def test_one_head_serves_both_levels(graph):
    uses = Counter(node.input[1] for node in graph.node if node.op_type == "Conv")
    shared = {name for name, count in uses.items() if count == 2}
    parts = ("head1", "head2", "scores", "boxes")
    assert shared == {f"{part}.weight" for part in parts}


def test_fp32_map_is_that_of_the_manifest(manifest):
    session = onnxruntime.InferenceSession(MODEL, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]

    def predict(x):
        found = session.run(None, {"image": x})
        return dict(zip(names, map(np.asarray, found), strict=True))

    data = find_dataset("digits_scenes_test")
    counts = evaluate_outputs(predict, find_model("digits_detection"), data).counts()
    assert counts.items() <= manifest.items()
    assert counts["map_ppm"] >= 700_000
    assert counts["n"] == 200


def test_int8_map_is_that_of_the_baseline_and_within_a_point_of_fp32(manifest):
    entry, graph = open_model(find_model("digits_detection"))
    program = quantize_entry(entry, graph, find_target("generic-int8"), Recipe())
    data = find_dataset("digits_scenes_test")
    result = evaluate_graph(program, entry, data)
    assert isinstance(result, DetectResult)
    counts = result.counts()
    baseline = (BASELINES / "digits_detection-int8.json").read_text(encoding="utf-8")
    assert counts == json.loads(baseline)["quantized"]
    assert counts["map_ppm"] >= manifest["map_ppm"] - 10_000
    kept = [kept_detections(keep_boxes(found)) for found in result.detections]
    again = replace(result, detections=tuple(kept))
    assert again.to_json() == result.to_json()


@pytest.mark.slow
def test_the_suite_holds():
    assert run_gate([SUITE]).exit_code == 0


@pytest.mark.slow
def test_rebuilding_gives_a_map_within_the_band():
    done = subprocess.run(
        [sys.executable, FOLDER / "train.py", "--check"],
        check=False,
        capture_output=True,
        text=True,
        timeout=5400,
    )
    assert done.returncode == 0, done.stdout + done.stderr
