"""The Verilog bench computes what the exported files say, and notices what they don't.

Needs Icarus Verilog; where `iverilog` is absent the tests are reported as skipped with
that reason.
"""

import shutil
import subprocess
from dataclasses import replace

import numpy as np
import pytest

from emu.export import export_vectors
from emu.export.hexfile import WordFormat, hex_text
from emu.fixedpoint import Accumulator, Overflow, RescaleScheme
from tests.export.programs import changed, convolution, lowered_zoo, pixels
from tests.oracles.interpreter import interpret
from tests.zoo import images

pytestmark = pytest.mark.skipif(
    shutil.which("iverilog") is None,
    reason="iverilog is not installed (Debian: apt-get install iverilog)",
)


def simulate(folder, layer, work):
    """Compile the exported bench for one layer and run it: exit code and output."""
    place = folder / layer["folder"]
    compiled = work / "bench"
    sources = ["-I", place, folder / "conv2d_tb.v"]
    command = ["iverilog", "-g2012", "-Wall", "-o", compiled, *sources]
    made = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (made.returncode, made.stderr) == (0, "")
    run = subprocess.run(
        ["vvp", compiled, f"+dir={place}"], capture_output=True, text=True, check=False
    )
    return run.returncode, run.stdout + run.stderr


@pytest.fixture
def export(tmp_path):
    """Export a convolution on two images; its folder, its one layer, its images."""

    def call(**fields):
        graph = convolution(**fields)
        x = pixels(graph, 2)
        found = export_vectors(graph, {"x": x}, tmp_path / "out")
        return graph, x, tmp_path / "out", found["layers"][0]

    return call


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"stride": (1, 2), "padding": ((0, 0), (2, 1)), "x_zero_point": 127},
        {"dilation": (2, 1), "padding": ((2, 2), (0, 0))},
        {"seed": 1, "stride": (3, 3), "padding": ((1, 1), (1, 1))},
    ],
    ids=["stride-2-1", "padding-2-1", "dilation", "stride-3-3"],
)
def test_the_bench_agrees_bit_for_bit(export, fields, tmp_path):
    graph, x, folder, layer = export(**fields)
    y = interpret(graph, {"x": x})["y"]
    assert {-100, 90} < set(np.unique(y).tolist())  # the clamp is at work
    code, output = simulate(folder, layer, tmp_path)
    assert (code, output.splitlines()[0]) == (0, f"PASS {y.size} words")


@pytest.mark.parametrize("role", ["input", "weight", "bias", "multiplier", "expected"])
def test_one_flipped_bit_is_noticed(export, role, tmp_path):
    _, _, folder, layer = export()
    file = folder / layer["files"][role]["file"]
    comment, first, *rest = file.read_text().splitlines()
    # The topmost bit but one: a weight by 64, a multiplier by half of its range.
    bit = 1 << (layer["files"][role]["bits"] - 2)
    flipped = f"{int(first, 16) ^ bit:0{len(first)}x}"
    file.write_text("\n".join((comment, flipped, *rest, "")))
    code, output = simulate(folder, layer, tmp_path)
    assert code == 1
    assert "FAIL" in output
    assert "PASS" not in output


def test_a_file_that_is_missing_or_short_is_noticed(export, tmp_path):
    _, _, folder, layer = export()
    file = folder / layer["files"]["expected"]["file"]
    file.write_text("\n".join(file.read_text().splitlines()[:-1]))
    code, output = simulate(folder, layer, tmp_path)
    assert (code, "FAIL 1 of" in output) == (1, True)
    file.unlink()
    assert simulate(folder, layer, tmp_path)[0] == 1


def refused(graph, layer, tmp_path):
    """The one line that the bench of a layer ends with, and what the manifest says."""
    x = {
        name: np.zeros((1, *graph.tensors[name].shape[1:]), graph.tensors[name].dtype)
        for name in graph.inputs
    }
    found = export_vectors(graph, x, tmp_path / "out")
    entry = next(e for e in found["layers"] if e["layer"] == layer)
    code, output = simulate(tmp_path / "out", entry, tmp_path)
    assert code == 1
    (line,) = (line for line in output.splitlines() if "conv2d_tb.v knows" in line)
    assert line.endswith(entry["bench_refuses"])
    return entry["bench_refuses"]


