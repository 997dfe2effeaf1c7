"""trace runs the kernels in order: every tensor equals what the interpreter gives."""

import jax
import jax.numpy as jnp
import numpy as np

from emu.fixedpoint import Carrier
from emu.graph import Graph, select, trace
from tests.graph.samples import graph_of, inputs_of, small_graph
from tests.ops.cases import CASES
from tests.oracles.interpreter import interpret


def assert_traced(graph: Graph, inputs: dict[str, np.ndarray], **options) -> None:
    expected = interpret(graph, inputs)
    with jax.enable_x64(True):
        constants = {k: jnp.asarray(v) for k, v in graph.constants.items()}
        program = jax.jit(lambda c, x: trace(graph, c, x, **options))
        found = program(constants, inputs)
    assert set(found) == set(expected)
    for name, array in expected.items():
        result = np.asarray(found[name])
        assert result.dtype == array.dtype
        if array.dtype == np.float32:
            np.testing.assert_allclose(result, array, rtol=1e-5, atol=1e-5)
        else:
            np.testing.assert_array_equal(result, array, err_msg=name)


def test_many_operators_in_one_program_equal_the_interpreter():
    cases = CASES[::5]
    assert_traced(graph_of(cases), inputs_of(cases))


def test_a_chain_equals_the_interpreter_with_any_carrier():
    x = np.random.default_rng(0).normal(0, 20, (6, 4)).astype(np.float32)
    assert_traced(small_graph(), {"x": x})
    for carrier in Carrier:
        assert_traced(small_graph(), {"x": x}, carriers={"dense": carrier})


def test_select_picks_tensors_by_name():
    tensors = {name: jnp.zeros(1, jnp.float32) for name in "abc"}
    assert list(select(tensors, ["c", "a"])) == ["c", "a"]
