"""Program: bits do not depend on jit, batch size or padding; shapes are checked."""

import jax
import numpy as np
import pytest

from emu.errors import DataError
from emu.execute import Program, accumulation_bound, choose_carriers
from emu.fixedpoint import Carrier
from emu.graph import trace
from tests.export.programs import lowered_zoo
from tests.quantize.test_lowering import lowered
from tests.zoo import images, two_convs


@pytest.fixture(scope="module")
def program_graph():
    return lowered_zoo()


def integer_tensors(graph):
    return tuple(
        n.output for n in graph.nodes if "int" in graph.tensors[n.output].dtype
    )


@pytest.fixture(scope="module")
def batch_of_four(program_graph):
    taps = integer_tensors(program_graph)
    program = Program(program_graph, 4, taps)
    return program, program(images(program_graph, 4))


def assert_same(got, want):
    assert got.keys() == want.keys()
    for name, values in want.items():
        assert got[name].dtype == values.dtype, name
        np.testing.assert_array_equal(got[name], values, err_msg=name)


# Without jit each operation is compiled by itself: 40 s. Every time run the
# battery of the kernels, which compares each kernel with itself without jit, and
# tests/export/test_vectors.py, which compares this program with plain NumPy.
@pytest.mark.slow
def test_jit_equals_eager_on_every_integer_tensor(program_graph, batch_of_four):
    _, want = batch_of_four
    with jax.enable_x64(True):
        constants = {
            k: jax.numpy.asarray(v) for k, v in program_graph.constants.items()
        }
        inputs = {"x": jax.numpy.asarray(images(program_graph, 4))}
        eager = trace(program_graph, constants, inputs, choose_carriers(program_graph))
    taps = integer_tensors(program_graph)
    assert_same(
        {name: np.asarray(eager[name]) for name in taps},
        {name: want[name] for name in taps},
    )


def test_one_sample_at_a_time_gives_the_bits_of_the_batch(program_graph, batch_of_four):
    _, want = batch_of_four
    taps = integer_tensors(program_graph)
    single = Program(program_graph, 1, taps)
    x = images(program_graph, 4)
    for i in range(4):
        got = single(x[i : i + 1])
        assert_same({n: got[n] for n in taps}, {n: want[n][i : i + 1] for n in taps})


def test_a_short_batch_is_padded_and_gives_its_own_samples(
    program_graph, batch_of_four
):
    program, want = batch_of_four
    got = program(images(program_graph, 4)[:3])
    assert_same(got, {name: values[:3] for name, values in want.items()})


def test_int64_carriers_give_the_same_integers(program_graph, batch_of_four):
    _, want = batch_of_four
    taps = integer_tensors(program_graph)
    with jax.enable_x64(True):
        constants = {
            k: jax.numpy.asarray(v) for k, v in program_graph.constants.items()
        }
        run = jax.jit(lambda c, x: trace(program_graph, c, {"x": x}))
        found = run(constants, images(program_graph, 4))
    assert_same(
        {name: np.asarray(found[name]) for name in taps},
        {name: want[name] for name in taps},
    )


def test_int8_layers_run_on_int8_carriers(program_graph):
    assert set(choose_carriers(program_graph).values()) == {Carrier.INT8}


def test_the_bound_is_reached_by_the_worst_input(program_graph):
    graph = lowered(two_convs())
    node = next(n for n in graph.nodes if n.output == "second:acc")
    x = graph.tensors[node.inputs[0]]
    weights = graph.constants[node.inputs[1]].astype(np.int64)
    bias = graph.constants[node.inputs[2]].astype(np.int64)
    assert x.format
    assert x.qparams
    zero_point = x.qparams.zero_point[0]
    far = max(x.format.max - zero_point, zero_point - x.format.min)
    sums = np.abs(weights).sum((0, 1, 2)) * far + np.abs(bias)
    assert accumulation_bound(graph, node) == sums.max()


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (np.zeros((2, 4, 4, 3), np.float32), r"expected float32 \[4, 4, 2\]"),
        (np.zeros((2, 4, 4, 2), np.float64), "found float64"),
        (np.zeros((3, 4, 4, 2), np.float32), "3 samples in a batch of 2"),
    ],
)
def test_an_input_that_does_not_fit_is_refused(x, message):
    with pytest.raises(DataError, match=message):
        Program(two_convs(), 2)(x)


def test_batches_of_one_size_compile_once():
    program = Program(two_convs(), 4)
    x = images(two_convs(), 4)
    with jax.log_compiles(False), jax.checking_leaks():
        program(x)
    compiled = []
    jax.monitoring.register_event_duration_secs_listener(
        lambda event, *_, **__: (
            compiled.append(event)
            if event == "/jax/core/compile/backend_compile_duration"
            else None
        )
    )
    try:
        for count in (4, 3, 1):
            program(x[:count])
    finally:
        jax.monitoring.clear_event_listeners()
    assert compiled == []


def test_weights_of_a_codebook_can_be_tapped_and_are_whole():
    settings = {"weight_method": "nuq", "num_steps": 4}
    graph = lowered(two_convs(), everywhere=settings)
    tap = "second:weights"
    (small, large) = (Program(graph, n, (tap,))(images(graph, 1))[tap] for n in (1, 4))
    index, levels = (graph.constants[f"{tap}:{what}"] for what in ("index", "levels"))
    np.testing.assert_array_equal(small, levels[index])
    np.testing.assert_array_equal(large, small)
