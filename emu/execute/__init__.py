"""Execution: a Graph becomes one compiled function on exact carriers."""

from emu.execute.carriers import (
    accumulation_bound as accumulation_bound,
    choose_carriers as choose_carriers,
    safe_accumulator_bits as safe_accumulator_bits,
)
from emu.execute.program import Family as Family, Program as Program
