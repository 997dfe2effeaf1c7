"""Records of whole models: what comes back without any data is the same program."""

import os

import numpy as np
import pytest

from emu.evaluate import find_model, quantize_entry
from emu.export import export_record
from emu.frontends import load_model
from emu.quantize import Recipe, read_record
from emu.targets import find_target


def assert_comes_back(name, target, folder):
    entry = find_model(name)
    graph, target = load_model(entry.file), find_target(target)
    program = quantize_entry(entry, graph, target, Recipe())
    export_record(program, folder / "record.txt", {"name": name})
    # An entry without calibration data: the record must say it all.
    bare = entry.model_copy(update={"calibration": None})
    record = read_record(folder / "record.txt")
    again = quantize_entry(bare, graph, target, Recipe(), record=record)
    assert again.nodes == program.nodes
    assert again.tensors == program.tensors
    assert list(again.constants) == list(program.constants)
    for key, array in program.constants.items():
        assert again.constants[key].dtype == array.dtype
        np.testing.assert_array_equal(again.constants[key], array, key)


@pytest.mark.parametrize("target", ["generic-int8", "ascend-310"])
def test_the_digits_model(target, tmp_path):
    assert_comes_back("digits", target, tmp_path)


@pytest.mark.data
@pytest.mark.skipif("EMU_DATA" not in os.environ, reason="EMU_DATA is not set")
@pytest.mark.parametrize("target", ["generic-int8", "ascend-310"])
def test_resnet8(target, tmp_path):
    assert_comes_back("resnet8", target, tmp_path)
