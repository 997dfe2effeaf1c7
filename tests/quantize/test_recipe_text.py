"""Recipes written as TOML are the recipes that are read back."""

from hypothesis import given, strategies as st

from emu.calibrate import Method
from emu.quantize import Recipe, read_recipe, recipe_text

names = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12)
settings = st.fixed_dictionaries(
    {},
    optional={
        "method": st.sampled_from([m.value for m in Method]),
        "percentile": st.floats(51, 100),
        "bias_correction": st.booleans(),
        "weight_bits": st.integers(2, 16),
        "weights": st.sampled_from(["per-channel", "per-tensor"]),
    },
).filter(bool)


@given(
    whole=settings,
    op=st.dictionaries(st.sampled_from(["Conv", "Gemm"]), settings),
    layer=st.dictionaries(names, settings, max_size=3),
    exclude=st.lists(names, max_size=3),
)
def test_a_recipe_is_read_back_as_it_was(tmp_path_factory, whole, op, layer, exclude):
    recipe = Recipe.model_validate(
        {"global": whole, "op": op, "layer": layer, "exclude": exclude}
    )
    path = tmp_path_factory.mktemp("recipe") / "r.toml"
    path.write_text(recipe_text(recipe, "two\nlines"), encoding="utf-8", newline="\n")
    assert read_recipe(path) == recipe


def test_what_it_is_about_stands_at_the_head():
    text = recipe_text(Recipe(), "found by a search\n\nof layers")
    assert text == "# found by a search\n#\n# of layers\n"
