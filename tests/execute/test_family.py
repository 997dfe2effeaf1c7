"""Family: programs of one structure share code, and every bit stays as it was."""

from dataclasses import replace

import jax
import numpy as np
import pytest

from emu.calibrate import Calibration, Range
from emu.execute import Family, Program
from emu.fixedpoint import QuantizeRule
from emu.graph import numbers_of, structure
from emu.ops import Quantize
from emu.quantize import Recipe, quantize_graph
from emu.targets import find_target
from tests.zoo import every_layer, images, two_convs

GENERIC = find_target("generic-int8")


def clipped(high: float, low: float = -1.0, graph=None):
    """A network with all activations clipped to [low, high]."""
    graph = graph or two_convs()
    ranges = {name: Range(low=low, high=high) for name in graph.tensors}
    return quantize_graph(graph, Calibration(ranges=ranges), Recipe(), GENERIC)


def integers(graph):
    return tuple(
        n.output for n in graph.nodes if "int" in graph.tensors[n.output].dtype
    )


def assert_same_as_alone(family, graph):
    x, taps = images(graph, 3), integers(graph)
    got = Program(graph, 4, taps, family=family)(x)
    want = Program(graph, 4, taps)(x)
    assert got.keys() == want.keys()
    for name, values in want.items():
        assert got[name].dtype == values.dtype, name
        np.testing.assert_array_equal(got[name], values, err_msg=name)


def test_programs_that_differ_in_clipping_compile_once_and_keep_their_bits():
    family = Family()
    for high, low in ((1.0, -1.0), (2.5, -1.25), (0.75, -0.1)):
        assert_same_as_alone(family, clipped(high, low))
    assert family.compiled == 1


def test_every_kind_of_layer_keeps_its_bits_in_a_family():
    assert_same_as_alone(Family(), clipped(2.5, -1.25, every_layer()))


def test_a_second_program_of_a_family_compiles_nothing():
    family = Family()
    first, second = clipped(1.0), clipped(1.5)
    x = images(first, 4)
    Program(first, 4, family=family)(x)
    compiled = []
    program = Program(second, 4, family=family)
    jax.monitoring.register_event_duration_secs_listener(
        lambda event, *_, **__: (
            compiled.append(event)
            if event == "/jax/core/compile/backend_compile_duration"
            else None
        )
    )
    try:
        program(x)
    finally:
        jax.monitoring.clear_event_listeners()
    assert compiled == []


@pytest.mark.parametrize("rule", QuantizeRule, ids=lambda rule: rule.value)
def test_every_rule_of_quantizing_gives_the_same_codes_in_a_family(rule):
    graph = clipped(1.0)
    nodes = tuple(
        replace(node, op=replace(node.op, rule=rule))
        if isinstance(node.op, Quantize)
        else node
        for node in graph.nodes
    )
    assert_same_as_alone(Family(), replace(graph, nodes=nodes))


def test_another_number_is_the_same_structure_and_another_layer_is_not():
    one, other = clipped(1.0), clipped(3.0)
    assert numbers_of(one) != numbers_of(other)
    assert structure(one) == structure(other)
    shorter = replace(one, nodes=one.nodes[:-1])
    assert structure(one) != structure(shorter)


def test_a_graph_keeps_its_own_numbers_when_a_family_runs_it():
    graph = clipped(1.0)
    before = numbers_of(graph)
    Program(graph, 2, family=Family())(images(graph, 2))
    assert numbers_of(graph) == before
