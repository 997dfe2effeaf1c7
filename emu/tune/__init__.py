"""Tuning: settings of quantization searched until the accuracy goal is met."""

from emu.tune.strategy import (
    Proposal as Proposal,
    Search as Search,
    Strategy as Strategy,
)
from emu.tune.trials import (
    Trial as Trial,
    TrialTable as TrialTable,
    best_of as best_of,
    trial_frame as trial_frame,
)
from emu.tune.tune import (
    STRATEGIES as STRATEGIES,
    Stopped as Stopped,
    Tuning as Tuning,
    tune as tune,
)
from emu.tune.workbench import Workbench as Workbench
