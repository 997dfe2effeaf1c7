"""What every decoder makes of a model's outputs, before any suppression."""

from typing import NamedTuple

from jaxtyping import Array, Float32


class RawBoxes(NamedTuple):
    """Boxes of all anchors of some images, each with a score for every class.

    Fields:
        boxes: x0 y0 x1 y1 in pixels of the model's input; may reach beyond it.
        scores: the higher the better; classes as the model numbers them.
    """

    boxes: Float32[Array, "n a 4"]
    scores: Float32[Array, "n a c"]
