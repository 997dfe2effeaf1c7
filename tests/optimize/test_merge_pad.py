"""merge_pad: explicit zero padding goes into Conv and AveragePool."""

import numpy as np
import pytest
from onnx import helper

from emu.graph import Graph
from emu.ops import AveragePool, Conv, Pad
from emu.optimize import merge_pad
from tests.frontends.run import import_model, model_of
from tests.optimize.same import assert_same_function

AROUND = (0, 0, 1, 2, 0, 0, 3, 0)  # top 1, left 2, bottom 3, right 0


def padded(
    *nodes,
    pads: tuple[int, ...] = AROUND,
    value: float = 0.0,
    outputs: tuple[str, ...] = ("y",),
) -> Graph:
    """Pad x to p, then the nodes."""
    rng = np.random.default_rng(0)
    constants = {
        "pads": np.array(pads, np.int64),
        "value": np.array(value, np.float32),
        "w": rng.standard_normal((4, 3, 3, 3)).astype(np.float32),
    }
    pad = helper.make_node("Pad", ["x", "pads", "value"], ["p"], name="pad")
    model = model_of([pad, *nodes], {"x": ("N", 3, 6, 5)}, constants, outputs=outputs)
    return import_model(model)


def conv(source: str = "p", result: str = "y", **attributes):
    return helper.make_node("Conv", [source, "w"], [result], name="conv", **attributes)


def pool(**attributes):
    return helper.make_node(
        "AveragePool", ["p"], ["y"], name="pool", kernel_shape=[3, 3], **attributes
    )


def count_pads(graph: Graph) -> int:
    return sum(isinstance(node.op, Pad) for node in graph.nodes)


def test_padding_before_a_conv_is_merged():
    graph = padded(conv(pads=[1, 1, 1, 1], strides=[2, 1]))
    merged = merge_pad(graph)
    assert_same_function(graph, merged)
    assert count_pads(merged) == 0
    (op,) = [n.op for n in merged.nodes if isinstance(n.op, Conv)]
    assert op.padding == ((2, 4), (3, 1))
    assert merge_pad(merged) is merged


def test_a_chain_of_pads_is_merged_whole():
    again = helper.make_node("Pad", ["p", "pads"], ["q"], name="again")
    graph = padded(again, conv("q"))
    merged = merge_pad(graph)
    assert_same_function(graph, merged)
    assert count_pads(merged) == 0


@pytest.mark.parametrize(
    "attributes",
    [{}, {"count_include_pad": 1, "pads": [1, 1, 1, 1]}, {"count_include_pad": 1}],
)
def test_padding_before_an_average_that_counts_it_is_merged(attributes):
    graph = padded(pool(**attributes))
    merged = merge_pad(graph)
    assert_same_function(graph, merged)
    assert count_pads(merged) == 0
    (op,) = [n.op for n in merged.nodes if isinstance(n.op, AveragePool)]
    assert op.count_include_pad


def test_padding_before_an_average_that_would_not_count_it_stays():
    graph = padded(pool(pads=[1, 1, 1, 1]))
    assert merge_pad(graph) is graph


def test_padding_before_a_max_pool_stays():
    node = helper.make_node("MaxPool", ["p"], ["y"], name="m", kernel_shape=[2, 2])
    graph = padded(node)
    assert merge_pad(graph) is graph


@pytest.mark.parametrize(
    ("pads", "value"),
    [
        (AROUND, 1.0),
        ((0, 0, -1, 0, 0, 0, 1, 1), 0.0),
    ],
)
def test_padding_with_other_values_and_cropping_stay(pads, value):
    graph = padded(conv(), pads=pads, value=value)
    assert merge_pad(graph) is graph


def test_padding_of_channels_stays():
    relu = helper.make_node("Relu", ["p"], ["y"], name="relu")
    graph = padded(relu, pads=(0, 1, 0, 0, 0, 1, 0, 0))
    assert merge_pad(graph) is graph


def test_a_pad_with_other_readers_stays_for_them():
    graph = padded(
        helper.make_node("Relu", ["p"], ["z"], name="relu"),
        conv(),
        outputs=("y", "z"),
    )
    merged = merge_pad(graph)
    assert_same_function(graph, merged)
    assert count_pads(merged) == 1
