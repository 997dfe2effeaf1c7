"""A detector small enough to build, and images in which it finds everything.

Each image has squares of 8 x 8 pixels, red or green, on the cells of the finest level.
The network takes the mean of each cell, so a full cell scores 1.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

SIDE = 64
STRIDE = 8
COLOURS = {1: (255, 0, 0), 2: (0, 255, 0)}
NAMES = {1: "red", 2: "green"}

ENTRY = """
file = "detector.onnx"
task = "detect"
preprocess = [
  { op = "letterbox", size = [64, 64] },
  { op = "layout", to = "NCHW" },
]
data = "images.toml"
calibration = "images.toml"

[decoder]
kind = "yolox"
size = [64, 64]
"""
DATA = """
kind = "coco"
path = "images"
annotations = "annotations.json"
"""


def detector_model() -> onnx.ModelProto:
    """Means of cells of 8, 16 and 32 pixels, a head on each, all in one output."""
    arrays = {"stem_w": np.zeros((2, 3, STRIDE, STRIDE))}
    for klass in range(2):
        arrays["stem_w"][klass, klass] = 1 / (255 * STRIDE**2)
    # tx ty tw th and the object's score are constants, the classes the two means.
    arrays["head_w"] = np.vstack([np.zeros((5, 2)), np.eye(2)]).reshape(7, 2, 1, 1)
    arrays["head_b"] = np.array([0.5, 0.5, 0, 0, 1, 0, 0])
    tensors = [
        numpy_helper.from_array(array.astype(np.float32), name)
        for name, array in arrays.items()
    ]
    shape = numpy_helper.from_array(np.array([0, 7, -1], np.int64), "shape")
    stem: dict[str, Any] = {"strides": [STRIDE, STRIDE]}
    half: dict[str, Any] = {"kernel_shape": [2, 2], "strides": [2, 2]}
    nodes = [
        helper.make_node("Conv", ["x", "stem_w"], ["c3"], "stem", **stem),
        helper.make_node("AveragePool", ["c3"], ["c4"], "down4", **half),
        helper.make_node("AveragePool", ["c4"], ["c5"], "down5", **half),
    ]
    for level in "345":
        operands = [f"c{level}", "head_w", "head_b"]
        nodes += [
            helper.make_node("Conv", operands, [f"h{level}"], f"head{level}"),
            helper.make_node(
                "Reshape", [f"h{level}", "shape"], [f"r{level}"], f"flat{level}"
            ),
        ]
    parts = [f"r{level}" for level in "345"]
    nodes += [
        helper.make_node("Concat", parts, ["all"], "concat", axis=2),
        helper.make_node("Transpose", ["all"], ["y"], "rows", perm=[0, 2, 1]),
    ]
    graph = helper.make_graph(
        nodes,
        "detector",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 3, SIDE, SIDE])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", 84, 7])],
        [*tensors, shape],
    )
    opsets = [helper.make_opsetid("", 17)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=8)


def annotated(images: int, seed: int = 1) -> tuple[list[np.ndarray], dict]:
    """Images as pixels, and their annotations in COCO's form."""
    rng = np.random.default_rng(seed)
    pixels, entries = [], []
    for image in range(images):
        canvas = np.zeros((SIDE, SIDE, 3), np.uint8)
        for cell in rng.choice((SIDE // STRIDE) ** 2, 3, replace=False):
            y, x = (STRIDE * int(part) for part in divmod(cell, SIDE // STRIDE))
            category = int(rng.integers(1, 3))
            canvas[y : y + STRIDE, x : x + STRIDE] = COLOURS[category]
            entries.append(
                {
                    "id": len(entries) + 1,
                    "image_id": image,
                    "category_id": category,
                    "bbox": [x, y, STRIDE, STRIDE],
                }
            )
        pixels.append(canvas)
    info = [
        {"id": image, "file_name": f"{image}.png", "width": SIDE, "height": SIDE}
        for image in range(images)
    ]
    categories = [{"id": key, "name": name} for key, name in NAMES.items()]
    return pixels, {"images": info, "categories": categories, "annotations": entries}


def write_detector(folder: Path, images: int = 5) -> Path:
    """Write model, images, annotations and entries; the path of the model's entry."""
    (folder / "images").mkdir(parents=True)
    pixels, annotations = annotated(images)
    for number, canvas in enumerate(pixels):
        Image.fromarray(canvas).save(folder / "images" / f"{number}.png")
    (folder / "annotations.json").write_text(json.dumps(annotations))
    onnx.save(detector_model(), folder / "detector.onnx")
    (folder / "images.toml").write_text(DATA)
    (folder / "detector.toml").write_text(ENTRY)
    return folder / "detector.toml"
