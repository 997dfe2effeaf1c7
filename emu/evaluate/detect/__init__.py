"""Detection: annotated images, decoders of what detectors give, and their metrics."""

from emu.evaluate.detect.result import DetectResult as DetectResult
