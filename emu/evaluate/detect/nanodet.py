"""NanoDet: distances to the edges as distributions.

RangiLyu, NanoDet (github.com/RangiLyu/nanodet, version 0.x), with the distribution of Li
et al., Generalized Focal Loss, arXiv:2006.04388.
"""

from typing import Annotated, Literal

import jax.numpy as jnp
from jaxtyping import Array, Float
from pydantic import Field, model_validator

from emu.errors import UnsupportedError
from emu.evaluate.detect.cells import cells, level_shapes, rows_of
from emu.evaluate.detect.raw import RawBoxes
from emu.evaluate.detect.settings import AbstractRawDecoder, Strides
from emu.evaluate.detect.tables import sigmoid, softmax


class Nanodet(AbstractRawDecoder):
    """Two outputs for each level: scores of the classes, and logits of the edges.

    The centre of cell i is stride * i + (stride - 1) / 2. An edge has reg_max + 1 logits;
    its distance is stride * sum of k * softmax(logits)[k]. Edges are left, top, right,
    bottom.

    Fields:
        scores: names of the outputs [n, cells, classes], level by level.
        boxes: names of the outputs [n, cells, 4 * (reg_max + 1)], level by level.
        reg_max: the largest distance in strides.
        sigmoid: whether the scores still need it.
    """

    kind: Literal["nanodet"] = "nanodet"
    strides: Strides = (8, 16, 32)
    scores: tuple[str, ...]
    boxes: tuple[str, ...]
    reg_max: Annotated[int, Field(ge=1, le=64)] = 7
    sigmoid: bool = False

    @model_validator(mode="after")
    def _names_each_level(self) -> "Nanodet":
        if not len(self.scores) == len(self.boxes) == len(self.strides):
            raise ValueError(
                f"found {len(self.scores)} scores and {len(self.boxes)} boxes for "
                f"{len(self.strides)} strides; expected one of each"
            )
        return self

    def outputs(self) -> tuple[str, ...]:
        return (*self.scores, *self.boxes)


def nanodet(decoder: Nanodet, *outputs: Float[Array, "..."]) -> RawBoxes:
    """See `Nanodet`.

    Raises:
        UnsupportedError: an output has another shape.
    """
    bins = decoder.reg_max + 1
    grid = cells(decoder.size, decoder.strides)
    shapes = level_shapes(decoder.size, decoder.strides)
    scores, logits = [], []
    for i, (rows, columns) in enumerate(shapes):
        score, edges = outputs[i], outputs[len(shapes) + i]
        many = rows * columns
        scores.append(rows_of(score, many, score.shape[-1], decoder.scores[i]))
        logits.append(rows_of(edges, many, 4 * bins, decoder.boxes[i]))
    if len({score.shape[-1] for score in scores}) != 1:
        raise UnsupportedError(
            f"the outputs {', '.join(decoder.scores)} have "
            f"{[score.shape[-1] for score in scores]} classes"
        )
    spread = jnp.concatenate(logits, axis=1).reshape(-1, len(grid), 4, bins)
    share = softmax(spread, decoder.tables)
    steps = jnp.arange(bins, dtype=jnp.float32).reshape(1, 1, 1, bins)
    stride = jnp.asarray(grid[None, :, 2:], jnp.float32)
    distance = jnp.sum(share * steps, axis=-1) * stride
    centre = jnp.asarray(grid[None, :, :2], jnp.float32) * stride + (stride - 1) / 2
    values = jnp.concatenate(scores, axis=1)
    return RawBoxes(
        boxes=jnp.concatenate(
            [centre - distance[..., :2], centre + distance[..., 2:]], axis=-1
        ),
        scores=sigmoid(values, decoder.tables) if decoder.sigmoid else values,
    )
