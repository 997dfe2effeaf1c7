"""Preprocessing as data: the steps from a raw sample to what a model is fed.

A step is a frozen record with the key `op` (`preprocess_steps`); `STEPS` names the
function of each (`preprocess_functions`). In a TOML file::

    preprocess = [
      { op = "resize_short", size = 256 },
      { op = "center_crop", size = [224, 224] },
      { op = "normalize", sub = 127.5, div = 127.5 },
      { op = "layout", to = "NCHW" },
    ]
"""

from typing import Any

import numpy as np
from jaxtyping import Float32
from pydantic import model_validator

from emu.config import Config
from emu.evaluate.detect.boxes import Placement
from emu.evaluate.preprocess_functions import STEPS, AnySample
from emu.evaluate.preprocess_steps import Step, Windows, move


class Preprocess(Config):
    """The steps from a raw sample to a float32 input of the model, in order.

    Steps on pixels come before steps on values, those before steps on the shape, so
    that every step finds the layout and the type that it works on. `windows` is the
    last step.
    """

    steps: tuple[Step, ...] = ()

    @model_validator(mode="before")
    @classmethod
    def _accept_a_list(cls, data: Any) -> Any:  # noqa: ANN401 - anything a file holds
        """Let a file write the list of steps itself."""
        return {"steps": data} if isinstance(data, list | tuple) else data

    @model_validator(mode="after")
    def _in_order(self) -> "Preprocess":
        for first, second in zip(self.steps, self.steps[1:], strict=False):
            if second.stage.value < first.stage.value:
                raise ValueError(f"{second.op} must come before {first.op}")
            if isinstance(first, Windows):
                raise ValueError("windows must be the last step")  # noqa: TRY004
        return self

    @property
    def windowed(self) -> bool:
        """Whether one sample becomes several rows of the model's input."""
        return bool(self.steps) and isinstance(self.steps[-1], Windows)

    def apply(self, sample: AnySample) -> Float32[np.ndarray, "*input"]:
        """Prepare one raw sample; the result has no batch axis.

        With `windows` the result is [windows, values] instead.

        Raises:
            DataError: a step cannot work on a sample of this type or shape.
        """
        for step in self.steps:
            sample = STEPS[type(step)](step, sample)
        # A double too large for float32 becomes inf, which the caller reports.
        with np.errstate(over="ignore"):
            return np.ascontiguousarray(sample, dtype=np.float32)

    def placement(self, h: int, w: int) -> Placement:
        """Return where an image of h x w pixels lies on the model's input.

        The steps on pixels count, one after another. What they cut off lies beyond the
        input. Steps on the shape order axes anew and move no pixel within the image.

        Raises:
            DataError: a step cannot work on an image of this size.
        """
        size, scale, offset = (h, w), (1.0, 1.0), (0.0, 0.0)
        for step in self.steps:
            moved = move(step, *size)
            (sy, sx), (oy, ox) = moved.scale, moved.offset
            size = moved.size
            scale = scale[0] * sy, scale[1] * sx
            offset = offset[0] * sy + oy, offset[1] * sx + ox
        return Placement(size=(h, w), scale=scale, offset=offset)