def with_operators(graph, accumulator=None, **rescale):
    """The convolution with another register, or other fields of its rescale."""
    conv, scale, *rest = graph.nodes
    conv_op = replace(conv.op, accumulator=accumulator or conv.op.accumulator)
    nodes = (replace(conv, op=conv_op), replace(scale, op=replace(scale.op, **rescale)))
    return changed(graph, nodes=(*nodes, *rest))


def test_the_bench_refuses_another_operator_in_one_line(tmp_path):
    line = refused(lowered_zoo(), "deep", tmp_path)
    assert line == (
        "conv2d_tb.v knows conv2d alone; this layer is deep: depthwise_conv2d + "
        "rescale, 32-bit wrap accumulator, rescale single-round, saturate"
    )


def test_the_bench_refuses_a_matrix_product_in_one_line(tmp_path):
    assert "this layer is scores: matmul" in refused(lowered_zoo(), "scores", tmp_path)


@pytest.mark.parametrize(
    ("fields", "known", "found"),
    [
        (
            {"scheme": RescaleScheme.DOUBLE_ROUND},
            "the scheme single-round with saturation",
            "rescale double-round, saturate",
        ),
        (
            {"overflow": Overflow.WRAP},
            "the scheme single-round with saturation",
            "rescale single-round, wrap",
        ),
        (
            {"accumulator": Accumulator(bits=20, overflow=Overflow.SATURATE)},
            "accumulators of up to 32 bits that wrap",
            "20-bit saturate accumulator",
        ),
        (
            {"accumulator": Accumulator(bits=40)},
            "accumulators of up to 32 bits that wrap",
            "40-bit wrap accumulator",
        ),
        ({"x_left_shift": 1}, "accumulators that have 32 bits", "32-bit wrap"),
    ],
    ids=["scheme", "overflow", "register", "width", "left-shift"],
)
def test_the_bench_refuses_other_numbers_in_one_line(fields, known, found, tmp_path):
    line = refused(with_operators(convolution(), **fields), "conv", tmp_path)
    assert line.startswith(f"conv2d_tb.v knows {known}")
    assert found in line


def test_the_bench_refuses_an_accumulator_that_somebody_else_reads(tmp_path):
    graph = changed(convolution(), outputs=("y:acc", "y"))
    assert "the rescale that alone reads it" in refused(graph, "conv", tmp_path)


def test_the_bench_agrees_on_every_convolution_of_the_zoo(tmp_path):
    program = lowered_zoo()
    folder = tmp_path / "zoo"
    found = export_vectors(program, {"x": images(program, 1)}, folder)
    layers = [layer for layer in found["layers"] if layer["op"] == "conv2d"]
    assert len(layers) >= 4  # grouped, dilated, strided, with and without a clamp
    for layer in layers:
        code, output = simulate(folder, layer, tmp_path)
        assert (code, output[:4]) == (0, "PASS"), layer["layer"]


@pytest.mark.parametrize("bits", [2, 5, 20, 33, 48])
def test_readmemh_reads_two_s_complement_of_any_width(bits, tmp_path):
    ends = [-(1 << (bits - 1)), -1, 0, 1, (1 << (bits - 1)) - 1]
    text = hex_text(np.array(ends, np.int64), WordFormat(bits), f"{bits} bits")
    (tmp_path / "words.hex").write_bytes(text)
    (tmp_path / "read.v").write_text(
        f"module read; reg signed [{bits - 1}:0] words [0:4]; integer i; initial begin\n"
        f'$readmemh("{tmp_path}/words.hex", words);\n'
        'for (i = 0; i < 5; i = i + 1) $display("%0d", words[i]);\nend endmodule\n'
    )
    compiled = tmp_path / "read"
    subprocess.run(["iverilog", "-o", compiled, tmp_path / "read.v"], check=True)
    run = subprocess.run(["vvp", compiled], capture_output=True, text=True, check=True)
    assert [int(line) for line in run.stdout.split()] == ends
