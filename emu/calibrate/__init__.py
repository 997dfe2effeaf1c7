"""Calibration: float tensors are observed over batches and get their ranges."""

from emu.calibrate.calibrate import (
    Calibration as Calibration,
    calibrate as calibrate,
)
from emu.calibrate.channels import channel_maxima as channel_maxima
from emu.calibrate.collect import (
    Batches as Batches,
    collect as collect,
    first_samples as first_samples,
)
from emu.calibrate.observation import (
    Method as Method,
    Observation as Observation,
    Range as Range,
    coarse as coarse,
)
from emu.calibrate.statistics import Statistics as Statistics
