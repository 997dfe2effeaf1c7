"""Calibration: float tensors are observed over batches and get their ranges."""

from emu.calibrate.calibrate import (
    Calibration as Calibration,
    Observation as Observation,
    calibrate as calibrate,
    coarse as coarse,
)
from emu.calibrate.channels import channel_maxima as channel_maxima
from emu.calibrate.observers import (
    OBSERVERS as OBSERVERS,
    Method as Method,
    Range as Range,
)
