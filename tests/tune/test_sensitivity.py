"""The sensitivity strategy pays as little as will do."""

from hypothesis import given, strategies as st

from emu.quantize import Recipe
from emu.targets import find_target
from emu.tune import best_of
from emu.tune.ladder import ladder
from emu.tune.sensitivity import sensitivity, sensitivity_trials
from tests.tune.bench import LAYERS, PaperBench, climb


def fewest(done, max_drop=0.5):
    best = best_of([trial for _, trial in done], max_drop)
    assert best is not None
    return best


def test_defaults_that_will_do_are_the_only_trial():
    done, ranking = climb(sensitivity, lambda recipe: 0.5)
    assert [p.step for p, _ in done] == ["defaults"]
    assert ranking.empty


def test_a_method_that_will_do_ends_the_search_in_integers():
    def drop(recipe: Recipe) -> float:
        method = recipe.everywhere.method
        return 0.1 if method and method.value == "ifmr" else 3.0

    done, _ = climb(sensitivity, drop)
    best = fewest(done)
    assert best.integer_share == 1
    assert best.recipe["global"]["method"] == "ifmr"


def test_changes_of_the_weights_add_up():
    def drop(recipe: Recipe) -> float:
        found = recipe.everywhere
        return (
            3.0
            - 1.5 * bool(found.bias_correction)
            - 1.2 * (found.migration_strength is not None)
        )

    done, _ = climb(sensitivity, drop)
    best = fewest(done)
    assert best.recipe["global"]["bias_correction"] is True
    assert "migration_strength" in best.recipe["global"]


def test_a_layer_may_get_a_method_of_its_own():
    def drop(recipe: Recipe) -> float:
        own = recipe.layer.get("c")
        return 0.2 if own and own.method and own.method.value == "kl" else 3.0

    done, _ = climb(sensitivity, drop)
    best = fewest(done)
    assert best.step == "layer"
    assert best.integer_share == 1
    assert set(best.recipe["layer"]) == {"c"}


def test_layers_are_ranked_by_what_they_cost_and_then_by_their_noise():
    def drop(recipe: Recipe) -> float:
        return 5.0 - (3.0 if "e" in recipe.exclude else 0.0)

    _, ranking = climb(sensitivity, drop)
    # "e" is third by noise; the others win nothing and keep their order.
    assert list(ranking["name"]) == ["e", "c", "a", "b", "d"]
    assert ranking["gain_points"].tolist()[0] == 3.0


def test_wide_integers_come_before_float16():
    generic = PaperBench(target=find_target("generic-int8"))

    def drop(recipe: Recipe) -> float:
        wide = {n for n, s in recipe.layer.items() if s.activation_bits == 16}
        good = {"c", "a"} <= wide or {"c", "a"} <= set(recipe.exclude)
        return 0.3 if good else 4.0

    done, _ = climb(sensitivity, drop, bench=generic)
    best = fewest(done)
    assert best.step == "wide"
    assert best.integer_share == 1
    assert {n for n, s in best.recipe["layer"].items()} == {"c", "a"}


@given(needed=st.sets(st.sampled_from(LAYERS), min_size=1))
def test_the_shortest_prefix_of_the_ranking_is_found(needed):
    def drop(recipe: Recipe) -> float:
        return 0.4 if needed <= set(recipe.exclude) else 6.0

    done, ranking = climb(sensitivity, drop)
    best = fewest(done)
    worst = list(ranking["name"])
    shortest = max(worst.index(name) for name in needed) + 1
    assert set(best.recipe["exclude"]) == set(worst[:shortest])
    assert len(done) <= sensitivity_trials(PaperBench())


@given(needed=st.sets(st.sampled_from(LAYERS), min_size=1, max_size=3))
def test_no_more_runs_in_float16_than_on_the_ladder_if_the_ranking_is_right(needed):
    """Each needed layer costs as much, so measuring puts them in front."""

    def drop(recipe: Recipe) -> float:
        return 2.0 * len(needed - set(recipe.exclude))

    ours, _ = climb(sensitivity, drop)
    theirs, _ = climb(ladder, drop)
    assert fewest(ours).float_share <= fewest(theirs).float_share


def test_a_goal_that_nothing_reaches_is_given_up_after_prefixes_of_every_scale():
    done, _ = climb(sensitivity, lambda recipe: 7.0)
    tried = [one.recipe.exclude for one, _ in done if one.step == "float16"]
    assert [len(names) for names in tried] == [5, 1, 2]
    assert set(tried[0]) == set(LAYERS)


def test_a_prefix_may_do_where_the_whole_network_in_float16_does_not():
    def drop(recipe: Recipe) -> float:
        return 1.0 if len(recipe.exclude) in (0, 1, 5) else 0.4

    done, _ = climb(sensitivity, drop)
    assert fewest(done).recipe["exclude"] == ["c", "a"]
