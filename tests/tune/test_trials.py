"""The table of trials: nothing finished is lost, nothing unfinished is kept."""

import json
from dataclasses import replace

import pandas as pd
import pytest

from emu.errors import DataError
from emu.quantize import Recipe
from emu.tune import Proposal, TrialTable, best_of, trial_frame
from tests.tune.bench import PaperBench, paper_trial

KL = Recipe.model_validate({"global": {"method": "kl"}})
MSE = Recipe.model_validate({"global": {"method": "mse"}})


def trial_of(recipe: Recipe, *, drop: float = 1.0, number: int = 1):
    proposal = Proposal(step="method", label="x", recipe=recipe)
    return paper_trial(proposal, drop, number, PaperBench())


def test_a_finished_trial_is_found_again_by_another_run(tmp_path):
    file = tmp_path / "t.jsonl"
    TrialTable(file, "paper").add(trial_of(KL))
    again = TrialTable(file, "paper")
    assert again.find(KL) == trial_of(KL)
    assert again.find(MSE) is None


def test_the_file_is_one_that_pandas_reads(tmp_path):
    file = tmp_path / "t.jsonl"
    table = TrialTable(file, "paper")
    table.add(trial_of(KL))
    table.add(trial_of(MSE, number=2))
    frame = pd.read_json(file, lines=True)
    assert list(frame["number"]) == [1, 2]
    assert frame["recipe"].tolist()[1] == {"global": {"method": "mse"}}


@pytest.mark.parametrize("kept", [1, 17, -1])
def test_a_line_that_a_kill_cut_off_is_dropped_and_overwritten(tmp_path, kept):
    file = tmp_path / "t.jsonl"
    TrialTable(file, "paper").add(trial_of(KL))
    whole = file.read_bytes()
    file.write_bytes(whole + whole[:kept])
    table = TrialTable(file, "paper")
    assert [trial.number for trial in table.trials] == [1]
    table.add(trial_of(MSE, number=2))
    lines = file.read_text().splitlines()
    assert [json.loads(line)["number"] for line in lines] == [1, 2]


def test_rows_of_another_question_stay_and_are_not_used(tmp_path):
    file = tmp_path / "t.jsonl"
    TrialTable(file, "paper").add(trial_of(KL))
    other = TrialTable(file, "another model")
    assert other.find(KL) is None
    other.add(replace(trial_of(MSE), question="another model"))
    assert len(file.read_text().splitlines()) == 2
    assert TrialTable(file, "paper").find(KL) is not None


@pytest.mark.parametrize(
    "line", ["no json", "[]", "{}", '{"recipe": {}}', '{"recipe": {"nonsense": 1}}']
)
def test_a_file_that_is_no_table_is_refused_with_its_line(tmp_path, line):
    file = tmp_path / "t.jsonl"
    file.write_text(line + "\n")
    with pytest.raises(DataError, match="line 1"):
        TrialTable(file, "paper")
    assert file.read_text() == line + "\n"


def test_within_the_goal_most_integers_win_and_else_the_best_score():
    good = trial_of(Recipe.model_validate({"exclude": ["a"]}), drop=0.1)
    cheap = trial_of(KL, drop=0.4, number=2)
    poor = trial_of(MSE, drop=3.0, number=3)
    assert best_of([good, cheap, poor], 0.5) == cheap
    assert best_of([good, cheap, poor], 0.05) == good
    assert best_of([], 0.5) is None


def test_the_frame_has_a_row_for_each_trial_with_its_recipe_as_text():
    frame = trial_frame([trial_of(KL), trial_of(MSE, number=2)])
    assert list(frame["number"]) == [1, 2]
    assert json.loads(frame["recipe"].tolist()[0]) == {"global": {"method": "kl"}}
