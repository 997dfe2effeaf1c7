"""Real detectors in other engines: what they find lies where people have marked it."""

import json
import os
from pathlib import Path

import numpy as np
import onnxruntime as ort
import pytest
from ai_edge_litert.interpreter import Interpreter, OpResolverType
from PIL import Image
from pydantic import TypeAdapter

from emu.evaluate import DetectResult, find_dataset, find_model
from emu.evaluate.detect.decode import Decoder, detect, raw_boxes
from emu.evaluate.detect.ssd import Ssd
from emu.evaluate.engine import evaluate_engine
from emu.evaluate.preprocess import Preprocess
from tests.oracles.nms import overlap

pytestmark = [
    pytest.mark.data,
    pytest.mark.skipif(not os.environ.get("EMU_DATA"), reason="EMU_DATA is not set"),
]

# COCO numbers its 80 categories from 1 to 90; these of 0 to 89 are no category.
ABSENT = (11, 25, 28, 29, 44, 65, 67, 68, 70, 82)
# Of COCO's metric: objects of more than 96 x 96 pixels.
LARGE = 96**2

DETECTORS = {
    "yolox_nano_416_fp32.onnx": (
        [
            {"op": "letterbox", "size": [416, 416]},
            {"op": "channels", "order": "BGR"},
            {"op": "layout", "to": "NCHW"},
        ],
        {
            "kind": "yolox",
            "size": [416, 416],
            "score_threshold": 0.001,
            "iou_threshold": 0.65,
        },
    ),
    # The names of this file's outputs are mixed up: they are in the order of shapes.
    "nanodet_m_320_fp32.onnx": (
        [
            {
                "op": "letterbox",
                "size": [320, 320],
                "align": "center",
                "pad": 0,
                "rounding": "nearest",
                "boxes_by": "sizes",
            },
            {"op": "channels", "order": "BGR"},
            {
                "op": "normalize",
                "sub": [103.53, 116.28, 123.675],
                "div": [57.375, 57.12, 58.395],
            },
            {"op": "layout", "to": "NCHW"},
        ],
        {
            "kind": "nanodet",
            "size": [320, 320],
            "scores": ["cls_score0", "bbox_pred0", "cls_score1"],
            "boxes": ["bbox_pred1", "cls_score2", "bbox_pred2"],
            "score_threshold": 0.05,
            "iou_threshold": 0.6,
        },
    ),
    "ssd_mobilenet_v1_300_uint8.tflite": (
        [{"op": "resize", "size": [300, 300]}],
        {"kind": "detections", "size": [300, 300], "absent": ABSENT},
    ),
}


def data(*parts):
    return Path(os.environ["EMU_DATA"]).joinpath(*parts)


def annotations():
    text = data("datasets", "coco_val128", "annotations", "instances_val128.json")
    return json.loads(text.read_text())


def image(name):
    with Image.open(data("datasets", "coco_val128", "images", name)) as opened:
        return np.asarray(opened.convert("RGB"))


def interpreter(name, **options):
    built = Interpreter(str(data("models", name)), **options)
    built.allocate_tensors()
    return built


def runner(name):
    """From a prepared image to the model's outputs by name."""
    if name.endswith(".onnx"):
        session = ort.InferenceSession(data("models", name))
        names = [one.name for one in session.get_outputs()]
        feed = session.get_inputs()[0].name
        return lambda x: dict(
            zip(names, map(np.asarray, session.run(None, {feed: x})), strict=True)
        )
    lite = interpreter(name)

    def run(x):
        lite.set_tensor(lite.get_input_details()[0]["index"], x.astype(np.uint8))
        lite.invoke()
        found = lite.get_output_details()
        return {one["name"]: lite.get_tensor(one["index"]).copy() for one in found}

    return run


def found_objects(name, many, **changes):
    """Large objects found with an overlap over 0.5 and the right class, and all."""
    steps, settings = DETECTORS[name]
    preprocess = Preprocess.model_validate(steps)
    decoder = TypeAdapter(Decoder).validate_python({**settings, **changes})
    run, truth = runner(name), annotations()
    position = {one["id"]: i for i, one in enumerate(truth["categories"])}
    found = total = 0
    for info in truth["images"][:many]:
        pixels = image(info["file_name"])
        placement = preprocess.placement(*pixels.shape[:2])
        (got,) = detect(decoder, run(preprocess.apply(pixels)[None]), [placement])
        assert (np.diff(got.scores) <= 0).all()
        assert (got.boxes >= 0).all()
        assert (got.boxes <= np.tile(pixels.shape[1::-1], 2)).all()
        for thing in truth["annotations"]:
            if thing["image_id"] != info["id"] or thing["area"] <= LARGE:
                continue
            x, y, w, h = thing["bbox"]
            box = np.array([x, y, x + w, y + h], np.float32)
            right = got.classes == position[thing["category_id"]]
            sure = right & (got.scores > 0.3)
            found += any(overlap(box, other) > 0.5 for other in got.boxes[sure])
            total += 1
    return found, total


