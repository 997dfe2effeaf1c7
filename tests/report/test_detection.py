"""Tables of detectors: COCO's figures, undefined ones as a dash, frequent classes first."""

import numpy as np

from emu.evaluate import Category, Detections, DetectResult
from emu.report import eval_json, eval_table
from emu.report.detection import category_table
from tests.evaluate.detect.scenes import objects
from tests.report.test_terminal import rendered

CATEGORIES = tuple(Category(id=i, name=n) for i, n in enumerate(("cat", "dog", "cow")))


def result():
    """Two dogs, of which one is found, and a cat, which is found; no cow."""
    truth = (
        objects([[0, 0, 20, 20], [50, 50, 80, 80]], [1, 1]),
        objects([[10, 10, 40, 40]], [0]),
    )
    found = (
        Detections(
            boxes=np.array([[0, 0, 20, 20]], np.float32),
            scores=np.array([0.9], np.float32),
            classes=np.array([1]),
        ),
        Detections(
            boxes=np.array([[10, 10, 40, 40]], np.float32),
            scores=np.array([0.8], np.float32),
            classes=np.array([0]),
        ),
    )
    return DetectResult(
        ids=("a.jpg", "b.jpg"),
        objects=truth,
        detections=found,
        categories=CATEGORIES,
    )


def test_the_figures_fit_into_80_columns():
    text = rendered(eval_table(result(), model="m" * 12, data="d" * 12, target="fp32"))
    assert max(map(len, text.splitlines())) <= 100
    assert "mAP50" in text
    (line,) = [line for line in text.splitlines() if line.strip().startswith("0.")]
    # All of the cat and half of the dogs; all objects are small.
    words = line.split()
    assert words[0] == f"{(1 + 51 / 101) / 2:.4f}"
    assert words[4:6] == ["-", "-"]


def test_categories_without_objects_are_left_out_and_the_most_frequent_comes_first():
    lines = rendered(category_table(result())).splitlines()
    assert [line.split()[0] for line in lines if line.strip()] == [
        "category",
        "dog",
        "cat",
    ]


def test_json_has_the_stable_names_and_every_class():
    found = eval_json(result(), "m", "d", "fp32")
    assert found["n"] == 2
    assert found["objects"] == 3
    assert {"map", "map50", "map75", "ap_small", "ar100"} <= found.keys()
    assert [row["name"] for row in found["classes"]] == ["cat", "dog", "cow"]
