"""Other engines on small quantized files: what they give, and how they are missed."""

import sys

import numpy as np
import onnx
import pytest

from emu.compare import (
    ENGINES,
    compare_with_engine,
    golden_names,
    litert_engine,
    onnxruntime_engine,
    open_engine,
)
from emu.compare.engines_litert import Resolver
from emu.errors import DataError, GraphError, MissingError, ModelError, UnsupportedError
from emu.evaluate import RandomData, random_batches
from emu.frontends import load_model
from emu.graph import Graph, GraphBuilder, Tensor
from emu.ops import Relu
from emu.quantize import lower_stated
from emu.targets import find_target
from tests.quantized import tiny_qdq, tiny_tflite


@pytest.fixture(scope="module")
def lite(tmp_path_factory):
    path = tmp_path_factory.mktemp("lite") / "tiny.tflite"
    path.write_bytes(tiny_tflite())
    return path


@pytest.fixture(scope="module")
def qdq(tmp_path_factory):
    path = tmp_path_factory.mktemp("qdq") / "tiny.onnx"
    onnx.save(tiny_qdq(), path)
    return path


def lowered(path, target: str) -> Graph:
    return lower_stated(load_model(path), find_target(target))


@pytest.mark.parametrize(
    ("engine", "target", "rows"),
    [
        ("litert-ref", "tflite-reference", ["conv", "flat", "dense", "y"]),
        ("litert", "tflite-optimized", ["conv", "flat", "dense", "y"]),
        ("litert-xnnpack", "tflite-xnnpack", ["y"]),
    ],
)
def test_each_target_equals_the_kernel_set_that_it_is_named_for(
    engine, target, rows, lite
):
    graph = lowered(lite, target)
    other = open_engine(engine, lite, golden_names(graph))
    data = RandomData(count=100, seed=3)
    report = compare_with_engine(graph, other, random_batches(graph, data, 32), 32)
    assert [row.name for row in report.rows] == rows
    assert [row.differing for row in report.rows] == [0] * len(rows)
    assert report.samples == 100
    assert report.other["engine"] == "litert"
    assert set(report.missing) == {"conv", "flat", "dense", "y"} - set(rows)


def test_another_kernel_set_shows_where_it_rounds_otherwise(lite):
    graph = lowered(lite, "tflite-reference")
    other = open_engine("litert", lite, golden_names(graph))
    batches = random_batches(graph, RandomData(count=400), 100)
    report = compare_with_engine(graph, other, batches, 100)
    assert report.first_divergence
    assert report.first_divergence.name == "dense"
    assert report.first_divergence.max_lsb == 1


def test_onnxruntime_gives_every_tensor_or_its_outputs(qdq):
    x = np.random.default_rng(0).normal(size=(5, 6)).astype(np.float32)
    engine = onnxruntime_engine(qdq, ["x", "yq", "y"])
    assert (engine.inputs, engine.names) == (("x",), {"x", "yq", "y"})
    found = engine.run(x)
    assert {name: (str(a.dtype), a.shape) for name, a in found.items()} == {
        "x": ("float32", (5, 6)),
        "yq": ("uint8", (5, 4)),
        "y": ("float32", (5, 4)),
    }
    fused = onnxruntime_engine(qdq, optimize=True)
    assert set(fused.run({"x": x})) == {"y"}
    assert fused.about["settings"].endswith("optimizations on")
    with pytest.raises(ModelError, match="ONNX Runtime cannot run it"):
        engine.run(x[:, :3])


@pytest.mark.parametrize("name", ENGINES)
def test_an_engine_refuses_files_that_it_does_not_run(name, tmp_path):
    with pytest.raises(UnsupportedError, match=rf"{name} runs \.\w+ files, not \.tosa"):
        open_engine(name, tmp_path / "a.tosa", [])


def test_an_engine_that_is_not_installed_says_how_to_install_it(lite, monkeypatch):
    monkeypatch.setitem(sys.modules, "ai_edge_litert", None)
    with pytest.raises(MissingError, match=r"pip install 'emu\[litert\]'"):
        open_engine("litert", lite, [])


def test_files_that_litert_cannot_open_are_the_users_problem(tmp_path):
    with pytest.raises(MissingError, match="no such file"):
        litert_engine(tmp_path / "a.tflite", None, Resolver.REFERENCE)
    (tmp_path / "a.tflite").write_bytes(b"no flatbuffer at all")
    with pytest.raises(ModelError, match=r"a\.tflite: LiteRT cannot run it"):
        litert_engine(tmp_path / "a.tflite", None, Resolver.REFERENCE)


@pytest.mark.parametrize(
    "x", [np.zeros((1, 4, 4, 2), np.uint8), np.zeros((1, 4, 4, 3), np.int8)]
)
def test_litert_is_fed_with_nothing_but_its_input(x, lite):
    engine = litert_engine(lite, None, Resolver.REFERENCE)
    with pytest.raises(DataError, match=r"expects int8 \[1, 4, 4, 2\]"):
        engine.run(x)


def test_litert_announces_nothing(lite, capfd):
    litert_engine(lite, None, Resolver.XNNPACK).run(np.zeros((1, 4, 4, 2), np.int8))
    assert capfd.readouterr() == ("", "")


def test_a_program_without_the_files_input_cannot_be_fed(lite):
    builder = GraphBuilder("g")
    builder.input("a", Tensor(shape=(None, 3)))
    graph = builder.build((builder.add(Relu(), ("a",), "b"),))
    engine = litert_engine(lite, None, Resolver.REFERENCE)
    with pytest.raises(GraphError, match="no tensor is the file's input 'x'"):
        compare_with_engine(graph, engine, [], 1)
