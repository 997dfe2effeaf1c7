"""Levels of a pyramid are found by following the input's grid through the graph."""

import onnx
import pytest

from emu.compare.levels import tensor_levels
from emu.frontends import load_model
from emu.graph import GraphBuilder, Tensor
from emu.ops import Concat, MaxPool, Pad, Reshape, Transpose
from emu.optimize import run_passes
from tests.cli.conftest import tiny_model
from tests.detector import write_detector

BACK = (0, 2, 3, 1)
FRONT = (0, 3, 1, 2)


def added(builder, op, operands):
    """The name of a new result."""
    return builder.add(op, operands, builder.fresh("t"))


def pooled(builder, x, factor):
    op = MaxPool(kernel=(factor, factor), stride=(factor, factor))
    return added(builder, op, (x,))


def image(shape):
    builder = GraphBuilder("g")
    return builder, builder.input("x", Tensor(shape=(None, *shape)))


def test_a_real_file_has_the_level_of_every_head_and_of_their_concatenation(tmp_path):
    entry = write_detector(tmp_path)
    graph = run_passes(load_model(entry.with_name("detector.onnx")))
    found = tensor_levels(graph)
    assert {name: found[name] for name in ("c3", "c4", "c5")} == {
        "c3": "P3",
        "c4": "P4",
        "c5": "P5",
    }
    assert [found[f"h{n}"] for n in (3, 4, 5)] == ["P3", "P4", "P5"]
    assert [found[f"r{n}"] for n in (3, 4, 5)] == ["P3", "P4", "P5"]
    assert found["all"] == found["y"] == "P3+P4+P5"


def test_a_classifier_has_no_levels(tmp_path):

    onnx.save(tiny_model(), tmp_path / "t.onnx")
    assert tensor_levels(load_model(tmp_path / "t.onnx")) == {}


@pytest.mark.parametrize("shape", [(40, 56, 3), (3, 40, 56)])
def test_outputs_of_two_grids_have_levels_whatever_the_layout(shape):
    builder, x = image(shape)
    inside = x if shape[2] == 3 else added(builder, Transpose(perm=BACK), (x,))
    first = pooled(builder, inside, 2)
    second = pooled(builder, first, 2)
    front = added(builder, Transpose(perm=FRONT), (first,))
    found = tensor_levels(builder.build((front, second)))
    assert [found[name] for name in (inside, first, front, second)] == [
        "P0",
        "P1",
        "P1",
        "P2",
    ]


def test_a_grid_that_comes_back_after_a_shuffle_of_channels_counts_again():
    builder, x = image((16, 16, 4))
    half = pooled(builder, x, 2)
    split = added(builder, Reshape(shape=(8, 8, 2, 2)), (half,))
    swapped = added(builder, Transpose(perm=(0, 1, 2, 4, 3)), (split,))
    joined = added(builder, Reshape(shape=(8, 8, 4)), (swapped,))
    quarter = pooled(builder, joined, 2)
    found = tensor_levels(builder.build((half, quarter)))
    names = (split, swapped, joined, quarter)
    assert [found[name] for name in names] == ["P1", "P1", "P1", "P2"]


def test_rows_that_look_like_images_keep_the_grids_they_come_from():
    builder, x = image((16, 16, 3))
    half, quarter = pooled(builder, x, 2), pooled(builder, x, 4)
    rows = [
        added(builder, Reshape(shape=(cells, 1, 3)), (part,))
        for part, cells in ((half, 64), (quarter, 16))
    ]
    joined = added(builder, Concat(axis=1), tuple(rows))
    assert tensor_levels(builder.build((joined,)))[joined] == "P1+P2"


def test_rounded_up_grids_are_levels_and_others_are_named_by_their_size():
    builder, x = image((300, 300, 3))
    padded = added(builder, Pad(padding=((0, 0), (0, 4), (0, 4), (0, 0))), (x,))
    names = {}
    for factor in (8, 16, 14, 304):
        names[factor] = pooled(builder, padded, factor)
    found = tensor_levels(builder.build(tuple(names.values())))
    assert {factor: found[name] for factor, name in names.items()} == {
        8: "P3",
        16: "P4",
        14: "21x21",
        304: "1x1",
    }