# Most of the 24 large objects of the first 12 images, and of the 242 of all images (by
# ONNX Runtime and LiteRT 23, 22, 22 and 193, 199, 204). A wrong decoding finds few.
@pytest.mark.parametrize(
    ("name", "least"),
    [
        ("yolox_nano_416_fp32.onnx", 22),
        ("nanodet_m_320_fp32.onnx", 21),
        ("ssd_mobilenet_v1_300_uint8.tflite", 21),
    ],
)
def test_a_real_detector_finds_large_objects(name, least):
    found, total = found_objects(name, 12)
    assert total == 24
    assert found >= least


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "least"),
    [
        ("yolox_nano_416_fp32.onnx", 190),
        ("nanodet_m_320_fp32.onnx", 196),
        ("ssd_mobilenet_v1_300_uint8.tflite", 201),
    ],
)
def test_a_real_detector_finds_large_objects_of_all_images(name, least):
    found, total = found_objects(name, 128)
    assert total == 242
    assert found >= least


@pytest.mark.parametrize(
    "name", ["yolox_nano_416_fp32.onnx", "nanodet_m_320_fp32.onnx"]
)
def test_decoding_by_tables_loses_few_objects(name):
    assert found_objects(name, 12, tables=True)[0] >= 21


# AP, AP50, AP of small, medium and large objects, from the measuring data's README.
@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("yolox_nano", [0.3426, 0.5041, 0.1525, 0.3433, 0.5482]),
        ("nanodet_m", [0.2914, 0.4392, 0.1199, 0.2589, 0.5260]),
    ],
)
def test_opencvs_resizing_gives_the_reference_figures_of_opencv(name, expected):
    entry = find_model(name)
    letterbox, *others = entry.preprocess.model_dump(mode="json")["steps"]
    steps = [{**letterbox, "filter": "opencv-bilinear"}, *others]
    changed = entry.model_copy(update={"preprocess": Preprocess.model_validate(steps)})
    data = find_dataset("coco_val128")
    result = evaluate_engine("onnxruntime-optimized", changed, data)
    assert isinstance(result, DetectResult)
    ap = result.ap
    found = [ap.ap, ap.ap50, ap.ap_small, ap.ap_medium, ap.ap_large]
    assert [round(value, 4) for value in found] == expected


def test_raw_heads_of_a_real_ssd_hold_the_detections_of_its_graph():
    lite = interpreter(
        "ssd_mobilenet_v1_300_uint8.tflite",
        experimental_op_resolver_type=OpResolverType.BUILTIN_REF,
        experimental_preserve_all_tensors=True,
    )
    step = Preprocess.model_validate([{"op": "resize", "size": [300, 300]}])
    pixels = step.apply(image(annotations()["images"][0]["file_name"]))
    lite.set_tensor(lite.get_input_details()[0]["index"], pixels[None].astype("u1"))
    lite.invoke()
    details = {one["name"]: one for one in lite.get_tensor_details()}

    def real(name):
        scale, zero_point = details[name]["quantization"]
        whole = lite.get_tensor(details[name]["index"]).astype(np.float32)
        return ((whole - zero_point) * scale).astype(np.float32)

    decoder = Ssd(
        size=(300, 300), boxes="Squeeze", scores="convert_scores", activation="none"
    )
    raw = raw_boxes(decoder, {name: real(name) for name in decoder.outputs()})
    boxes, scores = np.asarray(raw.boxes[0]), np.asarray(raw.scores[0])
    outputs = [lite.get_tensor(one["index"]) for one in lite.get_output_details()]
    for box, label, score in zip(*(part[0] for part in outputs[:3]), strict=True):
        theirs = box[[1, 0, 3, 2]] * 300
        same = np.isclose(scores[:, int(label)], score, rtol=0, atol=1e-6)
        # The file's anchors are quantized in steps of 2 pixels, ours are not.
        assert np.abs(boxes[same] - theirs).max(axis=1).min() < 3
