"""lower_stated: a file that states its integers becomes the program it states."""

import numpy as np
import pytest

from emu.calibrate import calibrate
from emu.errors import UnsupportedError
from emu.execute import Program
from emu.fixedpoint import INT8, QParams
from emu.graph import GraphBuilder, Tensor
from emu.ops import (
    Clamp,
    Conv,
    Dequantize,
    Gemm,
    Identity,
    Quantize,
    Relu,
    Rescale,
    Tanh,
)
from emu.quantize import Recipe, is_stated, lower_stated, observations, quantize_graph
from emu.quantize.forms import Calibrated
from emu.quantize.lower import fused_activations
from emu.targets import find_target
from tests.zoo import images, two_convs

TARGET = find_target("generic-int8")
HALF = QParams((0.5,), (3,))
TENTH = QParams((0.1,), (-8,))


def calibrated(graph):
    plan = Recipe()
    return calibrate(graph, [images(graph, 8)], observations(plan, graph, TARGET)), plan


def stated(graph, *, float_edges: bool):
    """The float graph with Quantize/Dequantize pairs as a quantized file has them."""
    calibration, plan = calibrated(graph)
    source = Calibrated(graph, calibration, plan, TARGET)
    fused = {
        node.output
        for node in graph.nodes
        if node.output in fused_activations(graph, source)
    }
    builder = GraphBuilder(graph.name)
    real = {}

    def dequantized(name, form):
        return builder.add(
            Dequantize(qparams=form.qparams), (name,), f"{name}:dequantized"
        )

    def quantized(name, made, form):
        op = Quantize(format=form.format, qparams=form.qparams)
        integers = builder.add(
            op, (made,), name, format=form.format, qparams=form.qparams
        )
        return dequantized(integers, form)

    (entry,) = graph.inputs
    form = source.form(entry)
    shape = graph.tensors[entry].shape
    if float_edges:
        builder.input("x:real", Tensor(shape=shape))
        real[entry] = quantized(entry, "x:real", form)
    else:
        tensor = Tensor(shape=shape, dtype="int8", format=INT8, qparams=form.qparams)
        real[entry] = dequantized(builder.input(entry, tensor), form)
    for node in graph.nodes:
        operands = [real.get(name, name) for name in node.inputs]
        if isinstance(node.op, Conv | Gemm):
            x = source.form(node.inputs[0])
            weights = source.weights(node, x)
            scales = QParams(tuple(weights.scale), (0,) * len(weights.scale), axis=-1)
            products = tuple(x.scale * s for s in weights.scale)
            for index, values, qparams in (
                (1, weights.weights, scales),
                (2, weights.bias, QParams(products, (0,) * len(products), axis=0)),
            ):
                name = builder.constant(node.inputs[index], values)
                operands[index] = builder.add(
                    Dequantize(qparams=qparams), (name,), f"{name}:dequantized"
                )
        made = builder.add(
            node.op,
            tuple(operands),
            f"{node.output}:real",
            name=node.name,
            layer=node.layer,
        )
        if node.output in fused or type(node.op).__name__ in TARGET.operators.float:
            real[node.output] = made
        else:
            real[node.output] = quantized(node.output, made, source.form(node.output))
    return builder.build(tuple(real[name] for name in graph.outputs))


def integers(program, x):
    taps = tuple(
        n.output for n in program.nodes if "int" in program.tensors[n.output].dtype
    )
    return Program(program, len(x), taps)(x)


@pytest.fixture(scope="module")
def network():
    """Two convolutions, what calibration makes of them, and samples."""
    graph = two_convs()
    calibration, plan = calibrated(graph)
    x = images(graph, 5, seed=3)
    want = integers(quantize_graph(graph, calibration, plan, TARGET), x)
    return graph, x, want


@pytest.mark.parametrize("float_edges", [True, False])
def test_a_stated_program_computes_the_integers_of_the_calibrated_one(
    network, float_edges
):
    graph, x, want = network
    program = lower_stated(stated(graph, float_edges=float_edges), TARGET)
    got = integers(program, x if float_edges else want["x:q"])
    for name in ("first.relu", "second"):
        np.testing.assert_array_equal(got[name], want[f"{name}:q"], err_msg=name)
        assert got[name].dtype == want[f"{name}:q"].dtype


def test_only_a_quantized_file_is_stated(network):
    graph, _, _ = network
    file = stated(graph, float_edges=True)
    assert is_stated(file)
    assert not is_stated(graph)
    assert not is_stated(lower_stated(file, TARGET))


def test_the_program_names_its_target(network):
    graph, _, _ = network
    program = lower_stated(stated(graph, float_edges=True), TARGET)
    assert program.provenance["target"] == TARGET.model_dump(mode="json")


class File:
    """A stated graph of one line of layers over int8 values of 6 channels."""

    def __init__(self):
        self.builder = GraphBuilder("file")
        tensor = Tensor(shape=(None, 6), dtype="int8", format=INT8, qparams=HALF)
        self.last = self.builder.input("x", tensor)

    def dequantize(self, qparams=HALF):
        op = Dequantize(qparams=qparams)
        self.last = self.builder.add(op, (self.last,), f"{self.last}:reals")
        return self.last

    def quantize(self, name, qparams=HALF, source=None):
        op = Quantize(format=INT8, qparams=qparams)
        self.last = self.builder.add(
            op, (source or self.last,), name, format=INT8, qparams=qparams
        )
        return self.last

    def layer(self, op, name):
        self.last = self.builder.add(op, (self.last,), name, layer=name)
        return self.last

    def lowered(self, *outputs):
        return lower_stated(self.builder.build(outputs or (self.last,)), TARGET)


def kinds(program):
    return [type(node.op) for node in program.nodes]


CODES = np.array([[-128, -90, -3, 0, 60, 127]], np.int8)


def test_quantizing_again_is_a_rescale():
    file = File()
    file.dequantize()
    program = (file.quantize("y", TENTH), file.lowered())[1]
    assert kinds(program) == [Rescale]
    # One step of HALF is five of TENTH.
    want = np.clip(5 * (CODES.astype(int) - 3) - 8, -128, 127).astype(np.int8)
    np.testing.assert_array_equal(Program(program, 1)(CODES)["y"], want)


def test_quantizing_again_alike_is_nothing():
    file = File()
    file.dequantize()
    file.quantize("y")
    assert kinds(file.lowered()) == []


def test_a_result_that_is_also_read_as_reals_stays_float():
    file = File()
    file.dequantize()
    reals = file.layer(Relu(), "relu")
    file.quantize("y")
    program = file.lowered("y", reals)
    assert kinds(program) == [Dequantize, Relu, Identity, Quantize]


def test_a_layer_between_reals_stays_float():
    file = File()
    file.dequantize()
    file.layer(Tanh(), "tanh")
    assert kinds(file.lowered()) == [Dequantize, Tanh]


def test_reading_by_another_scale_is_refused():
    file = File()
    file.dequantize(TENTH)
    with pytest.raises(UnsupportedError, match="another scale or zero point"):
        file.lowered()


def test_reading_the_integers_themselves_is_refused():
    file = File()
    file.layer(Clamp(low=0, high=9), "clamped")
    with pytest.raises(UnsupportedError, match="reads the integers of 'x'"):
        file.lowered()
