"""QONNX operators beside its formulas, on activations and on constants."""

import csv
import os
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from emu.errors import UnsupportedError
from emu.execute import Program
from emu.fixedpoint import IntFormat
from emu.frontends import load_onnx
from emu.graph import Graph, verify
from emu.ops import Dequantize, Quantize
from tests.frontends.run import import_model
from tests.oracles.qonnx import ROUNDINGS, bipolar, quant, trunc_1, trunc_2

F = np.float32
DOMAIN = "qonnx.custom_op.general"
SHAPE = (3, 4, 5, 6)


def array(value: Any) -> np.ndarray:
    return np.array(value, F)


def one(
    kind: str,
    *parameters: np.ndarray,
    domain: str = DOMAIN,
    constant: np.ndarray | None = None,
    **attributes: Any,
) -> onnx.ModelProto:
    """A model of one operator, of the input x or of a constant that x multiplies."""
    names = [f"p{i}" for i in range(len(parameters))]
    held = dict(zip(names, parameters, strict=True))
    source, made = ("x", "y") if constant is None else ("c", "q")
    node = helper.make_node(
        kind, [source, *names], [made], name="node", domain=domain, **attributes
    )
    nodes = [node]
    if constant is not None:
        held["c"] = constant
        nodes.append(helper.make_node("Mul", ["x", "q"], ["y"], name="mul"))
    shape = ["N", *SHAPE[1:]]
    graph = helper.make_graph(
        nodes,
        "one",
        [helper.make_tensor_value_info("x", 1, shape)],
        [helper.make_tensor_value_info("y", 1, shape)],
        [numpy_helper.from_array(a, n) for n, a in held.items()],
    )
    opsets = [helper.make_opsetid("", 13)]
    if domain:
        opsets.append(helper.make_opsetid(domain, 1))
    return helper.make_model(graph, opset_imports=opsets, ir_version=8)


def values(seed: int = 0) -> np.ndarray:
    """Normal numbers, and many halves of the scale 0.25."""
    rng = np.random.default_rng(seed)
    x = (rng.standard_normal(SHAPE) * 2).astype(F)
    x[:, ::2] = np.round(x[:, ::2] * 8) / 8
    return x


def run(graph: Graph, x: np.ndarray) -> np.ndarray:
    return Program(verify(graph), len(x))(x)["y"]


@pytest.mark.parametrize("rounding", ROUNDINGS)
@pytest.mark.parametrize("bits", [1, 3, 8])
@pytest.mark.parametrize("signed", [True, False])
@pytest.mark.parametrize("narrow", [True, False])
def test_quant_equals_its_formula(bits, signed, narrow, rounding):
    kinds = {"signed": signed, "narrow": narrow, "rounding": rounding}
    attributes = {
        "signed": int(signed),
        "narrow": int(narrow),
        "rounding_mode": rounding,
    }
    scale, zero = array(0.25), array(0)
    x = values()
    expected = quant(x, scale, zero, bits, **kinds)
    parameters = (scale, zero, array(bits))
    graph = import_model(one("Quant", *parameters, **attributes))
    np.testing.assert_array_equal(run(graph, x), expected)
    constant = x[:1]
    held = import_model(one("IntQuant", *parameters, constant=constant, **attributes))
    found = run(held, np.ones(SHAPE, F))
    np.testing.assert_array_equal(found[:1], expected[:1])
    assert [a.dtype.kind for a in held.constants.values()] == ["i" if signed else "u"]


@pytest.mark.parametrize("zero", [3, -5])
def test_the_zero_point_is_added_before_rounding(zero):
    x, scale = values(), array(0.25)
    expected = quant(
        x, scale, array(zero), 8, signed=True, narrow=False, rounding="ROUND"
    )
    parameters = (scale, array(zero), array(8))
    model = one("Quant", *parameters, signed=1, narrow=0, rounding_mode="ROUND")
    np.testing.assert_array_equal(run(import_model(model), x), expected)


@pytest.mark.parametrize("shape", [(1, 4, 1, 1), (4, 1, 1), (1, 1, 1, 6), (6,)])
def test_scales_follow_their_axis(shape):
    scale = np.linspace(0.1, 0.7, int(np.prod(shape))).astype(F).reshape(shape)
    x = values()
    kinds: dict[str, Any] = {"signed": True, "narrow": True, "rounding": "ROUND"}
    expected = quant(x, scale, array(0), 4, **kinds)
    model = one("Quant", scale, array(0), array(4), signed=1, narrow=1)
    np.testing.assert_array_equal(run(import_model(model), x), expected)


