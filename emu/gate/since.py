"""What changed in each sample since the baseline was made."""

import numpy as np

from emu.evaluate import ClassifyResult, DetectResult
from emu.gate.baseline import Baseline
from emu.gate.boxes import kept_detections
from emu.gate.result import CaseResult
from emu.gate.statistics import (
    DetectionChange,
    PairedChange,
    detection_change,
    paired_change,
)


def change_since(
    result: CaseResult, found: Baseline, stored: Baseline
) -> PairedChange | DetectionChange | None:
    """What changed since the baseline `stored`, if it was made of the same samples.

    `found` is what would be stored of the result. Detections that are the same to the
    digits that a baseline shows have not changed: None.
    """
    same = all(stored.case.get(k) == found.case.get(k) for k in ("data", "samples"))
    now = result.quantized
    if not same or stored.quantized.get("n") != now.n:
        return None
    if isinstance(now, ClassifyResult):
        before = np.array(" ".join(stored.predictions).split(), np.int64)
        if len(before) != now.n:
            return None
        right = now.predictions == now.labels
        return paired_change(now.ids, before == now.labels, right)
    if isinstance(now, DetectResult):
        to_find = stored.quantized.get("objects")
        changed = found.predictions != stored.predictions
        comparable = to_find == found.quantized["objects"] and to_find
        if changed and comparable and len(stored.boxes) == now.n:
            return detection_change([kept_detections(b) for b in stored.boxes], now)
    return None
