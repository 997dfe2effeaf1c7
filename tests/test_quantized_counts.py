"""Top-1 counts and areas of quantized files: those that the engines themselves reach.

Needs the measuring data (EMU_DATA); what is absent is reported as skipped with that
reason. The wanted figures were measured with LiteRT 2.3.0 and ONNX Runtime 1.31.1
(reference.csv of the data).
"""

import os

import pytest

from emu.evaluate import (
    evaluate_graph,
    find_dataset,
    find_model,
    lower_entry,
    open_model,
)
from emu.targets import find_target

pytestmark = [
    pytest.mark.data,
    pytest.mark.skipif("EMU_DATA" not in os.environ, reason="EMU_DATA is not set"),
]

REFERENCE, OPTIMIZED, XNNPACK = (
    "tflite-reference",
    "tflite-optimized",
    "tflite-xnnpack",
)

# Model, data, target, right answers of all samples.
COUNTS = [
    ("resnet8_int8", "cifar10_ic01", REFERENCE, 173, 200),
    ("kws_int8", "kws01", REFERENCE, 452, 500),
    ("squeezenet_ort_int8", "imagenet_sample", "onnxruntime", 326, 500),
]
SLOW_COUNTS = [
    ("resnet8_int8", "cifar10_ic01", OPTIMIZED, 173, 200),
    ("resnet8_int8", "cifar10_ic01", XNNPACK, 170, 200),
    ("resnet8_int8", "cifar10_jpeg", REFERENCE, 2280, 3000),
    ("resnet8_int8", "cifar10_jpeg", OPTIMIZED, 2278, 3000),
    ("resnet8_int8", "cifar10_jpeg", XNNPACK, 2270, 3000),
    ("resnet8_large_int8", "cifar10_ic01", REFERENCE, 185, 200),
    ("resnet8_large_int8", "cifar10_ic01", OPTIMIZED, 185, 200),
    ("resnet8_large_int8", "cifar10_ic01", XNNPACK, 186, 200),
    ("resnet8_large_int8", "cifar10_jpeg", REFERENCE, 2419, 3000),
    ("resnet8_large_int8", "cifar10_jpeg", OPTIMIZED, 2419, 3000),
    ("resnet8_large_int8", "cifar10_jpeg", XNNPACK, 2430, 3000),
    ("vww_int8", "vww01", REFERENCE, 428, 500),
    ("vww_int8", "vww01", OPTIMIZED, 428, 500),
    ("vww_int8", "vww01", XNNPACK, 429, 500),
    ("kws_int8", "kws01", OPTIMIZED, 452, 500),
    ("kws_int8", "kws01", XNNPACK, 453, 500),
    ("mobilenet_v1_0.25_uint8", "imagenet_sample", REFERENCE, 279, 500),
    ("mobilenet_v1_0.25_uint8", "imagenet_sample", OPTIMIZED, 279, 500),
    ("mobilenet_v1_0.25_uint8", "imagenet_sample", XNNPACK, 281, 500),
    ("mobilenet_v2_uint8", "imagenet_sample", REFERENCE, 436, 500),
    ("mobilenet_v2_uint8", "imagenet_sample", OPTIMIZED, 437, 500),
    ("mobilenet_v2_uint8", "imagenet_sample", XNNPACK, 437, 500),
]
# Model, target, area under the ROC curve to four digits.
AREAS = [
    ("ad_int8", REFERENCE, "0.8466"),
    ("ad_int8", OPTIMIZED, "0.8571"),
    ("ad_int8", XNNPACK, "0.8466"),
]


def counts(model: str, data: str, target: str) -> dict[str, int]:
    entry, graph = open_model(find_model(model))
    program = lower_entry(entry, graph, find_target(target))
    return evaluate_graph(program, entry, find_dataset(data), 64).counts()


@pytest.mark.parametrize(
    ("model", "data", "target", "right", "samples"),
    [*COUNTS, *(pytest.param(*row, marks=pytest.mark.slow) for row in SLOW_COUNTS)],
)
def test_a_quantized_file_gets_right_what_its_engine_does(
    model, data, target, right, samples
):
    found = counts(model, data, target)
    assert (found["top1_correct"], found["n"]) == (right, samples)


@pytest.mark.parametrize(("model", "target", "area"), AREAS)
def test_a_quantized_file_orders_anomalies_as_its_engine_does(model, target, area):
    found = counts(model, "ad01", target)
    assert found["n"] == 62
    assert f"{found['auc_numerator'] / found['auc_denominator']:.4f}" == area
