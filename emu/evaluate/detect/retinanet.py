"""RetinaNet: boxes relative to anchors of several sizes and shapes on each level.

Lin et al., Focal Loss for Dense Object Detection, arXiv:1708.02002; box deltas of
Girshick et al., arXiv:1311.2524, clamped as Detectron does.
"""

import math
from typing import Annotated, Final, Literal

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Float64
from pydantic import Field, FiniteFloat, model_validator

from emu.errors import UnsupportedError
from emu.evaluate.detect.cells import cells, level_shapes, rows_of
from emu.evaluate.detect.raw import RawBoxes
from emu.evaluate.detect.settings import AbstractRawDecoder, Positive, Strides
from emu.evaluate.detect.tables import exp, sigmoid

# A box is at most 1000 / 16 times its anchor (Detectron's BBOX_XFORM_CLIP).
_LARGEST: Final = math.log(1000 / 16)

_Four = tuple[FiniteFloat, FiniteFloat, FiniteFloat, FiniteFloat]


class Retinanet(AbstractRawDecoder):
    """Scores and deltas dx dy dw dh for each anchor.

    An anchor of a level's size s, a scale o and a ratio r = height / width is
    s * o / sqrt(r) wide and s * o * sqrt(r) high; the centre of cell i is
    stride * (i + offset). Deltas d become d * std + mean; the box has the centre
    (x + dx * w, y + dy * h) and the size (exp(dw) * w, exp(dh) * h), where dw and dh are
    at most log(1000 / 16).

    Fields:
        scores: names of the outputs [n, anchors, classes], one for each level, or one
            for all levels.
        boxes: names of the outputs [n, anchors, 4], likewise.
        sizes: one for each stride; four times the stride by default.
        octaves: scales of an anchor on its level.
        slow: which of the two changes slower within a cell: "ratios" (torchvision,
            MMDetection) or "octaves" (TensorFlow).
        offset: of a cell's centre, in strides: 0 (torchvision) or 0.5 (TensorFlow).
        sigmoid: whether the scores still need it.
    """

    kind: Literal["retinanet"] = "retinanet"
    strides: Strides = (8, 16, 32, 64, 128)
    scores: Annotated[tuple[str, ...], Field(min_length=1)]
    boxes: Annotated[tuple[str, ...], Field(min_length=1)]
    sizes: tuple[Positive, ...] = ()
    ratios: Annotated[tuple[Positive, ...], Field(min_length=1)] = (0.5, 1.0, 2.0)
    octaves: Annotated[tuple[Positive, ...], Field(min_length=1)] = (
        1.0,
        2 ** (1 / 3),
        2 ** (2 / 3),
    )
    slow: Literal["ratios", "octaves"] = "ratios"
    offset: Annotated[float, Field(ge=0, le=1)] = 0.0
    means: _Four = (0.0, 0.0, 0.0, 0.0)
    stds: tuple[Positive, Positive, Positive, Positive] = (1.0, 1.0, 1.0, 1.0)
    sigmoid: bool = True

    @model_validator(mode="after")
    def _fits_the_levels(self) -> "Retinanet":
        levels = len(self.strides)
        if self.sizes and len(self.sizes) != levels:
            raise ValueError(f"found {len(self.sizes)} sizes for {levels} strides")
        if len(self.scores) != len(self.boxes) or len(self.boxes) not in (1, levels):
            raise ValueError(
                f"found {len(self.scores)} scores and {len(self.boxes)} boxes; "
                f"expected one of each, or {levels} of each"
            )
        return self

    def outputs(self) -> tuple[str, ...]:
        return (*self.scores, *self.boxes)


def retinanet(decoder: Retinanet, *outputs: Float[Array, "..."]) -> RawBoxes:
    """See `Retinanet`.

    Raises:
        UnsupportedError: an output has another shape.
    """
    anchors = retinanet_anchors(decoder)
    each = len(decoder.ratios) * len(decoder.octaves)
    shapes = level_shapes(decoder.size, decoder.strides)
    parts = [rows * columns * each for rows, columns in shapes]
    many = parts if len(decoder.boxes) > 1 else [sum(parts)]
    scores, codes = [], []
    for i, rows in enumerate(many):
        score, code = outputs[i], outputs[len(many) + i]
        scores.append(rows_of(score, rows, score.shape[-1], decoder.scores[i]))
        codes.append(rows_of(code, rows, 4, decoder.boxes[i]))
    if len({score.shape[-1] for score in scores}) != 1:
        raise UnsupportedError(
            f"the outputs {', '.join(decoder.scores)} have "
            f"{[score.shape[-1] for score in scores]} classes"
        )
    means = jnp.asarray(decoder.means, jnp.float32).reshape(1, 1, 4)
    stds = jnp.asarray(decoder.stds, jnp.float32).reshape(1, 1, 4)
    deltas = jnp.concatenate(codes, axis=1) * stds + means
    centre, side = (
        jnp.asarray(part[None], jnp.float32) for part in np.split(anchors, 2, axis=1)
    )
    middle = centre + deltas[..., :2] * side
    growth = exp(jnp.minimum(deltas[..., 2:], _LARGEST), decoder.tables)
    half = growth * side / 2
    values = jnp.concatenate(scores, axis=1)
    return RawBoxes(
        boxes=jnp.concatenate([middle - half, middle + half], axis=-1),
        scores=sigmoid(values, decoder.tables) if decoder.sigmoid else values,
    )


def retinanet_anchors(decoder: Retinanet) -> Float64[np.ndarray, "a 4"]:
    """Return centre x y and size w h of each anchor, in pixels of the model's input.

    Level by level, row by row; the anchors of a cell are neighbours.
    """
    pairs = [(r, o) for r in decoder.ratios for o in decoder.octaves]
    if decoder.slow == "octaves":
        pairs = [(r, o) for o in decoder.octaves for r in decoder.ratios]
    shapes = np.array([(o / math.sqrt(r), o * math.sqrt(r)) for r, o in pairs])
    sizes = decoder.sizes or tuple(4.0 * stride for stride in decoder.strides)
    grid = cells(decoder.size, decoder.strides)
    cells_of = [r * c for r, c in level_shapes(decoder.size, decoder.strides)]
    sides = np.repeat(np.array(sizes), cells_of)
    whole = np.empty((len(grid), len(shapes), 4))
    whole[..., :2] = ((grid[:, :2] + decoder.offset) * grid[:, 2:])[:, None]
    whole[..., 2:] = sides[:, None, None] * shapes[None]
    return whole.reshape(-1, 4)
