"""Scales and zero points from ranges; integer weights and biases from float ones."""

from dataclasses import dataclass, field
from typing import Final

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float64, Int, Integer, Shaped

from emu.calibrate import Range
from emu.fixedpoint import (
    INT32,
    IntFormat,
    Overflow,
    QParams,
    Rounding,
    round_float,
)
from emu.quantize.weights import (
    WeightMethod,
    WeightStyle,
    cluster,
    compensate,
    largest_scale,
    least_error_scale,
)

DEFAULT_STYLE: Final = WeightStyle()

# Scales below this mean that a tensor is all zeros (AMCT uses the same bound).
_SMALLEST_SCALE = float(np.finfo(np.float32).eps)


@dataclass(frozen=True, slots=True)
class Form:
    """How a tensor's reals are integers: real = scale * (q - zero_point).

    `overflow` is what happens where they are made; two forms that differ in it alone
    are the same numbers.
    """

    format: IntFormat
    qparams: QParams
    overflow: Overflow = field(default=Overflow.SATURATE, compare=False)

    @property
    def scale(self) -> float:
        """The scale of a tensor that has one for all its channels."""
        (scale, *_) = self.qparams.scale
        return scale

    @property
    def zero_point(self) -> int:
        """The zero point of a tensor that has one for all its channels."""
        (zero_point, *_) = self.qparams.zero_point
        return zero_point

    @property
    def reach(self) -> int:
        """Largest magnitude of an integer without the zero point."""
        fmt = self.format
        return max(abs(fmt.min - self.zero_point), abs(fmt.max - self.zero_point))


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
    values: Shaped[np.ndarray, "..."],
    qparams: QParams,
    fmt: IntFormat,
    rounding: Rounding = Rounding.HALF_EVEN,
) -> Integer[np.ndarray, "..."]:
    """round(values / scale) + zero_point in float64, saturated."""
    with jax.enable_x64(True):
        quotient = jnp.asarray(values.astype(np.float64) / qparams.scale[0])
        scaled = np.asarray(round_float(quotient, rounding))
    moved = scaled + qparams.zero_point[0]
    return np.clip(moved, fmt.min, fmt.max).astype(fmt.dtype)


@dataclass(frozen=True, slots=True, kw_only=True)
class QuantizedWeights:
    """Integer weights and bias of a layer, and the scale of each output channel.

    real weight = (integer - zero_point) * scale[co];
    real bias = integer * x_scale * scale[co]. One scale stands for all channels.
    With `levels`, ascending, every weight is one of them: it is stored as their index.
    `format` is what the integers fill, if that is known.
    """

    weights: Integer[np.ndarray, "..."]
    bias: Int[np.ndarray, " co"]
    scale: Float64[np.ndarray, " #co"]
    zero_point: int = 0
    levels: Int[np.ndarray, " k"] | None = None
    format: IntFormat | None = None


def quantize_weights(
    weights: Shaped[np.ndarray, "..."],
    bias: Shaped[np.ndarray, " co"] | None,
    x_scale: float,
    fmt: IntFormat,
    *,
    narrow: bool,
    per_channel: bool,
    bias_bits: int,
    style: WeightStyle = DEFAULT_STYLE,
) -> QuantizedWeights:
    """Symmetric weights with the output channel on the last axis.

    One scale per output channel or one for all, chosen by the method of the style.
    Where the bias would not fit `bias_bits` the scale of that channel is widened until
    it takes at most half of them, so that no bias saturates (the product keeps room to
    grow). Raises ConfigError for a style that the format cannot have.
    """
    co = weights.shape[-1]
    reals = np.zeros(co) if bias is None else bias.astype(np.float64)
    smallest = np.abs(reals) / (x_scale * 2.0 ** (bias_bits - 2))
    columns = weights.astype(np.float64).reshape(-1, co)
    if not per_channel:
        columns, smallest = columns.reshape(-1, 1), smallest.max(keepdims=True)
    search = least_error_scale if style.method is WeightMethod.MSE else largest_scale
    scale = np.maximum(search(columns, fmt, narrow=narrow), smallest)
    # All zeros (or next to nothing): any scale will do.
    scale = np.where(scale > np.finfo(np.float32).tiny, scale, 1.0)
    scale = scale.astype(np.float32).astype(np.float64)
    low = -fmt.max if narrow else fmt.min
    levels = None
    if style.method is WeightMethod.NUQ:
        steps, grid = style.steps(fmt, narrow=narrow), np.arange(low, fmt.max + 1)
        rounds = style.num_of_iteration
        found = cluster(columns, scale, smallest, grid, steps, rounds)
        scale = np.broadcast_to(found.scale, co)
        filters = columns.reshape(-1, co), found.integers.reshape(-1, co)
        kernels = weights.shape[-2]
        integers = compensate(filters[0], scale, found.levels, filters[1], kernels)
        levels = found.levels.astype(fmt.dtype)
    else:
        integers = np.clip(np.rint(columns / scale), low, fmt.max)
    scale = np.broadcast_to(scale, co).copy()
    return QuantizedWeights(
        weights=integers.astype(fmt.dtype).reshape(weights.shape),
        bias=np.rint(reals / (x_scale * scale)).astype(np.int32),
        scale=scale,
        levels=levels,
        format=fmt,
    )


def fixed_point_weights(
    weights: Shaped[np.ndarray, "..."],
    bias: Shaped[np.ndarray, " co"] | None,
    x_scale: float,
    form: Form,
    rounding: Rounding,
) -> QuantizedWeights:
    """Weights of a stated scale for all channels; the bias in units of the products."""
    reals = np.zeros(weights.shape[-1]) if bias is None else bias
    products = QParams((x_scale * form.scale,), (0,))
    return QuantizedWeights(
        weights=to_integers(weights, form.qparams, form.format, rounding),
        bias=to_integers(reals, products, INT32, rounding),
        scale=np.array([form.scale]),
        format=form.format,
    )