def test_bipolar_quant_is_the_sign_times_the_scale():
    scale, x = array(0.3), values()
    x[0, 0, 0, :2] = 0.0, -0.0
    model = one("BipolarQuant", scale)
    graph = import_model(model)
    np.testing.assert_array_equal(run(graph, x), bipolar(x, scale))
    held = import_model(one("BipolarQuant", scale, constant=x[:1]))
    found = run(held, np.ones(SHAPE, F))
    np.testing.assert_array_equal(found[:1], bipolar(x[:1], scale))
    assert {a.dtype for a in held.constants.values()} == {np.dtype(np.int8)}


@pytest.mark.parametrize("rounding", ["FLOOR", "CEIL", "ROUND"])
def test_trunc_keeps_the_upper_bits(rounding):
    scale, x = array(0.1), values() * F(10)
    x = (np.round(x / scale) * scale).astype(F)
    model = one("Trunc", scale, array(0), array(10), array(6), rounding_mode=rounding)
    expected = trunc_1(x, scale, 4, rounding)
    np.testing.assert_array_equal(run(import_model(model), x), expected)


@pytest.mark.parametrize("rounding", ["FLOOR", "CEIL", "ROUND"])
@pytest.mark.parametrize(("signed", "narrow"), [(True, True), (False, False)])
def test_trunc_with_an_output_scale_clips(rounding, signed, narrow):
    scale, result, x = array(0.1), array(0.8), values() * F(10)
    x = (np.round(x / scale) * scale).astype(F)
    kinds = {"signed": signed, "narrow": narrow, "rounding": rounding}
    model = one(
        "Trunc",
        *(scale, array(0), array(10), result, array(4)),
        rounding_mode=rounding,
        signed=int(signed),
        narrow=int(narrow),
    )
    expected = trunc_2(x, scale, result, 4, **kinds)
    np.testing.assert_array_equal(run(import_model(model), x), expected)


@pytest.mark.parametrize("domain", ["", "onnx.brevitas", "finn.custom_op.general"])
def test_the_operators_are_known_in_their_older_domains(domain):
    model = one("Quant", array(0.5), array(0), array(3), domain=domain, signed=0)
    graph = import_model(model)
    (quantize,) = (n.op for n in graph.nodes if isinstance(n.op, Quantize))
    assert quantize.format == IntFormat(3, signed=False)


@pytest.mark.parametrize(
    ("model", "reason"),
    [
        (one("Quant", array(0.5), array(0.5), array(3)), "no integers"),
        (one("Quant", array(0.5), array(0), array(2.5)), "bit width of 2.5"),
        (one("Quant", array(0.5), array(0), array(33)), "bit width of 33"),
        (one("Quant", np.ones((1, 4, 5, 1), F), array(0), array(3)), "several axes"),
        (
            one("Quant", array(0.5), array(0), array(3), rounding_mode="UP"),
            "rounding_mode UP",
        ),
        (
            one("Trunc", array(0.5), array(2), array(8), array(4)),
            "a zero point",
        ),
    ],
)
def test_forms_that_cannot_be_stated_say_why(model, reason):
    with pytest.raises(UnsupportedError, match=f"'node'.*{reason}"):
        import_model(model)


@pytest.mark.data
@pytest.mark.skipif("EMU_DATA" not in os.environ, reason="EMU_DATA is not set")
def test_the_keyword_model_classifies_as_the_board_and_qonnx_do():
    """Top-1 of QONNX's own execution, and the FPGA's log; preprocessing of the README."""
    data = Path(os.environ["EMU_DATA"])
    graph = load_onnx(data / "models" / "kws_w3a3.qonnx.onnx")
    held = [n.op for n in graph.nodes if isinstance(n.op, Dequantize)]
    assert len(held) == 8
    archive = np.load(data / "datasets" / "kws01.npz")
    x = (archive["x"].astype(F) - 83) * F(0.5847029)
    images = np.ascontiguousarray(x.reshape(-1, 49, 10).transpose(0, 2, 1)[:, None])
    scores = Program(graph, 500)(images)[graph.outputs[0]]
    assert int((scores.argmax(1) == archive["y"]).sum()) == 414
    log = data / "datasets" / "hardware_logs" / "pynq_z2__kws_w3a3.csv"
    with log.open() as file:
        rows = [row for row in csv.DictReader(file) if int(row["index"]) >= 0]
    chosen = [np.argmax([float(row[f"v{i}"]) for i in range(12)]) for row in rows]
    ours = scores.argmax(1)[[int(row["index"]) for row in rows]]
    assert (len(rows), int((ours == chosen).sum())) == (500, 475)
