"""What is exported together, and how wide its words are."""

from dataclasses import replace

import numpy as np
import pytest

from emu.export.units import op_name, split, word_format
from emu.ops import KERNELS, Conv2d
from tests.export.programs import changed, convolution, lowered_zoo

FILES = ["input", "weight", "bias", "accumulator", "multiplier", "shift", "expected"]


@pytest.fixture(scope="module")
def program():
    return lowered_zoo()


def test_a_convolution_its_rescale_and_its_clamp_are_one_unit():
    (unit,), floats = split(convolution())
    assert [op_name(node.op) for node in unit.nodes] == ["conv2d", "rescale", "clamp"]
    assert [port.role for port in unit.ports] == FILES
    axes = {port.role: port.axes for port in unit.ports}
    assert (axes["input"], axes["expected"]) == ("n h w ci", "n oh ow co")
    assert floats == ()


def test_what_somebody_else_reads_too_ends_a_unit():
    graph = convolution()
    (first, second, third), _ = split(
        changed(graph, outputs=("y:acc", "y:rescaled", "y"))
    )
    assert [unit.nodes[0].output for unit in (first, second, third)] == [
        "y:acc",
        "y:rescaled",
        "y",
    ]
    assert [port.role for port in first.ports] == [
        "input",
        "weight",
        "bias",
        "expected",
    ]


def test_every_node_is_in_one_unit_or_in_float(program):
    units, floats = split(program)
    names = [node.name for unit in units for node in unit.nodes]
    assert sorted([*names, *(node.name for node in floats)]) == sorted(
        node.name for node in program.nodes
    )
    assert {op_name(node.op) for node in floats} == {
        "quantize",
        "dequantize",
        "softmax",
    }
    assert [unit.number for unit in units] == list(range(len(units)))


def test_every_weighted_layer_of_the_zoo_is_one_unit(program):
    units, _ = split(program)
    found = {
        unit.layer: op_name(unit.nodes[0].op) for unit in units if len(unit.nodes) > 1
    }
    assert (
        found.items()
        >= {
            "stem": "conv2d",
            "deep": "depthwise_conv2d",
            "group": "conv2d",
            "wide": "conv2d",
            "stride": "conv2d",
            "scores": "matmul",
        }.items()
    )


def test_no_unit_has_two_files_of_one_name(program):
    for unit in split(program)[0]:
        roles = [port.role for port in unit.ports]
        assert len(set(roles)) == len(roles), unit.layer


@pytest.mark.parametrize("op", KERNELS, ids=lambda op: op.__name__)
def test_every_operator_has_a_name_that_a_folder_and_a_macro_can_have(op):
    name = op_name(op.__new__(op))
    assert name.isidentifier()
    assert name == name.lower()


def width(graph, role):
    (unit,), _ = split(graph)
    port = next(port for port in unit.ports if port.role == role)
    return str(word_format(graph, unit, port))


def test_weights_are_as_wide_as_the_target_says_if_they_fit():
    graph = convolution()
    narrow = {**graph.constants, "w": graph.constants["w"] // 16}
    target = {"target": {"weight": {"bits": 4}}}
    assert width(graph, "weight") == "int8"
    assert (
        width(changed(graph, provenance=target, constants=narrow), "weight") == "int4"
    )
    assert width(changed(graph, provenance=target), "weight") == "int8"


def test_accumulators_are_as_wide_as_the_register():
    graph = convolution()
    conv, *rest = graph.nodes
    assert isinstance(conv.op, Conv2d)
    op = replace(conv.op, accumulator=replace(conv.op.accumulator, bits=20))
    assert (
        width(changed(graph, nodes=(replace(conv, op=op), *rest)), "accumulator")
        == "int20"
    )


def test_a_constant_without_a_declared_width_has_that_of_its_dtype():
    graph = convolution()
    floats = {**graph.constants, "m": np.ones(4, np.float32)}
    assert width(graph, "bias") == "int32"
    assert width(changed(graph, constants=floats), "multiplier") == "float32"
