"""The ladder climbs in the manual's order and ends at the first step that will do."""

from itertools import groupby

from emu.calibrate import Method
from emu.quantize import Recipe
from emu.tune.ladder import ladder, ladder_trials
from tests.tune.bench import LAYERS, PaperBench, climb


def steps_of(done):
    return [name for name, _ in groupby(proposal.step for proposal, _ in done)]


def test_the_steps_come_in_the_documented_order():
    done, _ = climb(ladder, lambda recipe: 9.0)
    assert steps_of(done) == [
        "defaults",
        "range",
        "bin",
        "percentile",
        "grid",
        "exclude",
        "float16",
    ]


def test_the_grid_has_every_combination_once():
    done, _ = climb(ladder, lambda recipe: 9.0)
    grid = [p.recipe.model_dump_json() for p, _ in done if p.step == "grid"]
    # quantize_algo, weight_type, bin, type, ranges, max_percentile, batch_count
    assert len(grid) == len(set(grid)) == 2 * 2 * 3 * 3 * 2 * 2 * 3


def test_batch_counts_that_the_calibration_set_lacks_are_left_out():
    done, _ = climb(ladder, lambda recipe: 9.0, bench=PaperBench(samples=25))
    counts = {p.recipe.batch_count for p, _ in done if p.step == "grid"}
    assert counts == {10, 20}


def test_it_stops_at_the_first_trial_that_meets_the_goal():
    def drop(recipe: Recipe) -> float:
        return 0.5 if recipe.everywhere.bin == 250 else 2.0

    done, _ = climb(ladder, drop)
    assert steps_of(done) == ["defaults", "range", "bin"]
    assert done[-1][0].recipe.everywhere.bin == 250


def test_layers_are_excluded_from_the_first_on_with_the_best_settings_so_far():
    def drop(recipe: Recipe) -> float:
        base = 2.0 if recipe.everywhere.method is Method.JSD else 3.0
        return base - 0.6 * len(recipe.exclude)

    done, _ = climb(ladder, drop)
    excluded = [p.recipe for p, _ in done if p.step == "exclude"]
    assert [recipe.exclude for recipe in excluded] == [
        LAYERS[:1],
        LAYERS[:2],
        LAYERS[:3],
    ]
    assert {recipe.everywhere.method for recipe in excluded} == {Method.JSD}


def test_the_last_step_has_the_whole_network_in_float16():
    done, _ = climb(ladder, lambda recipe: 9.0)
    assert done[-1][0].recipe.exclude == PaperBench().everything


def test_no_climb_is_longer_than_announced():
    done, _ = climb(ladder, lambda recipe: 9.0)
    assert len(done) == ladder_trials(PaperBench())
