"""Outputs that boards logged in MLPerf Tiny runs, replayed sample by sample.

Needs the measuring data (EMU_DATA); what is absent is reported as skipped with that
reason. The logs hold three decimals of multiples of 1/256, so each is one integer.
"""

import csv
import os
from pathlib import Path

import numpy as np
import pytest

from emu.evaluate import find_dataset, find_model, lower_entry, model_inputs, open_model
from emu.execute import Program
from emu.fixedpoint import RescaleScheme
from emu.graph import with_real_edges
from emu.targets import ScaleProduct, Target, find_target

pytestmark = [
    pytest.mark.data,
    pytest.mark.skipif("EMU_DATA" not in os.environ, reason="EMU_DATA is not set"),
]

# Log, model, target, samples that we have, those with all outputs equal.
CASES = [
    ("nucleo_l4r5zi__ic", "resnet8_int8", "tflite-xnnpack", 200, 200),
    ("nucleo_l4r5zi__kws", "kws_int8", "tflite-xnnpack", 500, 500),
    ("nucleo_l4r5zi__vww", "vww_int8", "tflite-xnnpack", 500, 497),
    ("nucleo_l4r5zi__ic", "resnet8_int8", "exact-product", 200, 200),
    ("nucleo_l4r5zi__kws", "kws_int8", "exact-product", 500, 500),
    ("nucleo_l4r5zi__vww", "vww_int8", "exact-product", 500, 500),
    ("andes_d25__kws", "kws_int8", "tflite-optimized", 500, 500),
]


def target_of(name: str) -> Target:
    """A built-in target; or XNNPACK's with products that are not rounded.

    The board's kernels have XNNPACK's float32 scales, but its sums meet them in an
    exact product, rounded once: that is the rule behind the three samples of vww
    which XNNPACK itself does not give.
    """
    if name != "exact-product":
        return find_target(name)
    xnnpack = find_target("tflite-xnnpack")
    rescale = xnnpack.rescale.model_copy(
        update={
            "scheme": RescaleScheme.SINGLE_ROUND,
            "product": ScaleProduct.FLOAT32,
        }
    )
    return xnnpack.model_copy(update={"name": name, "rescale": rescale})


def logged(name: str) -> tuple[np.ndarray, np.ndarray]:
    """Positions in our dataset, and the logged outputs in units of 1/256."""
    path = Path(os.environ["EMU_DATA"]) / "datasets" / "hardware_logs" / f"{name}.csv"
    with path.open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if int(row["index"]) >= 0]
    values = [[float(v) for k, v in row.items() if k.startswith("v")] for row in rows]
    positions = np.array([int(row["index"]) for row in rows])
    return positions, np.rint(256 * np.array(values)).astype(np.int64)


def outputs(model: str, target: Target) -> np.ndarray:
    """The integer outputs of every sample, counted from the format's lowest value."""
    entry, graph = open_model(find_model(model))
    graph = lower_entry(entry, graph, target)
    (result,) = graph.outputs
    fmt = graph.tensors[result].format
    assert fmt
    program = Program(with_real_edges(graph), 100, (result,))
    batches = model_inputs(find_dataset(str(entry.data)), entry, 100)
    found = np.concatenate([program(x)[result] for x in batches])
    return found.astype(np.int64) - fmt.min


@pytest.mark.parametrize(
    ("log", "model", "target", "samples", "equal"),
    CASES,
    ids=[f"{log}-{target}" for log, _, target, _, _ in CASES],
)
def test_a_program_gives_what_the_board_logged(log, model, target, samples, equal):
    positions, wanted = logged(log)
    assert len(positions) == samples
    found = outputs(model, target_of(target))[positions]
    assert found.shape == wanted.shape
    assert int((found == wanted).all(axis=1).sum()) == equal


def test_the_fpga_chooses_the_classes_of_its_qonnx_model():
    """The build logs a 1 for the chosen class; on 25 samples it is another than qonnx
    itself gives (README of the data)."""
    positions, wanted = logged("pynq_z2__kws_w3a3")
    entry, graph = open_model(find_model("kws_w3a3"))
    program = Program(lower_entry(entry, graph, find_target("onnxruntime")), 100)
    dataset = find_dataset(str(entry.data))
    batches = model_inputs(dataset, entry, 100)
    scores = np.concatenate([program(x)[graph.outputs[0]] for x in batches])
    chosen = scores.reshape(len(scores), -1).argmax(axis=1)
    assert len(positions) == 500
    assert int((chosen == dataset.labels).sum()) == 414
    assert int((chosen[positions] == wanted.argmax(axis=1)).sum()) == 475
