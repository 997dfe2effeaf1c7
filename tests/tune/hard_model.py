"""The embedded digits model made hard to quantize: the same function, other scales."""

from pathlib import Path

import numpy as np
import onnx
from onnx import numpy_helper

DIGITS = Path(__file__).parents[2] / "golden" / "digits" / "digits.onnx"

# The layer whose channels differ (its batch normalization), and the one that reads it.
BEFORE, NORM, AFTER = "conv4a", "bn4a", "conv4b"
LOUD, QUIET = 50.0, 0.01


def hard_digits() -> onnx.ModelProto:
    """One channel of an activation 50 times larger, one filter 100 times smaller.

    What a channel gains, the weights that read it lose, so FP32 computes the same.
    """
    model = onnx.load(DIGITS)
    arrays = {i.name: i for i in model.graph.initializer}

    def scale(name: str, channel: int, factor: float, axis: int) -> None:
        array = numpy_helper.to_array(arrays[name]).copy()
        np.moveaxis(array, axis, 0)[channel] *= np.float32(factor)
        arrays[name].CopyFrom(numpy_helper.from_array(array, name))

    for channel, factor in ((3, LOUD), (17, QUIET)):
        for part in ("gamma", "beta"):
            scale(f"{NORM}.{part}", channel, factor, 0)
        scale(f"{AFTER}.weight", channel, 1 / factor, 1)
    return model
