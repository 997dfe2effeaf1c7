"""The embedded digits: files as the manifest says, a sound split, the stated Top-1."""

import hashlib
import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
FOLDER = REPOSITORY / "golden" / "digits"
SAMPLES = 1797
NOT_IN_MANIFEST = {"manifest.json", "README.md", "train.py"}


@pytest.fixture(scope="module")
def manifest():
    return json.loads((FOLDER / "manifest.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def digits():
    with np.load(FOLDER / "digits.npz", allow_pickle=False) as arrays:
        return dict(arrays)


@pytest.fixture(scope="module")
def graph():
    return onnx.load(FOLDER / "digits.onnx").graph


def test_manifest_lists_every_data_file_and_no_other(manifest):
    present = {path.name for path in FOLDER.iterdir() if path.is_file()}
    assert set(manifest["files"]) == present - NOT_IN_MANIFEST


@pytest.mark.parametrize("name", ["digits.npz", "digits.onnx"])
def test_file_has_the_size_and_digest_of_the_manifest(manifest, name):
    content = (FOLDER / name).read_bytes()
    assert manifest["files"][name] == {
        "bytes": len(content),
        "sha256": hashlib.sha256(content).hexdigest(),
    }


def test_manifest_is_in_its_one_canonical_form(manifest):
    text = (FOLDER / "manifest.json").read_text(encoding="utf-8")
    assert text == json.dumps(manifest, indent=2, sort_keys=True) + "\n"


def test_split_is_disjoint_and_covers_every_sample(digits):
    ids = np.concatenate([digits["id_train"], digits["id_test"]])
    assert sorted(ids.tolist()) == list(range(SAMPLES))


@pytest.mark.parametrize(("part", "n"), [("train", 1197), ("test", 600)])
def test_arrays_have_their_shapes_types_and_ranges(digits, part, n):
    x, y, ids = (digits[f"{name}_{part}"] for name in ("x", "y", "id"))
    assert (x.shape, x.dtype) == ((n, 8, 8), np.uint8)
    assert (y.shape, y.dtype) == ((n,), np.int64)
    assert (ids.shape, ids.dtype) == ((n,), np.int64)
    assert (int(x.min()), int(x.max())) == (0, 16)
    assert set(y.tolist()) == set(range(10))


def test_each_class_has_its_proportion_in_both_parts(digits):
    train, test = (np.bincount(digits[f"y_{p}"]) for p in ("train", "test"))
    expected = (train + test) * 600 / SAMPLES
    assert np.all(np.abs(test - expected) <= 1)


def test_model_keeps_the_operators_it_was_made_for(graph):
    assert Counter(node.op_type for node in graph.node) == {
        "Add": 1,
        "BatchNormalization": 6,
        "Clip": 1,
        "Conv": 6,
        "Flatten": 1,
        "Gemm": 1,
        "GlobalAveragePool": 1,
        "MaxPool": 1,
        "Relu": 5,
        "Softmax": 1,
    }


def test_model_has_unique_node_names_and_a_free_batch(graph):
    names = [node.name for node in graph.node]
    assert all(names)
    assert len(set(names)) == len(names)
    for value in (*graph.input, *graph.output):
        assert value.type.tensor_type.shape.dim[0].dim_param == "N"


@pytest.mark.parametrize("batch", [600, 7])
def test_fp32_top1_is_that_of_the_manifest(manifest, digits, batch):
    session = onnxruntime.InferenceSession(
        FOLDER / "digits.onnx", providers=["CPUExecutionProvider"]
    )
    x = digits["x_test"][:, None].astype(np.float32) / np.float32(16)
    found = [
        np.asarray(session.run(None, {"image": x[at : at + batch]})[0]).argmax(1)
        for at in range(0, len(x), batch)
    ]
    correct = int((np.concatenate(found) == digits["y_test"]).sum())
    assert (correct, len(x)) == (manifest["top1_correct"], manifest["n"])
    assert correct >= 0.97 * len(x)


def test_golden_files_stay_small():
    def size(folder):
        files = (p for p in folder.rglob("*") if p.is_file())
        return sum(p.stat().st_size for p in files if "__pycache__" not in p.parts)

    assert size(FOLDER) < 400_000
    # Baselines keep integers of every layer, and all boxes of detectors.
    assert size(REPOSITORY / "golden") < 8_000_000


@pytest.mark.slow
def test_rebuilding_gives_the_same_data_and_top1_within_the_band():
    done = subprocess.run(
        [sys.executable, FOLDER / "train.py", "--check"],
        check=False,
        capture_output=True,
        text=True,
        timeout=1200,
    )
    assert done.returncode == 0, done.stdout + done.stderr
