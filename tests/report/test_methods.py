"""Recipes side by side: one table for each model, target and data."""

from dataclasses import replace

from emu.report import gate_report
from emu.report.methods import by_method
from tests.report.test_terminal import rendered


def with_recipe(outcome, name, **changes):
    case = outcome.result.case.model_copy(update={"recipe": name, **changes})
    return replace(outcome, case=name, result=replace(outcome.result, case=case))


def test_cases_that_differ_in_their_recipe_alone_stand_side_by_side(gate):
    base = next(case for case in gate.cases if case.result)
    cases = [
        with_recipe(base, "recipes/methods/kl.toml"),
        with_recipe(base, "recipes/auto/m-t.toml"),
        with_recipe(base, "recipes/methods/kl.toml", model="another"),
    ]
    (results,) = by_method(cases).values()
    assert len(results) == 2
    text = rendered(gate_report(replace(gate, cases=tuple(cases))))
    assert "lost" in text
    lines = [line.split() for line in text.splitlines()]
    row = next(line for line in lines if line[:1] == ["kl"])
    change = base.result.beside_fp32
    counts = [len(change.newly_wrong), len(change.newly_right)]
    assert row[-4:-2] == [str(count) for count in counts]
    assert any(line[:1] == ["auto"] for line in lines)
