"""The .emu file: everything survives, and no damage is more than an EmuError."""

import contextlib
import json
import struct
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, strategies as st
from safetensors.numpy import load, save

from emu.errors import EmuError, MissingError, ModelError
from emu.graph import Graph, load_graph, save_graph, verify, write_atomically
from emu.ops import KERNELS
from tests.graph.samples import graph_of, replaced, small_graph
from tests.ops.cases import CASES


def saved(graph: Graph, folder: Path) -> bytes:
    path = folder / "saved.emu"
    save_graph(graph, path)
    return path.read_bytes()


@pytest.fixture(scope="module")
def small_bytes(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return saved(small_graph(), tmp_path_factory.mktemp("small"))


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One file for all examples of a test."""
    return tmp_path_factory.mktemp("damaged") / "damaged.emu"


def assert_equal(found: Graph, expected: Graph) -> None:
    """Every field equal, arrays to dtype and bit."""
    for field in ("name", "inputs", "outputs", "nodes", "provenance"):
        assert getattr(found, field) == getattr(expected, field)
    assert dict(found.tensors) == dict(expected.tensors)
    assert list(found.constants) == list(expected.constants)
    for name, array in expected.constants.items():
        assert found.constants[name].dtype == array.dtype
        np.testing.assert_array_equal(found.constants[name], array)


# -- what is saved comes back ----------------------------------------------------------


def test_every_operator_survives_with_every_field(tmp_path: Path):
    graph = graph_of({case.op: case for case in CASES}.values())
    assert {type(node.op) for node in graph.nodes} == set(KERNELS)
    save_graph(graph, tmp_path / "every.emu")
    assert_equal(load_graph(tmp_path / "every.emu"), graph)


def test_formats_goldens_and_provenance_survive(tmp_path: Path):
    graph = small_graph()
    save_graph(graph, tmp_path / "small.emu")
    assert_equal(load_graph(str(tmp_path / "small.emu")), graph)


@pytest.mark.parametrize(
    "array",
    [
        np.zeros((0, 3), np.int8),
        np.array(5, np.int32),
        np.arange(12, dtype=np.int64).reshape(3, 4).T,
        np.array([np.nan, np.inf, -0.0], np.float32),
        np.array([2**64 - 1], np.uint64),
        np.array([True, False]),
    ],
    ids=lambda a: f"{a.dtype}{a.shape}",
)
def test_constants_of_any_shape_survive(tmp_path: Path, array: np.ndarray):
    graph = small_graph(constants=dict(small_graph().constants) | {"extra": array})
    save_graph(graph, tmp_path / "small.emu")
    assert_equal(load_graph(tmp_path / "small.emu"), graph)


def test_names_of_any_letters_survive(tmp_path: Path):
    name = 'layer "1"/конв\n\\'
    graph = small_graph(name=name, provenance={name: [1, None, {"a": 2.5}]})
    save_graph(graph, tmp_path / "small.emu")
    assert_equal(load_graph(tmp_path / "small.emu"), graph)


def test_the_same_graph_gives_the_same_bytes(tmp_path: Path, small_bytes: bytes):
    assert saved(small_graph(), tmp_path) == small_bytes
    again = load_graph(tmp_path / "saved.emu")
    assert saved(again, tmp_path) == small_bytes


def test_a_loaded_graph_is_read_only(tmp_path: Path):
    save_graph(small_graph(), tmp_path / "small.emu")
    with pytest.raises(ValueError, match="read-only"):
        load_graph(tmp_path / "small.emu").constants["w"][0] = 1


# -- writing ---------------------------------------------------------------------------


def test_saving_makes_the_folder_and_leaves_nothing_beside_the_file(tmp_path: Path):
    target = tmp_path / "new" / "deep" / "small.emu"
    save_graph(small_graph(), target)
    assert [p.name for p in target.parent.iterdir()] == ["small.emu"]


@pytest.mark.parametrize("moment", ["replace", "chmod"])
def test_an_interrupted_write_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moment: str
):
    target = tmp_path / "old.emu"
    target.write_bytes(b"old")

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, moment, interrupt)
    with pytest.raises(KeyboardInterrupt):
        write_atomically(target, b"new")
    monkeypatch.undo()
    assert target.read_bytes() == b"old"
    assert [p.name for p in tmp_path.iterdir()] == ["old.emu"]


def test_a_path_that_cannot_be_written_is_an_emu_error(tmp_path: Path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(EmuError, match="cannot write") as caught:
        save_graph(small_graph(), tmp_path / "file" / "small.emu")
    assert caught.value.file == str(tmp_path / "file" / "small.emu")


# -- damage ----------------------------------------------------------------------------


def refusal(path: Path, data: bytes) -> EmuError:
    """The error that loading these bytes gives; nothing but an EmuError may come."""
    path.write_bytes(data)
    with pytest.raises(EmuError) as caught:
        load_graph(path)
    error = caught.value
    assert error.file == str(path)
    assert "\n" not in str(error)
    return error


def header_of(data: bytes) -> dict[str, Any]:
    size = struct.unpack("<Q", data[:8])[0]
    return json.loads(json.loads(data[8 : 8 + size])["__metadata__"]["emu"])


def with_header(data: bytes, header: object) -> bytes:
    text = header if isinstance(header, str) else json.dumps(header)
    return save(load(data), metadata={"emu": text})


def test_a_missing_file_is_named(tmp_path: Path):
    with pytest.raises(MissingError, match="there is no such file"):
        load_graph(tmp_path / "none.emu")
    with pytest.raises(MissingError):
        load_graph(tmp_path)


def test_every_truncation_is_refused(path: Path, small_bytes: bytes):
    for length in range(0, len(small_bytes), 7):
        assert isinstance(refusal(path, small_bytes[:length]), ModelError)
    refusal(path, small_bytes[:-1])


def test_bytes_after_the_end_are_refused(path: Path, small_bytes: bytes):
    refusal(path, small_bytes + b"\0")


NOT_EMU: dict[str, bytes] = {
    "empty": b"",
    "text": b"name = 'resnet8'\n" * 9,
    "zip": b"PK\x03\x04" + b"\0" * 200,
    "zeros": b"\0" * 400,
    "huge header": struct.pack("<Q", 2**63) + b"{}",
    "header as long as memory": struct.pack("<Q", 2**34) + b"{}",
    "header is no JSON": struct.pack("<Q", 4) + b"junk",
    "header is a list": struct.pack("<Q", 2) + b"[]",
    "header is not UTF-8": struct.pack("<Q", 4) + b'{"\xff\xff',
    "safetensors without a graph": save({"a": np.zeros(3, np.int8)}),
    "a graph that is no JSON": save({}, metadata={"emu": "{"}),
    "a graph that is a number": save({}, metadata={"emu": "1"}),
    "a graph that is null": save({}, metadata={"emu": "null"}),
    "a graph that is empty": save({}, metadata={"emu": "{}"}),
    "a deep graph": save({}, metadata={"emu": "[" * 100_000}),
    "a graph with a long number": save({}, metadata={"emu": "9" * 10_000}),
}


@pytest.mark.parametrize("data", NOT_EMU.values(), ids=NOT_EMU)
def test_what_is_no_emu_file_is_refused(path: Path, data: bytes):
    assert isinstance(refusal(path, data), ModelError)


def node(header: dict[str, Any], index: int) -> dict[str, Any]:
    return header["nodes"][index]


def set_in(*keys: str | int, value: object) -> Callable[[dict[str, Any]], None]:
    """A change of the header at the place that the keys lead to."""

    def change(header: dict[str, Any]) -> None:
        place: Any = header
        for key in keys[:-1]:
            place = place[key]
        place[keys[-1]] = value

    return change


def remove(*keys: str | int) -> Callable[[dict[str, Any]], None]:
    def change(header: dict[str, Any]) -> None:
        place: Any = header
        for key in keys[:-1]:
            place = place[key]
        del place[keys[-1]]

    return change


QUANTIZE, DENSE, RESCALE = (("nodes", i, "op") for i in range(3))

HOSTILE: dict[str, tuple[Callable[[dict[str, Any]], None], str]] = {
    "newer": (set_in("schema", value=99), "schema version 99, this emu reads"),
    "no schema": (remove("schema"), "schema"),
    "unknown operator": (
        set_in(*DENSE, "type", value="Evaluate"),
        "unknown operator 'Evaluate'",
    ),
    "operator that is a list": (set_in(*DENSE, "type", value=[]), ""),
    "operator without type": (remove(*DENSE, "type"), "type"),
    "operator that is text": (set_in(*DENSE, value="MatMul"), ""),
    "dunder operator": (set_in(*DENSE, "type", value="__class__"), "unknown operator"),
    "unknown field": (set_in(*DENSE, "relu", value=1), "MatMul has no field 'relu'"),
    "unknown nested field": (set_in(*DENSE, "accumulator", "lanes", value=2), "lanes"),
    "missing field": (remove(*DENSE, "x_zero_point"), "x_zero_point"),
    "missing accumulator": (remove(*DENSE, "accumulator"), "accumulator"),
    "text for a number": (
        set_in(*DENSE, "x_zero_point", value="three"),
        "x_zero_point",
    ),
    "digits for a number": (set_in(*DENSE, "x_zero_point", value="3"), "x_zero_point"),
    "float for a number": (set_in(*DENSE, "x_zero_point", value=3.0), "x_zero_point"),
    "true for a number": (set_in(*DENSE, "x_zero_point", value=True), "x_zero_point"),
    "null for a number": (set_in(*DENSE, "x_zero_point", value=None), "x_zero_point"),
    "unknown scheme": (set_in(*RESCALE, "scheme", value="best"), "scheme"),
    "scheme that is a dict": (set_in(*RESCALE, "scheme", value={}), "scheme"),
    "impossible format": (set_in(*RESCALE, "format", "bits", value=99), "2 to 32 bits"),
    "impossible scale": (
        set_in(*QUANTIZE, "qparams", "scale", value=[-1.0]),
        "scale must be",
    ),
    "accumulator too wide": (
        set_in(*DENSE, "accumulator", "bits", value=49),
        "8 to 48",
    ),
    "zero point beyond 64 bits": (set_in(*DENSE, "x_zero_point", value=2**70), ""),
    "operand that nobody makes": (
        set_in("nodes", 1, "inputs", 0, value="ghost"),
        "'ghost' is not defined before use",
    ),
    "no operands": (set_in("nodes", 1, "inputs", value=[]), "MatMul cannot take"),
    "operands that are a number": (set_in("nodes", 1, "inputs", value=3), ""),
    "operands that are text": (set_in("nodes", 3, "inputs", value="y"), ""),
    "operand that is a number": (set_in("nodes", 1, "inputs", 0, value=1), ""),
    "node that is null": (set_in("nodes", 1, value=None), ""),
    "unknown field of a node": (set_in("nodes", 1, "device", value="gpu"), "device"),
    "nodes that are a dict": (set_in("nodes", value={}), ""),
    "no nodes": (remove("nodes"), "nodes"),
    "missing tensor": (remove("tensors", "acc"), "tensor 'acc' is not described"),
    "wrong shape": (set_in("tensors", "acc", "shape", value=[None, 9]), "described as"),
    "negative size": (set_in("tensors", "x", "shape", value=[None, -4]), ""),
    "two free axes": (set_in("tensors", "x", "shape", value=[None, None]), ""),
    "no free axis": (set_in("tensors", "x", "shape", value=[5, 4]), ""),
    "huge size": (set_in("tensors", "x", "shape", value=[None, 2**70]), ""),
    "shape that is text": (set_in("tensors", "acc", "shape", value="big"), "shape"),
    "unknown dtype": (set_in("tensors", "x", "dtype", value="float99"), ""),
    "object dtype": (set_in("tensors", "x", "dtype", value="object"), ""),
    "text dtype": (set_in("tensors", "x", "dtype", value="U4"), ""),
    "complex dtype": (set_in("tensors", "x", "dtype", value="complex64"), ""),
    "unknown field of a tensor": (set_in("tensors", "x", "unit", value="m"), "unit"),
    "missing constant": (remove("constants", 0), "constants are not those"),
    "constant too many": (
        set_in("constants", value=["w", "bias", "scale", "shift", "w2"]),
        "constants are not those",
    ),
    "constant twice": (
        set_in("constants", value=["w", "w", "scale", "shift"]),
        "constants are not those",
    ),
    "constants that are a number": (set_in("constants", value=4), ""),
    "constants of many kinds": (set_in("constants", value=["w", 1, None, []]), ""),
    "output that nobody makes": (set_in("outputs", 0, value="ghost"), "'ghost'"),
    "name that is a list": (set_in("name", value=["small"]), "name"),
    "provenance that is text": (set_in("provenance", value="none"), ""),
    "unknown field of the graph": (set_in("signature", value="x"), "signature"),
}


@pytest.mark.parametrize(("change", "message"), HOSTILE.values(), ids=HOSTILE)
def test_each_hostile_header_is_refused(
    path: Path,
    small_bytes: bytes,
    change: Callable[[dict[str, Any]], None],
    message: str,
):
    header = header_of(small_bytes)
    change(header)
    error = refusal(path, with_header(small_bytes, header))
    assert isinstance(error, ModelError)
    assert message in str(error)


def test_arrays_that_do_not_fit_the_graph_are_refused(path: Path, small_bytes: bytes):
    arrays = load(small_bytes)
    text = json.dumps(header_of(small_bytes))
    wrong: Mapping[str, np.ndarray] = {
        "w": np.zeros((3, 3), np.int8),
        "bias": np.zeros(3, np.float32),
        "scale": np.zeros(2, np.int32),
        "shift": np.zeros(1, np.float16),
    }
    for name, array in wrong.items():
        damaged = arrays | {name: array}
        refusal(path, save(damaged, metadata={"emu": text}))


def loads_or_refuses(path: Path, data: bytes) -> None:
    path.write_bytes(data)
    with contextlib.suppress(EmuError):
        verify(load_graph(path))


@given(data=st.data())
def test_flipped_bytes_never_raise_anything_else(
    path: Path, small_bytes: bytes, data: st.DataObject
):
    damaged = bytearray(small_bytes)
    places = st.integers(0, len(damaged) - 1)
    for place in data.draw(st.lists(places, min_size=1, max_size=4)):
        damaged[place] = data.draw(st.integers(0, 255))
    loads_or_refuses(path, bytes(damaged))


SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**65), 2**65)
    | st.floats()
    | st.text(max_size=5)
    | st.sampled_from([[], {}, [[]], [None]])
)


@given(data=st.data())
def test_replaced_values_never_raise_anything_else(
    path: Path, small_bytes: bytes, data: st.DataObject
):
    header = header_of(small_bytes)
    place: Any = header
    while True:
        keys = sorted(place) if isinstance(place, dict) else range(len(place))
        key = data.draw(st.sampled_from(keys))
        inner = place[key]
        if not isinstance(inner, dict | list) or not inner or data.draw(st.booleans()):
            break
        place = inner
    place[key] = data.draw(SCALARS)
    loads_or_refuses(path, with_header(small_bytes, header))


def test_a_graph_that_is_not_sound_can_be_saved_but_not_loaded(tmp_path: Path):
    save_graph(replaced(small_graph(), outputs=("ghost",)), tmp_path / "bad.emu")
    with pytest.raises(ModelError, match="made by no node") as caught:
        load_graph(tmp_path / "bad.emu")
    assert caught.value.where == "small"
