"""A model made hard on purpose: min-max fails, tuning wins it back and says where."""

import onnx
import pytest

from emu.evaluate import find_dataset, find_model, open_model
from emu.targets import find_target
from emu.tune import TrialTable, Workbench, tune
from tests.tune.hard_model import AFTER, BEFORE, hard_digits

LAYERS = {BEFORE, AFTER, "relu4a"}


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    folder = tmp_path_factory.mktemp("hard")
    onnx.save(hard_digits(), folder / "hard.onnx")
    entry = find_model("digits").model_copy(update={"file": folder / "hard.onnx"})
    entry, graph = open_model(entry)
    bench = Workbench(
        entry,
        graph,
        find_target("generic-int8"),
        find_dataset("digits_train[:100]"),
        find_dataset("digits_test"),
    )
    table = TrialTable(folder / "trials.jsonl", bench.question())
    return tune(bench, table, max_drop=1.0)


def test_min_max_loses_more_than_ten_points(found):
    defaults = found.trials[0]
    assert defaults.step == "defaults"
    assert defaults.drop_points > 10


def test_tuning_recovers_to_within_one_point(found):
    assert found.reached
    assert found.best.drop_points <= 1.0
    assert found.best.integer_share == 1.0


def test_the_layers_responsible_are_named_first(found):
    first = found.ranking.iloc[0]
    assert first["name"] in LAYERS
    assert first["gain_points"] > 10
