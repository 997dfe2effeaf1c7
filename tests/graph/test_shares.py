"""Multiply-accumulates: counted by hand, by width, on integers and not."""

import numpy as np
import pytest

from emu import ops
from emu.fixedpoint import INT8, INT16, IntFormat, QParams
from emu.graph import GraphBuilder, Tensor, mac_shares, node_macs

ONE = QParams((1.0,), (0,))


def integers(bits: int) -> Tensor:
    fmt = IntFormat(bits)
    return Tensor(shape=(None, 4), dtype=str(fmt.dtype), format=fmt, qparams=ONE)


def dense(builder: GraphBuilder, x: str, weights: np.ndarray, layer: str) -> str:
    w = builder.constant(f"{layer}.w", weights)
    bias = builder.constant(f"{layer}.b", np.zeros(weights.shape[1], np.int32))
    return builder.add(ops.MatMul(), (x, w, bias), f"{layer}:acc", layer=layer)


@pytest.mark.parametrize(
    ("weights", "bits"),
    [
        (np.array([[1, -1]], np.int8), 2),
        (np.array([[7, -7]], np.int8), 4),
        (np.array([[7, -8]], np.int8), 4),
        (np.array([[8, 0]], np.int8), 8),
        (np.array([[127, -127]], np.int8), 8),
        (np.array([[128, 0]], np.int16), 16),
        (np.array([[255, 0]], np.uint8), 8),
    ],
)
def test_weights_count_with_the_least_width_that_holds_them(weights, bits):
    builder = GraphBuilder("dense")
    tensor = Tensor(shape=(None, 1), dtype="int8", format=INT8)
    y = dense(builder, builder.input("x", tensor), weights, "dense")
    found = mac_shares(builder.build((y,)))
    assert found.integer == {(8, bits): 2}
    assert found.by_width == {f"a8w{bits}": 2}
    assert (found.integer_share, found.float_layers) == (1.0, ())


def test_a_program_of_several_precisions_is_counted_by_each():
    builder = GraphBuilder("several")
    narrow, wide = (
        builder.input(name, integers(bits)) for name, bits in (("x", 8), ("y", 16))
    )
    real = builder.input("r", Tensor(shape=(None, 4)))
    weights = np.full((4, 3), 100, np.int8)
    outputs = [dense(builder, narrow, weights, "a"), dense(builder, wide, weights, "b")]
    half = builder.add(ops.FloatCast(dtype=ops.FloatType.FLOAT16), (real,), "h")
    for name, x, dtype in (("c", half, np.float16), ("d", real, np.float32)):
        w = builder.constant(f"{name}.w", np.ones((4, 6), dtype))
        outputs.append(builder.add(ops.Gemm(), (x, w), name, layer=name))
    outputs.append(builder.add(ops.Softmax(), (outputs[-1],), "e", layer="e"))
    found = mac_shares(builder.build(tuple(outputs)))
    assert found.by_width == {"a16w8": 12, "a8w8": 12, "float16": 24, "float32": 24}
    assert found.macs == 72
    assert found.integer_share == pytest.approx(1 / 3)
    assert found.float_layers == ("c", "d", "e")
    assert found.to_json()["float_layers"] == ["c", "d", "e"]


def test_a_graph_without_products_is_all_integer():
    builder = GraphBuilder("none")
    y = builder.add(ops.Clamp(low=0, high=1), (builder.input("x", integers(8)),), "y")
    found = mac_shares(builder.build((y,)))
    assert (found.macs, found.integer_share) == (0, 1.0)


CONV_W = np.zeros((3, 3, 2, 5), np.float32)
IMAGE = Tensor(shape=(None, 6, 6, 2))


@pytest.mark.parametrize(
    ("op", "operands", "macs"),
    [
        (ops.Conv(), (IMAGE, CONV_W), 4 * 4 * 3 * 3 * 2 * 5),
        (
            ops.Conv(groups=2),
            (IMAGE, np.zeros((3, 3, 1, 6), np.float32)),
            4 * 4 * 3 * 3 * 6,
        ),
        (ops.ConvTranspose(stride=(2, 2)), (IMAGE, CONV_W), 6 * 6 * 3 * 3 * 2 * 5),
        (
            ops.BatchGemm(),
            (Tensor(shape=(None, 3, 4)), Tensor(shape=(None, 4, 5))),
            3 * 4 * 5,
        ),
        (ops.Relu(), (IMAGE,), 0),
    ],
    ids=lambda value: type(value).__name__ if not isinstance(value, tuple) else "",
)
def test_each_weight_meets_each_position(op, operands, macs):
    builder = GraphBuilder("one")
    names = tuple(
        builder.input(name, operand)
        if isinstance(operand, Tensor)
        else builder.constant(name, operand)
        for name, operand in zip("xw", operands, strict=False)
    )
    y = builder.add(op, names, "y")
    graph = builder.build((y,))
    assert node_macs(graph, graph.nodes[0]) == macs


def test_the_second_activation_of_a_product_has_its_own_width():
    builder = GraphBuilder("attention")
    x = builder.input("x", Tensor(shape=(None, 2, 3), dtype="int16", format=INT16))
    y = builder.input("y", Tensor(shape=(None, 3, 4), dtype="int8", format=INT8))
    z = builder.add(ops.BatchMatMul(), (x, y), "z")
    assert mac_shares(builder.build((z,))).by_width == {"a16w8": 24}
