"""Boxes on the model's input back to pixels of the image."""

import numpy as np
from jaxtyping import Float, Float32

from emu.evaluate.detect.boxes import Placement


def to_image(
    boxes: Float[np.ndarray, "n 4"], placement: Placement
) -> Float32[np.ndarray, "n 4"]:
    """Return boxes in pixels of the image, clipped to it.

    Computed in float64 and rounded once. A box that lies beyond the image becomes one
    without area on its edge.

    Arguments:
        boxes: x0 y0 x1 y1 in pixels of the model's input; not NaN.
        placement: where preprocessing has put the image.
    """
    # Heights come first in a placement, x first in a box.
    scale = np.tile(placement.scale[::-1], 2)[None]
    offset = np.tile(placement.offset[::-1], 2)[None]
    edge = np.tile(placement.size[::-1], 2)[None]
    inside = np.clip((boxes.astype(np.float64) - offset) / scale, 0.0, edge)
    return inside.astype(np.float32)
