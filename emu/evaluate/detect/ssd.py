"""SSD: boxes relative to anchors, as TensorFlow's object detection trains them.

Liu et al., SSD: Single Shot MultiBox Detector, arXiv:1512.02325; TensorFlow's
object_detection/anchor_generators/multiple_grid_anchor_generator.py
(`create_ssd_anchors`) and box_coders/faster_rcnn_box_coder.py.
"""

import math
from collections.abc import Iterator
from typing import Annotated, Literal

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Float32, Float64
from pydantic import Field

from emu.config import Config
from emu.evaluate.detect.cells import level_shapes, rows_of
from emu.evaluate.detect.raw import RawBoxes
from emu.evaluate.detect.settings import AbstractRawDecoder, Positive, Strides
from emu.evaluate.detect.tables import exp, sigmoid, softmax


class SsdAnchors(Config):
    """The anchors of `create_ssd_anchors`: for each cell some sizes and shapes.

    Level k of n has the scale min_scale + (max_scale - min_scale) * k / (n - 1), as a
    share of the shorter side of the input; the level after the last has 1. For each
    aspect ratio a = width / height there is an anchor of scale * sqrt(a) by
    scale / sqrt(a), then one of the geometric mean of this and the next scale, with
    `interpolated_ratio` (none if that is 0). A cell's centre is its middle.

    Fields:
        reduce_lowest: level 0 has only three anchors: a square one of scale 0.1, and the
            ratios 2 and 1/2.
    """

    strides: Strides = (16, 32, 64, 128, 256, 512)
    min_scale: Positive = 0.2
    max_scale: Positive = 0.95
    ratios: Annotated[tuple[Positive, ...], Field(min_length=1)] = (
        1.0,
        2.0,
        0.5,
        3.0,
        1 / 3,
    )
    interpolated_ratio: Annotated[float, Field(ge=0, le=100)] = 1.0
    reduce_lowest: bool = True


class Ssd(AbstractRawDecoder):
    """Two outputs: encodings ty tx th tw of the anchors' boxes, and scores.

    With the anchor's centre (cy, cx) and size (h, w), and the factors (fy, fx, fh, fw)
    in `factors`, the box has the centre (cy + ty / fy * h, cx + tx / fx * w) and the
    size (exp(th / fh) * h, exp(tw / fw) * w).

    Fields:
        boxes: name of the output [n, anchors, 4].
        scores: name of the output [n, anchors, classes].
        background: whether class 0 of the scores is none.
        activation: what the scores still need.
    """

    kind: Literal["ssd"] = "ssd"
    boxes: str
    scores: str
    anchors: SsdAnchors = SsdAnchors()
    factors: tuple[Positive, Positive, Positive, Positive] = (10.0, 10.0, 5.0, 5.0)
    background: bool = True
    activation: Literal["none", "sigmoid", "softmax"] = "sigmoid"

    def outputs(self) -> tuple[str, ...]:
        return (self.boxes, self.scores)


def ssd(
    decoder: Ssd, encodings: Float[Array, "..."], scores: Float[Array, "..."]
) -> RawBoxes:
    """See `Ssd`.

    Raises:
        UnsupportedError: an output has another shape.
    """
    anchors = ssd_anchors(decoder.anchors, decoder.size)
    many = len(anchors)
    if encodings.ndim == 4 and encodings.shape[2] == 1:
        encodings = encodings[:, :, 0]  # TensorFlow's heads keep an axis of 1
    codes = rows_of(encodings, many, 4, decoder.boxes)
    values = rows_of(scores, many, scores.shape[-1], decoder.scores)
    centre, side = (
        jnp.asarray(part[None], jnp.float32) for part in np.split(anchors, 2, axis=1)
    )
    factors = jnp.asarray(decoder.factors, jnp.float32).reshape(1, 1, 4)
    parts = codes / factors
    middle = centre + parts[..., :2] * side
    half = exp(parts[..., 2:], decoder.tables) * side / 2
    boxes = jnp.concatenate([middle - half, middle + half], axis=-1)
    values = _activated(decoder, values)
    return RawBoxes(
        boxes=boxes[..., jnp.array([1, 0, 3, 2])],  # x before y
        scores=values[..., 1:] if decoder.background else values,
    )


def _activated(
    decoder: Ssd, values: Float32[Array, "n a c"]
) -> Float32[Array, "n a c"]:
    if decoder.activation == "sigmoid":
        return sigmoid(values, decoder.tables)
    if decoder.activation == "softmax":
        return softmax(values, decoder.tables)
    return values


def ssd_anchors(
    anchors: SsdAnchors, size: tuple[int, int]
) -> Float64[np.ndarray, "a 4"]:
    """Return centre y x and size h w of each anchor, in pixels of the model's input.

    Level by level, row by row; the anchors of a cell are neighbours.
    """
    shorter = min(size)
    levels = []
    for shapes, (rows, columns) in zip(
        _anchor_shapes(anchors), level_shapes(size, anchors.strides), strict=True
    ):
        y = (np.arange(rows) + 0.5) / rows * size[0]
        x = (np.arange(columns) + 0.5) / columns * size[1]
        whole = np.empty((rows, columns, len(shapes), 4))
        whole[..., 0] = y[:, None, None]
        whole[..., 1] = x[None, :, None]
        whole[..., 2:] = np.array(shapes) * shorter
        levels.append(whole.reshape(-1, 4))
    return np.concatenate(levels)


def _anchor_shapes(anchors: SsdAnchors) -> Iterator[list[tuple[float, float]]]:
    """Heights and widths of a cell's anchors, as shares, for each level."""
    low, high = anchors.min_scale, anchors.max_scale
    many = len(anchors.strides)
    scales = [low + (high - low) * k / max(many - 1, 1) for k in range(many)] + [1.0]
    for level in range(many):
        scale, following = scales[level : level + 2]
        if level == 0 and anchors.reduce_lowest:
            pairs = [(0.1, 1.0), (scale, 2.0), (scale, 0.5)]
        else:
            pairs = [(scale, ratio) for ratio in anchors.ratios]
            if anchors.interpolated_ratio:
                mean = math.sqrt(scale * following)
                pairs.append((mean, anchors.interpolated_ratio))
        yield [(part / math.sqrt(r), part * math.sqrt(r)) for part, r in pairs]
