"""Quantized files at work: their kind, their default target, and what they meet."""

from pathlib import Path

import numpy as np
import onnx
import pytest

from emu.compare import Mode, Resolver, litert_engine
from emu.errors import ConfigError, DataError, MissingError, UnsupportedError
from emu.evaluate import (
    ClassifyResult,
    Kind,
    ModelEntry,
    default_target,
    evaluate_graph,
    from_quantized_file,
    kind_of,
    lower_entry,
)
from emu.evaluate.against import compare_against
from emu.evaluate.datasets import from_arrays
from emu.evaluate.feeds import open_feed
from emu.evaluate.golden import compare_golden
from emu.frontends import LOADERS, load_model
from emu.graph import Graph, GraphBuilder, Tensor
from emu.ops import Add, MatMul
from emu.targets import find_target, target_names
from tests.quantized import tiny_qdq, tiny_tflite
from tests.zoo import two_convs


@pytest.fixture
def lite(tmp_path, monkeypatch) -> ModelEntry:
    """The entry of a small .tflite file; data.npz beside it holds real inputs."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tiny.tflite").write_bytes(tiny_tflite())
    rng = np.random.default_rng(8)
    x = rng.normal(0, 2, (10, 4, 4, 2)).astype(np.float32)
    np.savez(tmp_path / "data.npz", x=x, y=np.arange(10) % 4)
    return ModelEntry(name="tiny", file=tmp_path / "tiny.tflite")


def program_of(entry: ModelEntry) -> Graph:
    target = find_target(default_target(entry.file))
    return lower_entry(entry, load_model(entry.file), target)


def test_a_quantized_file_is_stated_and_its_program_integer(lite):
    assert kind_of(load_model(lite.file)) is Kind.STATED
    program = program_of(lite)
    assert kind_of(program) is Kind.INTEGER
    assert from_quantized_file(program)


def test_qdq_is_stated_and_a_float_model_float(tmp_path):
    onnx.save(tiny_qdq(), tmp_path / "q.onnx")
    assert kind_of(load_model(tmp_path / "q.onnx")) is Kind.STATED
    assert kind_of(two_convs()) is Kind.FLOAT


def test_integer_operators_without_a_target_are_a_program():
    builder = GraphBuilder("g")
    builder.input("x", Tensor(shape=(None, 2), dtype="int8"))
    w = builder.constant("w", np.ones((2, 3), np.int8))
    b = builder.constant("b", np.zeros(3, np.int32))
    graph = builder.build((builder.add(MatMul(), ("x", w, b), "y"),))
    assert kind_of(graph) is Kind.INTEGER
    assert from_quantized_file(graph)


def test_every_stated_format_has_a_default_target_that_exists():
    stated = {".tflite", ".onnx"}
    assert stated <= set(LOADERS)
    for suffix in stated:
        assert default_target(Path(f"m{suffix}")) in target_names()


def test_real_data_goes_through_an_edge_and_random_data_does_not(lite):
    program = program_of(lite)
    reals = open_feed(program, lite, "data.npz", 4, 3)
    assert (reals.name, reals.samples) == ("data[:4]", 4)
    assert reals.graph.inputs == ("x:real",)
    assert [len(batch["x:real"]) for batch in reals.batches] == [3, 1]
    random = open_feed(program, lite, "random:5:2", 4, 3)
    assert (random.name, random.samples) == ("random:5:2", 5)
    assert random.graph is program
    assert [batch["x"].dtype for batch in random.batches] == [np.int8, np.int8]


def test_a_dataset_feeds_one_input_only(lite):
    builder = GraphBuilder("two")
    for name in ("a", "b"):
        builder.input(name, Tensor(shape=(None, 2)))
    graph = builder.build((builder.add(Add(), ("a", "b"), "c"),))
    with pytest.raises(UnsupportedError, match="has 2 inputs and a dataset feeds one"):
        open_feed(graph, lite, "data.npz", 4, 3)


@pytest.mark.parametrize("data", ["data.npz", "random:7"])
def test_an_engine_is_fed_with_what_the_program_quantizes(data, lite):
    seen = []
    report, name = compare_against(
        program_of(lite),
        lite,
        "litert-ref",
        data=data,
        batch_size=4,
        progress=lambda done, total: seen.append((done, total)),
    )
    assert report.first_divergence is None
    assert len(report.rows) == 4
    count = 7 if data.startswith("random") else 10
    assert (report.samples, seen[-1]) == (count, (count, count))
    assert name == ("random:7:0" if data.startswith("random") else "data")


def test_a_dump_needs_data_only_where_it_holds_no_input(lite):
    program = program_of(lite)
    (batch,) = open_feed(program, lite, "random:3", 3, 3).batches
    theirs = load_outputs(lite, batch["x"])
    np.savez("with.npz", x=batch["x"], y=theirs)
    report, name = compare_against(program, lite, "with.npz")
    assert (report.first_divergence, report.samples, name) == (None, 3, "with.npz")
    np.savez("without.npz", y=theirs)
    with pytest.raises(ConfigError, match="no data: name it with --data"):
        compare_against(program, lite, "without.npz")
    report, _ = compare_against(program, lite, "without.npz", data="random:3")
    assert report.first_divergence is None
    with pytest.raises(DataError, match="holds 3 samples, but the data only 2"):
        compare_against(program, lite, "without.npz", data="random:2")


def load_outputs(entry: ModelEntry, x: np.ndarray) -> np.ndarray:
    return litert_engine(entry.file, None, Resolver.REFERENCE).run(x)["y"]


def test_what_cannot_be_compared_is_refused(lite):
    program = program_of(lite)
    with pytest.raises(MissingError, match="the engines are litert-ref, litert,"):
        compare_against(program, lite, "litertref")
    with pytest.raises(UnsupportedError, match=r"onnxruntime runs \.onnx files"):
        compare_against(program, lite, "onnxruntime", data="random:1")
    with pytest.raises(ConfigError, match="there is no golden FP32; name an engine"):
        compare_golden(program, lite, (Mode.CUMULATIVE,), data="random:1")


def test_evaluation_does_not_know_that_the_edges_are_integers(lite):
    data = np.load("data.npz")
    dataset = from_arrays(data["x"], data["y"])
    program = program_of(lite)
    result = evaluate_graph(program, lite, dataset, 4)
    assert isinstance(result, ClassifyResult)
    q = np.clip(np.rint(data["x"] / np.float32(0.05)) + 3, -128, 127).astype(np.int8)
    wanted = np.argmax(load_outputs(lite, q), axis=1)
    np.testing.assert_array_equal(result.predictions, wanted)
