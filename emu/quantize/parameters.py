"""Scales and zero points from ranges; integer weights and biases from float ones."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, Int, Shaped

from emu.calibrate import Range
from emu.fixedpoint import IntFormat, QParams

# Scales below this mean that a tensor is all zeros (AMCT uses the same bound).
_SMALLEST_SCALE = float(np.finfo(np.float32).eps)


def activation_qparams(found: Range, fmt: IntFormat, *, symmetric: bool) -> QParams:
    """Scale and zero point that represent `found` and zero itself.

    Asymmetric: scale = (high - low) / (max - min), zero_point = round(min - low/scale)
    with low <= 0 <= high. Symmetric: zero_point is 0 (the middle for unsigned
    formats) and scale = largest magnitude / the largest value above it.
    Source: Jacob et al. 2018 (arXiv 1712.05877), section 2.1 and 3; facts A1.1.
    """
    low, high = min(found.low, 0.0), max(found.high, 0.0)
    if symmetric:
        middle = 0 if fmt.signed else (fmt.max + 1) // 2
        scale = max(-low, high) / (fmt.max - middle)
        return QParams((_usable(scale),), (middle,))
    scale = _usable((high - low) / (fmt.max - fmt.min))
    zero_point = int(np.clip(np.rint(fmt.min - low / scale), fmt.min, fmt.max))
    return QParams((scale,), (zero_point,))


def _usable(scale: float) -> float:
    return float(np.float32(scale)) if scale > _SMALLEST_SCALE else 1.0


def to_integers(
    values: Shaped[np.ndarray, "..."], qparams: QParams, fmt: IntFormat
) -> Int[np.ndarray, "..."]:
    """round_half_even(values / scale) + zero_point in float64, saturated."""
    scaled = np.rint(values.astype(np.float64) / qparams.scale[0])
    moved = scaled + qparams.zero_point[0]
    return np.clip(moved, fmt.min, fmt.max).astype(fmt.dtype)


@dataclass(frozen=True, slots=True, kw_only=True)
class QuantizedWeights:
    """Integer weights and bias of a layer, and the scale of each output channel.

    real weight = integer * scale[co]; real bias = integer * x_scale * scale[co].
    """

    weights: Int[np.ndarray, "..."]
    bias: Int[np.ndarray, " co"]
    scale: Float64[np.ndarray, " co"]


def quantize_weights(
    weights: Shaped[np.ndarray, "..."],
    bias: Shaped[np.ndarray, " co"] | None,
    x_scale: float,
    fmt: IntFormat,
    *,
    narrow: bool,
    per_channel: bool,
    bias_bits: int,
) -> QuantizedWeights:
    """Symmetric weights with the output channel on the last axis.

    scale = max|w| / max, per output channel or for all. Where the bias would not fit
    `bias_bits` the scale of that channel is widened until it takes at most half of
    them, so that no bias saturates (the product keeps room to grow).
    """
    co = weights.shape[-1]
    wide = weights.astype(np.float64)
    reals = np.zeros(co) if bias is None else bias.astype(np.float64)
    magnitude = np.abs(wide).reshape(-1, co).max(axis=0)
    if not per_channel:
        magnitude = np.full(co, magnitude.max())
    scale = magnitude / fmt.max
    smallest = np.abs(reals) / (x_scale * 2.0 ** (bias_bits - 2))
    if not per_channel:
        smallest = np.full(co, smallest.max())
    scale = np.maximum(scale, smallest)
    # All zeros (or next to nothing): any scale will do.
    scale = np.where(scale > np.finfo(np.float32).tiny, scale, 1.0)
    scale = scale.astype(np.float32).astype(np.float64)
    low = -fmt.max if narrow else fmt.min
    integers = np.clip(np.rint(wide / scale), low, fmt.max).astype(fmt.dtype)
    return QuantizedWeights(
        weights=integers,
        bias=np.rint(reals / (x_scale * scale)).astype(np.int32),
        scale=scale,
    )
