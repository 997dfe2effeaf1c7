"""What a page draws of a case: the network, and the pictures of the tiny suite."""

import numpy as np
import pytest

from emu.compare import Mode
from emu.evaluate import ClassifyResult
from emu.gate import CaseResult, baseline_of, read_suite, run_case
from emu.gate.visuals import Before, Visuals, draw_program, worst_layers
from emu.graph import GraphBuilder, Tensor
from emu.ops import Add, Relu
from tests.gate.conftest import write_suite


@pytest.fixture(scope="module")
def pictured(tmp_path_factory: pytest.TempPathFactory) -> CaseResult:
    path = write_suite(tmp_path_factory.mktemp("pictured"))
    return run_case(path, read_suite(path).case[0], draw=Before())


@pytest.fixture
def visuals(pictured: CaseResult) -> Visuals:
    assert pictured.visuals
    return pictured.visuals


def test_nothing_is_drawn_unless_it_is_asked_for(measured: CaseResult):
    assert measured.visuals is None


def test_figures_are_those_of_a_run_without(measured, pictured):
    assert baseline_of(pictured) == baseline_of(measured)


def test_the_network_is_drawn_from_input_to_output(visuals: Visuals):
    blocks = visuals.blocks
    assert (blocks[0].op, blocks[-1].op) == ("input", "output")
    assert blocks[0].shape == (1, 4, 4)
    conv = next(block for block in blocks if block.op == "Conv2d")
    assert (conv.name, conv.shape) == ("conv", (4, 4, 3))
    assert (conv.macs, conv.parameters) == (16 * 27, 30)
    assert all(source < target for source, target in visuals.edges)
    fed = {target for _, target in visuals.edges}
    assert fed == set(range(1, len(blocks)))


def test_an_edge_is_drawn_once_and_only_between_layers():
    builder = GraphBuilder("twice")
    x = builder.input("x", Tensor(shape=(None, 3)))
    y = builder.add(Relu(), (x,), "y", layer="a")
    z = builder.add(Relu(), (y,), "z", layer="a")
    out = builder.add(Add(), (z, z), "out", layer="b")
    blocks, edges = draw_program(builder.build((out, y), {"target": {"name": "any"}}))
    assert [block.name for block in blocks] == ["x", "a", "b", "out", "y"]
    assert edges == ((0, 1), (1, 2), (2, 3), (1, 4))


def test_the_worst_layers_have_histograms(pictured: CaseResult, visuals: Visuals):
    assert pictured.layers
    names = [one.layer for one in visuals.histograms]
    assert tuple(names) == worst_layers(pictured.layers)
    table = pictured.layers.tables[Mode.ISOLATED].set_index("name")["sqnr_db"]
    assert list(table[names]) == sorted(table[names])
    assert worst_layers(pictured.layers, 1) == (table.idxmin(),)
    for one in visuals.histograms:
        # Eight samples, of FP32 and of the program.
        elements = {"conv": 48, "relu": 48, "fc": 6, "softmax": 6, "x": 16}
        assert sum(one.golden) == sum(one.program) == 8 * elements[one.layer]


def test_pictures_are_chosen_beside_an_earlier_run(suite, measured: CaseResult):
    found = measured.quantized
    assert isinstance(found, ClassifyResult)
    # As if an earlier run had had all of them right.
    stored = " ".join(map(str, found.labels))
    before = Before(case=measured.identity, predictions=(stored,))
    result = run_case(suite, read_suite(suite).case[0], draw=before)
    assert result.visuals
    wrong = np.flatnonzero(found.predictions != found.labels)
    names = [one.name for one in result.visuals.pictures]
    assert names == [found.ids[row] for row in wrong[:24]]
    assert all(one.newly_wrong for one in result.visuals.pictures)
    other = Before(case={**measured.identity, "data": "others"}, predictions=(stored,))
    assert other.classes(measured.identity) == ()
