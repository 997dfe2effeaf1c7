"""TOSA files as plain data: constants, the JSON form, damage, what is refused."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from emu.errors import EmuError, MissingError, ModelError, UnsupportedError
from emu.frontends import load_tosa
from emu.frontends.tosa_file import TosaFile, TosaTensor, read_tosa
from emu.frontends.tosa_flatbuffer import Buffer, decode
from tests.frontends.tosa_writer import (
    INT4,
    INT16,
    INT32,
    Number,
    Operator,
    Part,
    tosa,
)

SLICE = tosa(
    [
        Operator(op="CONST_SHAPE", outputs=("start",)),
        Operator(op="CONST_SHAPE", outputs=("size",)),
        Operator(op="SLICE", inputs=("x", "start", "size"), outputs=("y",)),
    ],
    [
        Part(name="x", shape=(3, 4), kind=INT16),
        Part(name="start", shape=(2,), kind=None, data=np.array([1, 0]).tobytes()),
        Part(name="size", shape=(2,), kind=None, data=np.array([2, 3]).tobytes()),
        Part(name="y", shape=(2, 3), kind=INT16),
    ],
    ["x"],
    ["y"],
)


def read(data: bytes, folder: Path, name: str = "model.tosa") -> TosaFile:
    path = folder / name
    path.write_bytes(data)
    return read_tosa(path)


def as_json(value: Any) -> Any:
    """What flatc writes: bytes as a list of numbers."""
    if isinstance(value, bytes):
        return list(value)
    if isinstance(value, dict):
        return {key: as_json(item) for key, item in value.items()}
    return [as_json(v) for v in value] if isinstance(value, list) else value


def test_a_flatbuffer_is_read(tmp_path: Path):
    file = read(SLICE, tmp_path)
    assert (file.version, file.inputs, file.outputs) == ("1.0", ("x",), ("y",))
    assert [operator.kind for operator in file.operators] == [
        "CONST_SHAPE",
        "CONST_SHAPE",
        "SLICE",
    ]
    assert file.operators[2].inputs == ("x", "start", "size")
    assert (file.tensors["x"].shape, file.tensors["x"].type) == ((3, 4), "INT16")
    np.testing.assert_array_equal(file.tensors["size"].array(), np.array([2, 3]))


def test_the_json_form_is_the_same(tmp_path: Path):
    document = decode(SLICE)
    # Of the enumerations and bytes flatc writes other forms; the rest is the same.
    data = json.dumps(as_json(document)).encode()
    found, expected = read(data, tmp_path, "model.json"), read(SLICE, tmp_path)
    assert found.operators == expected.operators
    assert {k: (t.shape, t.type, t.data) for k, t in found.tensors.items()} == {
        k: (t.shape, t.type, t.data) for k, t in expected.tensors.items()
    }


STORED = [
    ("BOOL", bytes([0, 1, 1]), [False, True, True], "bool"),
    ("INT4", bytes([0x7F, 0x08]), [-1, 7, -8], "int8"),
    ("INT8", bytes([1, 255, 128]), [1, -1, -128], "int8"),
    ("INT16", np.array([1, -2, 300], "<i2").tobytes(), [1, -2, 300], "int16"),
    ("INT32", np.array([1, -2, 1 << 30], "<i4").tobytes(), [1, -2, 1 << 30], "int32"),
    (
        "INT48",
        b"".join(v.to_bytes(6, "little", signed=True) for v in (1, -2, -(2**47))),
        [1, -2, -(2**47)],
        "int64",
    ),
    ("SHAPE", np.array([1, 2, 3], "<i8").tobytes(), [1, 2, 3], "int64"),
]


@pytest.mark.parametrize("filled", [False, True], ids=["exact", "filled up to 8"])
@pytest.mark.parametrize(("kind", "data", "values", "dtype"), STORED)
def test_constants_of_each_type(
    kind: str, data: bytes, values: list[int], dtype: str, filled: bool
):
    data += bytes(-len(data) % 8 if filled else 0)
    array = TosaTensor(name="c", shape=(3,), type=kind, data=data).array()
    assert array.dtype == np.dtype(dtype)
    np.testing.assert_array_equal(array, np.array(values, dtype))


@pytest.mark.parametrize("data", [b"", b"\0\0", bytes(9)])
def test_data_of_another_size_are_refused_before_they_are_read(data: bytes):
    huge = TosaTensor(name="c", shape=(1 << 20, 1 << 20), type="INT8", data=data)
    with pytest.raises(ModelError, match=r"bytes of data, expected 1099511627776"):
        huge.array()


def test_every_truncation_is_refused(tmp_path: Path):
    path = tmp_path / "short.tosa"
    # Only the last string may lose the bytes that fill it up.
    for size in range(len(SLICE) - 8):
        path.write_bytes(SLICE[:size])
        with pytest.raises(EmuError) as error:
            load_tosa(path)
        assert "\n" not in str(error.value)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_flipped_bytes_never_raise_anything_else(tmp_path: Path, data: st.DataObject):
    damaged = bytearray(SLICE)
    for _ in range(data.draw(st.integers(1, 4))):
        damaged[data.draw(st.integers(8, len(damaged) - 1))] = data.draw(
            st.integers(0, 255)
        )
    path = tmp_path / "flipped.tosa"
    path.write_bytes(bytes(damaged))
    try:
        load_tosa(path)
    except EmuError as error:
        assert "\n" not in str(error)  # noqa: PT017 - it may also be sound


def test_shared_parts_cannot_ask_for_endless_work():
    buffer = Buffer(bytes(64))
    buffer.budget = 7
    assert buffer.number("I", 0) == 0
    with pytest.raises(ModelError, match="shared too often"):
        buffer.number("I", 0)


REFUSED = {
    "no flatbuffer": (b"not a flatbuffer", ModelError, "identifier"),
    "another flatbuffer": (SLICE.replace(b"TOSA", b"TFL3", 1), ModelError, "TFL3"),
    "an older version": (
        tosa([], [], [], [], major=0),
        UnsupportedError,
        r"TOSA 0\.0, expected 1",
    ),
    "control flow": (
        tosa([], [], [], [], blocks=2),
        UnsupportedError,
        "2 blocks",
    ),
    "a variable": (
        tosa([], [Part(name="v", shape=(1,), variable=True)], [], []),
        UnsupportedError,
        "v: a variable",
    ),
    "data beside the graph": (
        tosa([], [Part(name="w", shape=(1,), offset=64)], [], []),
        UnsupportedError,
        "w: its data lie beside",
    ),
    "sizes that are not fixed": (
        tosa([], [Part(name="x", shape=(-1, 2))], ["x"], ["x"]),
        UnsupportedError,
        "expected fixed sizes",
    ),
    "a tensor described twice": (
        tosa([], [Part(name="x", shape=(1,)), Part(name="x", shape=(1,))], [], []),
        ModelError,
        "x: described twice",
    ),
}


@pytest.mark.parametrize(("data", "kind", "message"), REFUSED.values(), ids=REFUSED)
def test_what_is_no_graph_for_us_is_refused(
    tmp_path: Path, data: bytes, kind: type[EmuError], message: str
):
    with pytest.raises(kind, match=message):
        read(data, tmp_path)


def _with_tensor(entry: bytes) -> bytes:
    start = b'{"version": {"_major": 1}, "regions": [{"blocks": [{"tensors": ['
    return start + entry + b"]}]}]}"


JSON_FAULTS = {
    "no JSON": (b"{", "no TOSA graph"),
    "no graph": (b"[]", "no TOSA graph"),
    "without version": (b"{}", "version: no TOSA graph: Field required"),
    "a shape of words": (
        _with_tensor(b'{"name": "x", "shape": ["a"]}'),
        r"tensors\.0\.shape\.0: no TOSA graph: Input should be a valid integer",
    ),
    "bytes beyond 255": (
        _with_tensor(b'{"name": "x", "data": [256]}'),
        r"data: no TOSA graph",
    ),
}


@pytest.mark.parametrize(("data", "message"), JSON_FAULTS.values(), ids=JSON_FAULTS)
def test_faults_of_the_json_form_are_placed(tmp_path: Path, data: bytes, message: str):
    with pytest.raises(ModelError, match=message):
        read(data, tmp_path, "model.json")


def test_a_missing_file_is_named(tmp_path: Path):
    with pytest.raises(MissingError, match="no such file"):
        load_tosa(tmp_path / "none.tosa")


def test_an_attribute_is_read_by_the_slots_of_its_operator(tmp_path: Path):
    attribute = [(0, [1, 2, 3, 4]), (1, [1, 2]), (2, [3, 1]), (4, Number(INT32))]
    operator = Operator(op="CONV2D", outputs=("y",), attribute=attribute)
    data = tosa([operator], [Part(name="y", shape=(1,), kind=INT4)], [], ["y"])
    assert dict(read(data, tmp_path).operators[0].attribute) == {
        "pad": [1, 2, 3, 4],
        "stride": [1, 2],
        "dilation": [3, 1],
        "acc_type": "INT32",
    }
    assert read(data, tmp_path).tensors["y"].type == "INT4"
