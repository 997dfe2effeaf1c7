"""The complementary error function of NumPy arrays (NumPy has none)."""

import math

import numpy as np
from jaxtyping import Float64


def erfc(x: Float64[np.ndarray, "*s"]) -> Float64[np.ndarray, "*s"]:
    """1 - erf(x), in float64, as the C library computes it."""
    values = [math.erfc(value) for value in x.ravel().tolist()]
    return np.array(values, np.float64).reshape(x.shape)
