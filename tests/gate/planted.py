"""A project of the embedded digits and a model in colours, and faults to plant in it."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from emu.evaluate import Preprocess
from emu.gate import Selection, Shared, baseline_path, figures, record_golden, run_gate
from emu.graph import Graph
from emu.ops import Accumulating, Rescale

ROOT = Path(__file__).resolve().parents[2]
SAMPLES, CALIBRATION = 100, 64

SUITE = """
[[case]]
id = "digits"
model = "digits"
data = "digits_test"
calibration = "digits_train"
compare_samples = 32
limits = { max_drop_points = 5.0 }
"""
COLOURS = """
[[case]]
id = "colours"
model = "colours"
compare_samples = 32

[[case]]
id = "shifts"
model = "colours"
target = "ap-fixed"
compare_samples = 32
"""
COLOURS_ENTRY = """
file = "../../golden/colours.onnx"
preprocess = [{ op = "normalize", div = 255 }, { op = "layout", to = "NCHW" }]
data = "../golden/colours.npz[32:]"
calibration = "../golden/colours.npz[:32]"
"""

# From a program to one with a fault.
Damage = Callable[[Graph], Graph]


# What plants a fault in the project of a suite.
Plant = Callable[[Path, pytest.MonkeyPatch], None]


def make_project(folder: Path) -> Path:
    """The suite of a project with baselines and golden FP32 outputs."""
    digits = np.load(ROOT / "golden" / "digits" / "digits.npz")
    golden = folder / "golden" / "digits"
    golden.mkdir(parents=True)
    model = (ROOT / "golden" / "digits" / "digits.onnx").read_bytes()
    (golden / "digits.onnx").write_bytes(model)
    np.savez(
        golden / "digits.npz",
        **{f"{key}_test": digits[f"{key}_test"][:SAMPLES] for key in "xy"},
        **{f"{key}_train": digits[f"{key}_train"][:CALIBRATION] for key in "xy"},
    )
    for part in (
        "models/digits.toml",
        "datasets/digits_test.toml",
        "datasets/digits_train.toml",
    ):
        entry = folder / "suites" / part
        entry.parent.mkdir(parents=True, exist_ok=True)
        entry.write_text((ROOT / "suites" / part).read_text())
    _make_colours(folder)
    suite = folder / "suites" / "embedded.toml"
    suite.write_text(SUITE + COLOURS)
    made = run_gate([suite], reason="first")
    assert made.exit_code == 0, made.verdicts
    record_golden([suite])
    return suite


def _make_colours(folder: Path) -> None:
    """Three channels that matter differently: blue is dark and weighs most."""
    rng = np.random.default_rng(6)
    weights = np.zeros((4, 3, 3, 3), np.float32)
    weights[:] = rng.normal(size=weights.shape) * np.reshape([0.1, 1, 8], (3, 1, 1))
    dense = rng.normal(size=(4, 5)).astype(np.float32)
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["a"], "conv", pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["a"], ["b"], "relu"),
        helper.make_node("GlobalAveragePool", ["b"], ["c"], "pool"),
        helper.make_node("Flatten", ["c"], ["d"], "flatten"),
        helper.make_node("MatMul", ["d", "dense"], ["y"], "fc"),
    ]
    graph = helper.make_graph(
        nodes,
        "colours",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 3, 6, 6])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", 5])],
        [
            numpy_helper.from_array(weights, "w"),
            numpy_helper.from_array(dense, "dense"),
        ],
    )
    opsets = [helper.make_opsetid("", 17)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=8)
    onnx.save(model, folder / "golden" / "colours.onnx")
    x = rng.integers(0, [256, 128, 32], (96, 6, 6, 3)).astype(np.uint8)
    np.savez(folder / "golden" / "colours.npz", x=x, y=rng.integers(0, 5, 96))
    entry = folder / "suites" / "models" / "colours.toml"
    entry.write_text(COLOURS_ENTRY)


def beside(shared: Shared) -> Shared:
    """Its compiled code and FP32 results, but no program: those have faults."""
    fresh = Shared()
    fresh.family, fresh.fp32 = shared.family, shared.fp32
    return fresh


def in_program(damage: Damage) -> Plant:
    """Plant in what quantization makes."""

    def plant(suite: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        sound = figures.quantize_entry
        monkeypatch.setattr(
            figures,
            "quantize_entry",
            lambda *args, **options: damage(sound(*args, **options)),
        )

    return plant


def at_operator(kind: Any, layer: str, change: Callable[[Any], Any]) -> Damage:
    """Another operator in the place of the only one of its kind in a layer."""

    def damage(graph: Graph) -> Graph:
        nodes = list(graph.nodes)
        (place,) = (
            place
            for place, node in enumerate(nodes)
            if node.layer == layer and isinstance(node.op, kind)
        )
        nodes[place] = replace(nodes[place], op=change(nodes[place].op))
        return replace(graph, nodes=tuple(nodes))

    return damage


def at_rescale(layer: str, **changes: object) -> Damage:
    return at_operator(Rescale, layer, lambda op: replace(op, **changes))


def move_zero_point(layer: str) -> Damage:
    """What the rescale adds, one too much."""
    return at_operator(
        Rescale, layer, lambda op: replace(op, zero_point=op.zero_point + 1)
    )


def narrow_register(layer: str, bits: int) -> Damage:
    return at_operator(
        Accumulating,
        layer,
        lambda op: replace(op, accumulator=replace(op.accumulator, bits=bits)),
    )


def flip_signs(name: str, channel: int, count: int = 1) -> Damage:
    """The largest weights of an output channel, with the other sign."""

    def damage(graph: Graph) -> Graph:
        weights = graph.constants[name].copy()
        column = weights[..., channel]
        largest = np.argsort(-np.abs(column.astype(int)), axis=None)[:count]
        column[np.unravel_index(largest, column.shape)] *= -1
        return replace(graph, constants={**graph.constants, name: weights})

    return damage


def reverse_channels(suite: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Calibrate on BGR what is evaluated as RGB."""
    sound = figures.quantize_entry

    def quantize(entry, *args, **options):
        steps = [step.model_dump() for step in entry.preprocess.steps]
        turned = Preprocess.model_validate([{"op": "channels", "order": "BGR"}, *steps])
        return sound(entry.model_copy(update={"preprocess": turned}), *args, **options)

    monkeypatch.setattr(figures, "quantize_entry", quantize)


def _edit_data(suite: Path, **changes: Callable[[np.ndarray], np.ndarray]) -> None:
    path = suite.parent.parent / "golden" / "digits" / "digits.npz"
    arrays: dict[str, Any] = dict(np.load(path))
    for key, change in changes.items():
        arrays[key] = change(arrays[key])
    np.savez(path, **arrays)


def shift_labels(suite: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _edit_data(suite, y_test=lambda y: np.roll(y, 1))


def lose_samples(suite: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _edit_data(suite, x_test=lambda x: x[:-10], y_test=lambda y: y[:-10])


def delete_baseline(suite: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    baseline_path(suite, "digits").unlink()


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def truncate_baseline(suite: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    truncate(baseline_path(suite, "digits"))


def truncate_golden(suite: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = suite.parent.parent / "golden" / "fp32" / "digits"
    truncate(max(folder.glob("*.gz"), key=lambda path: path.stat().st_size))


def start_from_worse(suite: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The baseline is that of a program with wrong weights, which is then mended."""
    with monkeypatch.context() as patch:
        in_program(flip_signs("dense_out:weights", 3, 40))(suite, patch)
        run_gate([suite], reason="worse", selection=Selection(expression="digits"))
