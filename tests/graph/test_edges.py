"""Real edges: integer inputs and outputs become real ones, and nothing else changes."""

import numpy as np
import pytest

from emu.execute import Program
from emu.fixedpoint import INT8, UINT8, IntFormat, QParams
from emu.graph import Graph, GraphBuilder, Tensor, verify, with_real_edges
from emu.ops import Relu, Reshape

CODE = QParams((0.5,), (3,))


def integer_graph(fmt: IntFormat = INT8, source: str = "tflite") -> Graph:
    """Integers [4] in, the same integers [2, 2] out."""
    builder = GraphBuilder("whole")
    dtype = str(fmt.dtype)
    x = Tensor(shape=(None, 4), dtype=dtype, format=fmt, qparams=CODE)
    builder.input("x", x)
    op = Reshape(shape=(2, 2))
    builder.add(op, ("x",), "y", layer="y", format=fmt, qparams=CODE)
    return builder.build(("y",), {"format": source})


def test_reals_go_in_and_come_out():
    graph = with_real_edges(integer_graph())
    verify(graph)
    assert (graph.inputs, graph.outputs) == (("x:real",), ("y:dequantized",))
    x = np.array([[-1.5, 0.0, 0.5, 1e9]], np.float32)
    found = Program(graph, 1, ("x", "y"))(x)
    np.testing.assert_array_equal(found["x"], np.array([[0, 3, 4, 127]], np.int8))
    np.testing.assert_array_equal(found["y"], found["x"].reshape(1, 2, 2))
    reals = np.array([[[-1.5, 0.0], [0.5, 62.0]]], np.float32)
    np.testing.assert_array_equal(found["y:dequantized"], reals)


@pytest.mark.parametrize(
    ("source", "expected"),
    [("tflite", [2, 4, 5, 1]), ("onnx", [3, 3, 5, 1])],
)
def test_halves_are_rounded_as_the_files_own_engine_does(source, expected):
    graph = with_real_edges(integer_graph(UINT8, source))
    halves = np.array([[-0.25, 0.25, 0.75, -0.75]], np.float32)
    found = Program(graph, 1, ("x",))(halves)["x"]
    np.testing.assert_array_equal(found, np.array([expected], np.uint8))


def test_a_graph_of_reals_comes_back_as_it_is():
    builder = GraphBuilder("real")
    builder.input("x", Tensor(shape=(None, 4)))
    graph = builder.build((builder.add(Relu(), ("x",), "y"),))
    assert with_real_edges(graph) is graph


def test_integers_without_a_meaning_stay_integers():
    builder = GraphBuilder("bare")
    builder.input("x", Tensor(shape=(None, 4), dtype="int8"))
    graph = builder.build((builder.add(Reshape(shape=(2, 2)), ("x",), "y"),))
    assert with_real_edges(graph) is graph


def test_names_that_are_taken_are_left_alone():
    builder = GraphBuilder("taken")
    x = Tensor(shape=(None, 4), dtype="int8", format=INT8, qparams=CODE)
    builder.input("x", x)
    op = Reshape(shape=(2, 2))
    for name in ("y", "x:real", "y:dequantized"):
        builder.add(
            op, ("x",), name, name=f"{name}:quantize", format=INT8, qparams=CODE
        )
    builder.nodes[0] = builder.nodes[0].__class__(
        name="x:quantize", op=op, inputs=("x",), output="y"
    )
    graph = with_real_edges(builder.build(("y", "y")))
    verify(graph)
    assert graph.inputs == ("x:real'",)
    assert graph.outputs == ("y:dequantized'", "y:dequantized'")
