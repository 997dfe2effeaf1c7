"""TOSA operators as nodes of a static Graph, with the operands in their places."""

from pathlib import Path

import numpy as np
import pytest

from emu import ops
from emu.errors import EmuError, ModelError, UnsupportedError
from emu.execute import Program
from emu.fixedpoint import INT8, Accumulator, IntFormat, RescaleScheme
from emu.frontends import load_model, load_tosa
from emu.graph import Graph, is_static, load_graph, save_graph
from tests.frontends.tosa_writer import (
    BOOL,
    FP32,
    INT4,
    INT8 as I8,
    INT16 as I16,
    INT32 as I32,
    Number,
    Operator,
    Part,
    tosa,
)
from tests.oracles.interpreter import interpret


def written(
    folder: Path,
    operators: list[Operator],
    tensors: list[Part],
    inputs: list[str],
    outputs: list[str],
) -> Path:
    constants = [Operator(op="CONST", outputs=(t.name,)) for t in tensors if t.data]
    path = folder / "model.tosa"
    path.write_bytes(tosa([*constants, *operators], tensors, inputs, outputs))
    return path


def constant(name: str, values: list[int], dtype: str, kind: int) -> Part:
    data = np.array(values, dtype).tobytes()
    return Part(name=name, shape=(len(values),), kind=kind, data=data)


def run(graph: Graph, **inputs: np.ndarray) -> np.ndarray:
    """The first output, which the interpreter gives too."""
    found = Program(graph, 1)(inputs)[graph.outputs[0]]
    expected = interpret(graph, inputs)[graph.outputs[0]]
    assert found.dtype == expected.dtype
    np.testing.assert_array_equal(found, expected)
    return found


def test_a_chain_keeps_the_names_and_runs(tmp_path: Path):
    path = written(
        tmp_path,
        [
            Operator(op="ADD", inputs=("x", "two"), outputs=("sum",)),
            Operator(op="REVERSE", inputs=("sum",), outputs=("y",), attribute=[(0, 0)]),
        ],
        [
            Part(name="x", shape=(3,), kind=I32),
            constant("two", [2, 20, 200], "<i4", I32),
            Part(name="sum", shape=(3,), kind=I32),
            Part(name="y", shape=(3,), kind=I32),
        ],
        ["x"],
        ["y"],
    )
    graph = load_model(path)
    assert is_static(graph)
    assert [(node.name, node.layer) for node in graph.nodes] == [
        ("sum", "sum"),
        ("y", "y"),
    ]
    assert graph.provenance["format"] == "tosa"
    found = run(graph, x=np.array([1, 2, 3], np.int32))
    np.testing.assert_array_equal(found, np.array([203, 22, 3], np.int32))
    save_graph(graph, tmp_path / "model.emu")
    assert load_graph(tmp_path / "model.emu").nodes == graph.nodes


def _convolution(folder: Path, *, computed: bool) -> Path:
    """A 1x2 kernel over 1x1x3x2 pixels, three outputs; weights int4."""
    weights = np.arange(12) - 6
    packed = ((weights[::2] & 15) | (weights[1::2] & 15) << 4).astype(np.uint8)
    w = Part(
        name="w",
        shape=(3, 1, 2, 2),
        kind=INT4,
        data=b"" if computed else packed.tobytes(),
    )
    bias = Part(
        name="b",
        shape=(1,),
        kind=I32,
        data=b"" if computed else np.array([1000], "<i4").tobytes(),
    )
    attribute = [(0, [0, 0, 1, 0]), (1, [1, 1]), (2, [1, 1]), (4, Number(I32))]
    return written(
        folder,
        [
            Operator(
                op="CONV2D",
                inputs=("x", "w", "b", "zx", "zw"),
                outputs=("y",),
                attribute=attribute,
            )
        ],
        [
            Part(name="x", shape=(1, 1, 3, 2), kind=I8),
            w,
            bias,
            constant("zx", [-5], "i1", I8),
            Part(name="zw", shape=(1,), kind=INT4, data=b"\0"),
            Part(name="y", shape=(1, 1, 3, 3), kind=I32),
        ],
        ["x", "w", "b"] if computed else ["x"],
        ["y"],
    )


def test_convolution_weights_may_be_constant_or_computed(tmp_path: Path):
    x = np.array([1, -2, 3, -4, 127, -128], np.int8).reshape(1, 1, 3, 2)
    constants = load_tosa(_convolution(tmp_path, computed=False))
    node = constants.nodes[0]
    assert isinstance(node.op, ops.Conv2d)
    assert node.op.padding == ((0, 0), (1, 0))
    assert (node.op.x_zero_point, node.op.accumulator) == (-5, Accumulator(32))
    assert constants.constants[node.inputs[1]].shape == (1, 2, 2, 3)
    expected = run(constants, x=x)
    computed = load_tosa(_convolution(tmp_path, computed=True))
    w = (np.arange(12, dtype=np.int8) - 6).reshape(3, 1, 2, 2)
    assert computed.tensors["w"].format == IntFormat(4)
    found = run(computed, x=x, w=w, b=np.array([1000], np.int32))
    np.testing.assert_array_equal(found, expected)


