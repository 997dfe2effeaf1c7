"""Accelerators: one TOML each, read into a Target."""

from emu.targets.target import (
    Target as Target,
    find_target as find_target,
    target_names as target_names,
)
