"""Cases of detection post-processing."""

from typing import Final

import numpy as np

from emu import ops
from tests.ops.operands import Case, activation, constant

_RNG: Final = np.random.default_rng(5)
ANCHORS: Final = np.concatenate(
    [_RNG.uniform(0, 1, (24, 2)), _RNG.uniform(0.1, 0.4, (24, 2))], axis=1
).astype(np.float32)

_COMMON: Final = {
    "max_detections": 6,
    "num_classes": 4,
    "score_threshold": 0.25,
    "iou_threshold": 0.5,
    "scales": (10.0, 10.0, 5.0, 5.0),
}
VARIANTS: Final = {
    "fast": ops.DetectionPostprocess(max_classes_per_detection=1, **_COMMON),
    "classes": ops.DetectionPostprocess(max_classes_per_detection=3, **_COMMON),
    "regular": ops.DetectionPostprocess(
        max_classes_per_detection=1, regular=True, detections_per_class=3, **_COMMON
    ),
}

DETECTIONS: Final = [
    Case(
        name=f"{name}-{columns}",
        op=op,
        operands=(
            activation(24, 4, dtype="float32"),
            activation(24, columns, dtype="float32"),
            constant(ANCHORS, "float32"),
        ),
    )
    for name, op in VARIANTS.items()
    for columns in (4, 5)
]