def _rescale(folder: Path, **flags: bool) -> Graph:
    names = ["scale32", "", "per_channel", "input_unsigned", "output_unsigned"]
    attribute = [(names.index(name), value) for name, value in flags.items()]
    path = written(
        folder,
        [
            Operator(
                op="RESCALE",
                inputs=("x", "m", "s", "zx", "zy"),
                outputs=("y",),
                attribute=[(0, True), (1, Number(1)), *attribute],
            )
        ],
        [
            Part(name="x", shape=(4,), kind=I8),
            constant("m", [1 << 30], "<i4", I32),
            constant("s", [30], "i1", I8),
            constant("zx", [-128], "i1", I8),
            constant("zy", [-1], "i1", I8),
            Part(name="y", shape=(4,), kind=I8),
        ],
        ["x"],
        ["y"],
    )
    return load_tosa(path)


def test_rescale_reads_and_writes_bits_without_sign(tmp_path: Path):
    x = np.array([-128, -1, 0, 127], np.int8)
    signed = _rescale(tmp_path)
    assert [type(node.op) for node in signed.nodes] == [ops.Rescale]
    op = signed.nodes[0].op
    assert op == ops.Rescale(
        scheme=RescaleScheme.SINGLE_ROUND, format=INT8, x_zero_point=-128, zero_point=-1
    )
    # x + 128 - 1, saturated to 127.
    found = run(signed, x=x)
    np.testing.assert_array_equal(found, np.array([-1, 126, 127, 127], np.int8))
    # The operand counts as 128, 255, 0, 127 with zero point 128.
    found = run(_rescale(tmp_path, input_unsigned=True), x=x)
    np.testing.assert_array_equal(found, np.array([-1, 126, -128, -2], np.int8))
    # The result counts as 0..255 with zero point 255.
    found = run(_rescale(tmp_path, output_unsigned=True), x=x)
    np.testing.assert_array_equal(found, np.full(4, 255, np.uint8).view(np.int8))


def test_narrow_products_are_wide(tmp_path: Path):
    path = written(
        tmp_path,
        [Operator(op="MUL", inputs=("x", "x", "s"), outputs=("y",))],
        [
            Part(name="x", shape=(2,), kind=I16),
            constant("s", [0], "i1", I8),
            Part(name="y", shape=(2,), kind=I32),
        ],
        ["x"],
        ["y"],
    )
    found = run(load_tosa(path), x=np.array([-32768, 300], np.int16))
    np.testing.assert_array_equal(found, np.array([1 << 30, 90000], np.int32))


def test_limits_are_numbers_of_the_operands_width(tmp_path: Path):
    limits = [(0, bytes([0, 255, 0, 0, 0, 0, 0, 0])), (1, bytes([44, 1] + [0] * 6))]
    path = written(
        tmp_path,
        [Operator(op="CLAMP", inputs=("x",), outputs=("y",), attribute=limits)],
        [Part(name=name, shape=(2,), kind=I16) for name in "xy"],
        ["x"],
        ["y"],
    )
    assert load_tosa(path).nodes[0].op == ops.Clamp(low=-256, high=300)


def test_a_constant_output_is_a_node(tmp_path: Path):
    part = constant("c", [1, 0], "i1", BOOL)
    graph = load_tosa(written(tmp_path, [], [part], [], ["c"]))
    np.testing.assert_array_equal(run(graph), np.array([True, False]))


def test_every_unknown_operator_is_named(tmp_path: Path):
    operators = [
        Operator(op="SIN", inputs=("x",), outputs=("a",)),
        Operator(op="DIM", inputs=("x",), outputs=("b",)),
    ]
    path = written(tmp_path, operators, [Part(name="x", shape=(1,))], ["x"], ["a"])
    with pytest.raises(UnsupportedError, match=r"'a' \(SIN\), 'b' \(DIM\)"):
        load_tosa(path)


def _add(**changes: object) -> dict[str, object]:
    good: dict[str, object] = {
        "inputs": ("x", "z"),
        "x": Part(name="x", shape=(3,), kind=I32),
        "z": Part(name="z", shape=(3,), kind=I32),
        "y": Part(name="y", shape=(3,), kind=I32),
        "outputs": ("y",),
    }
    return good | changes


FAULTS = {
    "another result": (
        _add(y=Part(name="y", shape=(4,), kind=I32)),
        ModelError,
        r"ADD 'y': makes int32 \(3,\), but the file describes int32 \(4,\)",
    ),
    "operands of two types": (
        _add(z=Part(name="z", shape=(3,), kind=I8)),
        ModelError,
        "expected one dtype|no available implicit dtype promotion",
    ),
    "an operand too few": (_add(inputs=("x",)), ModelError, "1 operands, expected 2"),
    "an unknown operand": (
        _add(inputs=("x", "ghost")),
        ModelError,
        "'ghost' is not defined before use",
    ),
    "two results": (_add(outputs=("y", "z")), ModelError, "2 results, expected one"),
    "a float": (
        _add(x=Part(name="x", shape=(3,), kind=FP32)),
        UnsupportedError,
        "'x' is FP32",
    ),
}


@pytest.mark.parametrize(("parts", "kind", "message"), FAULTS.values(), ids=FAULTS)
def test_an_unsound_operator_is_placed(
    tmp_path: Path, parts: dict, kind: type[EmuError], message: str
):
    operator = Operator(op="ADD", inputs=parts["inputs"], outputs=parts["outputs"])
    tensors = [parts["x"], parts["z"], parts["y"]]
    path = written(tmp_path, [operator], tensors, ["x", "z"], ["y"])
    with pytest.raises(kind, match=message) as error:
        load_tosa(path)
    assert str(path) in str(error.value)
