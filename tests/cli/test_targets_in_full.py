"""emu targets NAME shows every number of every target."""

import pytest

from emu.targets import find_target, target_names


def leaves(value):
    """Keys and values of nested data, at any depth."""
    for key, inner in value.items():
        if isinstance(inner, dict):
            yield from leaves(inner)
        else:
            yield key, inner


@pytest.mark.parametrize("name", target_names())
def test_a_target_is_printed_in_full(name, emu):
    target = find_target(name)
    found = emu("targets", name, "--json").json
    assert found == target.model_dump(mode="json")
    shown = emu("targets", name)
    assert (shown.code, shown.err) == (0, "")
    text = " ".join(shown.out.split())
    assert target.name in text
    for section in target.model_dump(exclude={"name", "description"}):
        assert section in text
    for key, value in leaves(target.model_dump(mode="json")):
        if key not in ("name", "description"):
            assert key in text
        if isinstance(value, str) and key != "description":
            assert value in text
