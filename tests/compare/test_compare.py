"""compare_layers against ONNX Runtime, on the embedded digits model."""

import math

import numpy as np
import pandas as pd
import pytest

from emu.compare import Mode, compare_layers, onnxruntime_engine
from emu.compare.layers import cumulative, isolated, results
from emu.errors import MissingError, ModelError
from emu.execute import Family, Program
from emu.fixedpoint import Overflow, Stage
from emu.frontends import load_model
from emu.optimize import run_passes
from emu.quantize import Recipe, quantize_model
from emu.targets import find_target
from tests.quantize.test_lowering import lowered, target_with

MODEL = "golden/digits/digits.onnx"
DATA = "golden/digits/digits.npz"


@pytest.fixture(scope="module")
def samples():
    with np.load(DATA, allow_pickle=False) as data:
        return data["x_test"][:20, None].astype(np.float32) / 16


@pytest.fixture(scope="module")
def floats():
    return run_passes(load_model(MODEL))


@pytest.fixture(scope="module")
def program(floats):
    return lowered(floats, count=32)


@pytest.fixture(scope="module")
def report(program, samples):
    return compare_layers(program, MODEL, [samples[:8], samples[8:16], samples[16:]], 8)


def test_there_is_a_row_for_every_quantized_layer(program, report):
    for table in report.tables.values():
        assert list(table["name"]) == list(results(program))
        assert len(table) >= 10
    assert report.samples == 20
    assert report.engine["engine"] == "onnxruntime"
    assert report.engine["version"]


def test_metrics_equal_numpy_on_all_samples_at_once(program, report, samples):
    rows = results(program)
    got = Program(program, 20, tuple(rows.values()))(samples)
    golden = {t: program.tensors[t].golden for t in rows.values()}
    engine = onnxruntime_engine(MODEL, [g.name for g in golden.values()])
    reals = engine.run(samples)
    for row in report.tables[Mode.CUMULATIVE].to_dict("records"):
        tensor = rows[row["name"]]
        described = program.tensors[tensor]
        want = np.transpose(reals[golden[tensor].name], golden[tensor].perm)
        want = want.astype(np.float64)
        scale, zero_point = described.qparams.scale[0], described.qparams.zero_point[0]
        error = (got[tensor].astype(np.float64) - zero_point) * scale - want
        assert row["mse"] == pytest.approx(np.mean(error**2), rel=1e-4)
        assert row["mean_error"] == pytest.approx(np.mean(error), rel=1e-3, abs=1e-7)
        assert row["max_lsb"] == pytest.approx(np.abs(error).max() / scale, rel=1e-4)
        assert row["sqnr_db"] == pytest.approx(
            10 * math.log10(np.sum(want**2) / np.sum(error**2)), abs=1e-3
        )
        flat = got[tensor].astype(np.float64) - zero_point
        cosine = np.sum(flat * want) / np.sqrt(np.sum(flat**2) * np.sum(want**2))
        assert row["cosine"] == pytest.approx(cosine, abs=1e-6)
        assert row["elements"] == want.size


def test_a_layer_alone_is_at_least_as_close_as_in_the_network(report):
    alone = report.tables[Mode.ISOLATED]["sqnr_db"].to_numpy()
    whole = report.tables[Mode.CUMULATIVE]["sqnr_db"].to_numpy()
    assert np.mean(alone) > np.mean(whole)
    assert alone.min() > 25


def test_padding_of_the_last_batch_does_not_count(program, report, samples):
    once = compare_layers(program, MODEL, [samples], 20, (Mode.CUMULATIVE,))
    a, b = once.tables[Mode.CUMULATIVE], report.tables[Mode.CUMULATIVE]
    for column in ("differing", "elements", "acc_bits", "max_lsb"):
        assert list(a[column]) == list(b[column])


def test_overflow_of_narrow_accumulators_is_counted(floats, samples):
    wide = lowered(floats, count=32)
    peak = compare_layers(wide, MODEL, [samples], 20, (Mode.CUMULATIVE,))
    bits = max(peak.tables[Mode.CUMULATIVE]["acc_bits"].to_list())
    assert 12 < bits < 32
    assert not any(peak.tables[Mode.CUMULATIVE]["acc_overflows"].to_list())
    narrow = target_with(accumulator={"bits": bits - 2, "overflow": Overflow.SATURATE})
    program = lowered(floats, count=32, target=narrow)
    found = compare_layers(program, MODEL, [samples], 20, (Mode.ISOLATED,))
    table = found.tables[Mode.ISOLATED]
    assert any(table["acc_overflows"].to_list())
    assert max(table["acc_bits"].to_list()) >= bits - 1


def test_first_divergence_is_the_first_row_that_differs(report):
    table = report.tables[Mode.CUMULATIVE]
    differing = [r["name"] for r in table.to_dict("records") if r["differing"]]
    assert report.first_divergence == differing[0]


def test_isolated_layers_read_golden_values_only(program):
    found = isolated(program)
    assert all(name.startswith("golden:") for name in found.graph.inputs)
    assert [x.name for x in found.layers] == [
        x.name for x in cumulative(program).layers
    ]


def test_golden_outputs_need_a_sound_model(tmp_path):
    with pytest.raises(MissingError, match="not there"):
        onnxruntime_engine(tmp_path / "none.onnx")
    (tmp_path / "bad.onnx").write_bytes(b"\x00garbage")
    with pytest.raises(ModelError):
        onnxruntime_engine(tmp_path / "bad.onnx")


def test_registers_that_saturate_on_the_way_are_watched(floats, samples):
    """Their overflows are additions, and their bits those of every partial sum."""
    found = {}
    for stage in ("end", "product"):
        narrow = target_with(
            accumulator={
                "bits": 16,
                "overflow": Overflow.SATURATE,
                "saturate": Stage(stage),
            }
        )
        program = lowered(floats, count=32, target=narrow)
        report = compare_layers(program, MODEL, [samples], 20, (Mode.ISOLATED,))
        found[stage] = report.tables[Mode.ISOLATED].set_index("name")
    end, product = found["end"], found["product"]
    assert (product["acc_bits"] >= end["acc_bits"].clip(upper=16)).all()
    assert product["acc_overflows"].sum() > 0
    for table in found.values():
        summing = table[table["acc_bits"] > 0]
        assert len(summing)
        assert (summing["acc_safe_bits"] >= summing["acc_bits"]).all()
        unsafe = summing[summing["acc_safe_bits"] <= 16]
        assert not unsafe["acc_overflows"].any()


def test_comparisons_of_one_structure_share_compiled_code(floats, samples):
    family = Family()
    tables = []
    for method in ("minmax", "mse"):
        recipe = Recipe.model_validate({"global": {"method": method}})
        graph = quantize_model(floats, [samples], recipe, find_target("generic-int8"))
        runs = [
            compare_layers(graph, MODEL, [samples], 20, (Mode.ISOLATED,), family=shared)
            for shared in (None, family)
        ]
        alone, together = (run.tables[Mode.ISOLATED] for run in runs)
        pd.testing.assert_frame_equal(alone, together, rtol=1e-12)
        tables.append(alone)
    assert family.compiled == 1
    assert not tables[0]["sqnr_db"].equals(tables[1]["sqnr_db"])
