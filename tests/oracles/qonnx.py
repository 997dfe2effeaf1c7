"""QONNX's Quant, BipolarQuant and Trunc in NumPy, as its documents describe them.

Sources: docs/qonnx-custom-ops of QONNX 1.0 (intquant_v1, bipolarquant_v1, trunc_v1,
trunc_v2). Every step is one float32 operation.
"""

from collections.abc import Callable
from typing import Any, Final

import numpy as np

Array = np.ndarray[Any, Any]

ROUNDINGS: Final[dict[str, Callable[[Array], Array]]] = {
    "ROUND": np.round,
    "HALF_EVEN": np.round,
    "CEIL": np.ceil,
    "FLOOR": np.floor,
    "DOWN": np.trunc,
    "ROUND_TO_ZERO": np.trunc,
    "HALF_UP": lambda x: np.where(x < 0, np.ceil(x - 0.5), np.floor(x + 0.5)),
    "HALF_DOWN": lambda x: np.where(x < 0, np.floor(x + 0.5), np.ceil(x - 0.5)),
}


def limits(bits: int, *, signed: bool, narrow: bool) -> tuple[int, int]:
    """The least and the greatest integer."""
    if signed:
        return -(2 ** (bits - 1)) + narrow, 2 ** (bits - 1) - 1
    return 0, 2**bits - 1 - narrow


def quant(
    x: Array,
    scale: Array,
    zero_point: Array,
    bits: int,
    *,
    signed: bool,
    narrow: bool,
    rounding: str,
) -> Array:
    scale, zero_point = scale.astype(np.float32), zero_point.astype(np.float32)
    steps = x / scale + zero_point
    if bits == 1 and signed:
        whole = np.where(steps >= 0, np.float32(1), np.float32(-1))
    else:
        low, high = limits(bits, signed=signed, narrow=narrow)
        whole = ROUNDINGS[rounding](np.clip(steps, np.float32(low), np.float32(high)))
    return ((whole - zero_point) * scale).astype(np.float32)


def bipolar(x: Array, scale: Array) -> Array:
    return np.where(x >= 0, scale, -scale).astype(np.float32)


def trunc_1(x: Array, scale: Array, shift: int, rounding: str) -> Array:
    whole = ROUNDINGS[rounding](np.round(x / scale) / np.float32(2**shift))
    return (whole * scale).astype(np.float32)


def trunc_2(
    x: Array,
    scale: Array,
    result: Array,
    bits: int,
    *,
    signed: bool,
    narrow: bool,
    rounding: str,
) -> Array:
    cut = np.float32(2) ** np.round(np.log2(result / scale))
    low, high = limits(bits, signed=signed, narrow=narrow)
    steps = np.clip(np.round(x / scale) / cut, low, high)
    return (ROUNDINGS[rounding](steps) * result).astype(np.float32)
