"""Detection: annotated images, decoders of what detectors give, and their metrics."""

from emu.evaluate.detect.boxes import (
    Category as Category,
    Detections as Detections,
    Objects as Objects,
)
from emu.evaluate.detect.result import MILLION as MILLION, DetectResult as DetectResult
