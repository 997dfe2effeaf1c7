"""YOLOX without decoding in the graph.

Ge et al., YOLOX: Exceeding YOLO Series in 2021, arXiv:2107.08430; its
yolox/utils/demo_utils.py, `demo_postprocess`.
"""

from typing import ClassVar, Literal

import jax.numpy as jnp
from jaxtyping import Array, Float

from emu.errors import UnsupportedError
from emu.evaluate.detect.cells import cells, rows_of
from emu.evaluate.detect.raw import RawBoxes
from emu.evaluate.detect.settings import AbstractRawDecoder, Strides
from emu.evaluate.detect.tables import exp

# tx ty tw th and the score of the object, before the classes.
_BEFORE_CLASSES = 5


class Yolox(AbstractRawDecoder):
    """One output, a row tx ty tw th object class... for each cell of each level.

    Sigmoid is in the graph. The centre is (t + cell) * stride, the size exp(t) * stride,
    a class's score its own times the object's.

    Fields:
        output: its name; by default the only one.
    """

    unnamed: ClassVar[int] = 1
    kind: Literal["yolox"] = "yolox"
    strides: Strides = (8, 16, 32)
    output: str = ""

    def outputs(self) -> tuple[str, ...]:
        return (self.output,) if self.output else ()


def yolox(decoder: Yolox, output: Float[Array, "..."]) -> RawBoxes:
    """See `Yolox`.

    Raises:
        UnsupportedError: the output has another shape.
    """
    grid = cells(decoder.size, decoder.strides)
    if output.shape[-1] <= _BEFORE_CLASSES:
        raise UnsupportedError(
            f"the model's output has shape {list(output.shape)}; expected [n, "
            f"{len(grid)}, 5 + classes]"
        )
    rows = rows_of(output, len(grid), output.shape[-1], "the model's output")
    cell = jnp.asarray(grid[None, :, :2], jnp.float32)
    stride = jnp.asarray(grid[None, :, 2:], jnp.float32)
    centre = (rows[..., :2] + cell) * stride
    half = exp(rows[..., 2:4], decoder.tables) * stride / 2
    return RawBoxes(
        boxes=jnp.concatenate([centre - half, centre + half], axis=-1),
        scores=rows[..., 4:5] * rows[..., _BEFORE_CLASSES:],
    )
