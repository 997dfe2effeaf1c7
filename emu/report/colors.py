"""Colours of outcomes on the terminal; the words say the same without them."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from emu.gate import Outcome

COLORS: Final[Mapping[Outcome, str]] = MappingProxyType(
    {
        Outcome.EQUAL: "green",
        Outcome.HOLDS: "green",
        Outcome.KNOWN: "yellow",
        Outcome.ACCEPTED: "yellow",
        Outcome.IMPROVED: "yellow",
        Outcome.REGRESSED: "red",
        Outcome.MISSING: "red",
        Outcome.FAILED: "red",
    }
)
