"""fold_constants: what depends on no input becomes a constant of the same name."""

import numpy as np

from emu.fixedpoint import QParams
from emu.graph import GraphBuilder, Tensor, fold_constants, verify
from emu.ops import Add, Cast, Codebook, Dequantize, IntType, MatMul


def with_codebook(*, outputs: tuple[str, ...] = ()):
    builder = GraphBuilder("g")
    x = builder.input("x", Tensor(shape=(None, 2), dtype="int8"))
    index = builder.constant("index", np.array([[0, 1, 1], [1, 0, 0]], np.uint8))
    levels = builder.constant("levels", np.array([-5, 9], np.int8))
    w = builder.add(Codebook(), (index, levels), "w")
    bias = builder.constant("bias", np.zeros(3, np.int32))
    y = builder.add(MatMul(), (x, w, bias), "y")
    return builder.build((y, *outputs))


def test_weights_of_a_codebook_become_a_constant():
    folded = verify(fold_constants(with_codebook()))
    assert [node.output for node in folded.nodes] == ["y"]
    assert set(folded.constants) == {"w", "bias"}
    expected = np.array([[-5, 9, 9], [9, -5, -5]], np.int8)
    np.testing.assert_array_equal(folded.constants["w"], expected)
    assert folded.constants["w"].dtype == np.int8
    assert fold_constants(folded) is folded


def test_an_output_that_is_constant_keeps_its_name():
    folded = verify(fold_constants(with_codebook(outputs=("w",))))
    assert folded.outputs == ("y", "w")


def test_chains_are_folded_and_reals_are_left():
    builder = GraphBuilder("g")
    x = builder.input("x", Tensor(shape=(None, 2), dtype="int32"))
    a = builder.constant("a", np.array([1, 2], np.int8))
    wide = builder.add(Cast(dtype=IntType.INT32), (a,), "wide")
    twice = builder.add(Add(), (wide, wide), "twice")
    real = builder.add(Dequantize(qparams=QParams((0.5,), (0,))), (a,), "real")
    y = builder.add(Add(), (x, twice), "y")
    folded = fold_constants(builder.build((y, real)))
    assert [node.output for node in folded.nodes] == ["real", "y"]
    np.testing.assert_array_equal(folded.constants["twice"], [2, 4])


def test_a_graph_without_inputs_is_left_alone():
    builder = GraphBuilder("g")
    a = builder.constant("a", np.array([1, 2], np.int32))
    graph = builder.build((builder.add(Add(), (a, a), "y"),))
    assert fold_constants(graph) is graph
