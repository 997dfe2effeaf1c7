"""Detections that the graph itself has decoded and suppressed."""

from typing import ClassVar, Literal

import numpy as np
from jaxtyping import Shaped

from emu.errors import UnsupportedError
from emu.evaluate.detect.boxes import Detections
from emu.evaluate.detect.settings import AbstractDecoder, Share


class FinalDetections(AbstractDecoder):
    """The four outputs of TFLite_Detection_PostProcess.

    Boxes [n, k, 4] as ymin xmin ymax xmax relative to the model's input, classes [n, k]
    and scores [n, k], the best first, and the count [n] of those that mean something.

    Fields:
        names: of boxes, classes, scores and count; by default the model's four outputs
            in their order.
    """

    unnamed: ClassVar[int] = 4
    kind: Literal["detections"] = "detections"
    names: tuple[str, str, str, str] | None = None
    score_threshold: Share = 0.0

    def outputs(self) -> tuple[str, ...]:
        return self.names or ()


def final_detections(
    decoder: FinalDetections,
    boxes: Shaped[np.ndarray, "..."],
    classes: Shaped[np.ndarray, "..."],
    scores: Shaped[np.ndarray, "..."],
    count: Shaped[np.ndarray, "..."],
) -> list[Detections]:
    """Return what each image has, boxes in pixels of the model's input.

    Raises:
        UnsupportedError: an output has another shape.
    """
    many = scores.shape
    found = [list(x.shape) for x in (boxes, classes, scores, count)]
    if len(many) != 2 or found != [[*many, 4], [*many], [*many], [many[0]]]:
        raise UnsupportedError(
            f"the model's outputs have shapes {found}; expected boxes [n, k, 4], "
            "classes [n, k], scores [n, k] and count [n]"
        )
    extent = np.tile(np.array(decoder.size[::-1], np.float32), 2)[None]
    result = []
    for box, label, score, used in zip(boxes, classes, scores, count, strict=True):
        real = np.arange(many[1]) < used
        kept = np.flatnonzero(real & (score > np.float32(decoder.score_threshold)))
        order = kept[np.argsort(-score[kept], kind="stable")]
        pixels = box[order][:, [1, 0, 3, 2]].astype(np.float32) * extent
        result.append(
            Detections(
                boxes=pixels,
                scores=score[order].astype(np.float32),
                classes=label[order].astype(np.int64),
            )
        )
    return result
