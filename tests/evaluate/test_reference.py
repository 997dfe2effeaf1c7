"""The counts that ONNX Runtime reached elsewhere, reached again by this loop."""

import os

import numpy as np
import onnxruntime as ort
import pytest

from emu.evaluate import ClassifyResult, find_dataset, find_model
from emu.evaluate.loop import evaluate

pytestmark = [
    pytest.mark.data,
    pytest.mark.skipif(not os.environ.get("EMU_DATA"), reason="EMU_DATA is not set"),
]


def run(model, data, batch_size):
    entry = find_model(model)
    options = ort.SessionOptions()
    options.log_severity_level = 3
    session = ort.InferenceSession(entry.file, options)
    name = session.get_inputs()[0].name
    return evaluate(
        lambda x: np.asarray(session.run(None, {name: x})[0]),
        find_dataset(data),
        preprocess=entry.preprocess,
        label_offset=entry.label_offset,
        task=entry.task,
        batch_size=batch_size,
    )


@pytest.mark.parametrize(
    ("model", "data", "batch_size", "n", "top1", "top5"),
    [
        ("resnet8", "cifar10_ic01", 32, 200, 171, None),
        ("resnet8_large", "cifar10_ic01", 32, 200, 186, None),
        ("vww", "vww01", 32, 500, 430, None),
        ("kws", "kws01", 32, 500, 452, None),
        pytest.param(
            "resnet8", "cifar10_jpeg", 100, 3000, 2284, None, marks=pytest.mark.slow
        ),
        pytest.param(
            "mobilenet_v1_0.25",
            "imagenet_sample",
            32,
            500,
            285,
            397,
            marks=pytest.mark.slow,
        ),
        # These two files have a fixed batch of 1.
        pytest.param(
            "squeezenet",
            "imagenet_sample",
            1,
            500,
            328,
            432,
            marks=pytest.mark.slow,
        ),
        pytest.param(
            "mnist", "mnist_t10k", 1, 10_000, 9891, None, marks=pytest.mark.slow
        ),
    ],
)
def test_fp32_counts_are_those_of_the_reference(model, data, batch_size, n, top1, top5):
    result = run(model, data, batch_size)
    assert isinstance(result, ClassifyResult)
    assert (result.n, result.top1_correct) == (n, top1)
    assert top5 is None or result.top5_correct == top5


def test_the_area_under_the_roc_curve_is_that_of_the_reference():
    result = run("ad", "ad01", 256)
    assert result.counts() == {"n": 62, "auc_numerator": 1764, "auc_denominator": 1890}


@pytest.mark.parametrize(
    "model",
    [
        "resnet8",
        "resnet8_large",
        "vww",
        "kws",
        "ad",
        "mobilenet_v1_0.25",
        "squeezenet",
        "mnist",
    ],
)
def test_calibration_and_evaluation_share_no_sample(model):
    entry = find_model(model)
    assert entry.data is not None
    assert entry.calibration is not None
    data, calibration = find_dataset(entry.data), find_dataset(entry.calibration)
    assert not set(data.ids) & set(calibration.ids)


def test_resnet8_is_calibrated_on_no_image_that_is_evaluated():
    """Of 3000 images 54 are also in `data`, as JPEG: all within 220 in mean square,
    all others beyond 700."""
    entry = find_model("resnet8")
    assert entry.data is not None
    assert entry.calibration is not None

    def rows(ref):
        data = find_dataset(ref)
        return np.stack([data.load(i).ravel() for i in range(len(data))]).astype(float)

    evaluated, calibration = rows(entry.data), rows(entry.calibration)
    for image in calibration:
        assert ((evaluated - image) ** 2).mean(axis=1).min() > 500
