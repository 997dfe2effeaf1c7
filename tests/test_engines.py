"""Real quantized files, every tensor bit for bit against the engines that run them.

Needs the measuring data (EMU_DATA); what is absent is reported as skipped with that
reason.
"""

import os

import pytest

from emu.compare import AgainstReport
from emu.evaluate import find_model, lower_entry, open_model
from emu.evaluate.against import compare_against
from emu.targets import find_target

pytestmark = [
    pytest.mark.data,
    pytest.mark.skipif("EMU_DATA" not in os.environ, reason="EMU_DATA is not set"),
]

REFERENCE = ("tflite-reference", "litert-ref")
OPTIMIZED = ("tflite-optimized", "litert")
XNNPACK = ("tflite-xnnpack", "litert-xnnpack")
FUSED = ("onnxruntime", "onnxruntime-optimized")

# Samples of a quick look at a model, and the models whose every kernel set takes one;
# all others are marked slow.
QUICK = 8
SMALL = ("resnet8_int8", "vww_int8", "kws_int8", "ad_int8")
# Operators of other models, only more of them; the suites measure these too.
LARGE = (
    "resnet8_large_int8",
    "mobilenet_v1_0.25_uint8",
    "mobilenet_v2_uint8",
    "ssd_mobilenet_v1_uint8",
)
# Model, (target, engine), real samples, tensors that must be compared at least.
CASES = [
    ("resnet8_int8", REFERENCE, 64, 16),
    ("resnet8_int8", OPTIMIZED, 64, 16),
    ("resnet8_int8", XNNPACK, 64, 1),
    ("resnet8_large_int8", REFERENCE, 64, 16),
    ("resnet8_large_int8", OPTIMIZED, 64, 16),
    ("resnet8_large_int8", XNNPACK, 64, 1),
    ("vww_int8", REFERENCE, 64, 31),
    ("vww_int8", OPTIMIZED, 64, 31),
    ("vww_int8", XNNPACK, 64, 1),
    ("kws_int8", REFERENCE, 64, 13),
    ("kws_int8", OPTIMIZED, 64, 13),
    ("kws_int8", XNNPACK, 64, 1),
    ("ad_int8", REFERENCE, 64, 10),
    ("ad_int8", OPTIMIZED, 64, 10),
    ("ad_int8", XNNPACK, 64, 1),
    ("mobilenet_v1_0.25_uint8", REFERENCE, 8, 31),
    ("mobilenet_v1_0.25_uint8", OPTIMIZED, 8, 31),
    ("mobilenet_v1_0.25_uint8", XNNPACK, 8, 1),
    ("mobilenet_v2_uint8", REFERENCE, 8, 65),
    ("mobilenet_v2_uint8", OPTIMIZED, 8, 65),
    ("mobilenet_v2_uint8", XNNPACK, 8, 1),
    ("ssd_mobilenet_v1_uint8", REFERENCE, 8, 60),
    ("ssd_mobilenet_v1_uint8", OPTIMIZED, 8, 60),
    ("ssd_mobilenet_v1_uint8", XNNPACK, 8, 4),
    ("squeezenet_ort_int8", FUSED, 8, 42),
]


def is_quick(model: str, pair: tuple[str, str], samples: int) -> bool:
    usual = pair in (REFERENCE, FUSED) and model not in LARGE
    return samples <= QUICK and (model in SMALL or usual)


def compared(model: str, pair: tuple[str, str], samples: int) -> AgainstReport:
    target, engine = pair
    entry, graph = open_model(find_model(model))
    program = lower_entry(entry, graph, find_target(target))
    # The autoencoder's samples are 196 rows each.
    data = f"{entry.data}[:1]" if model == "ad_int8" else None
    report, _ = compare_against(
        program, entry, engine, data=data, samples=samples, batch_size=samples
    )
    assert report.samples >= samples
    return report


@pytest.mark.parametrize(
    ("model", "pair", "samples", "least"),
    [
        pytest.param(
            model,
            pair,
            count,
            least,
            id=f"{model}-{pair[1]}-{count}",
            marks=[] if is_quick(model, pair, count) else [pytest.mark.slow],
        )
        for model, pair, samples, least in CASES
        for count in sorted({QUICK, samples})
    ],
)
def test_every_tensor_of_a_quantized_file_equals_the_engines(
    model, pair, samples, least
):
    report = compared(model, pair, samples)
    assert len(report.rows) >= least
    assert {row.name: row.differing for row in report.rows if row.differing} == {}


def test_without_optimizations_onnxruntime_computes_qdq_files_in_float():
    """So a float32 sum that should be half-way between two steps may go either way.

    That is seen first in single elements, off by one; later layers spread it.
    """
    report = compared("squeezenet_ort_int8", ("onnxruntime", "onnxruntime"), 4)
    first = report.first_divergence
    assert first
    assert first.max_lsb == 1
    assert first.differing <= 1e-5 * first.elements
