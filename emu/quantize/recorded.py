"""Quantization factors that somebody states instead of calibration."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

import numpy as np
from jaxtyping import Float64, Shaped

from emu.errors import ConfigError
from emu.fixedpoint import IntFormat, QParams
from emu.quantize.parameters import QuantizedWeights


@dataclass(frozen=True, slots=True)
class TensorFactors:
    """Scale and offset of a tensor as if its integers, of `bits`, were signed."""

    scale: float
    offset: int
    bits: int

    def qparams(self, fmt: IntFormat) -> QParams:
        """The same for integers of a format of as many bits."""
        middle = 0 if fmt.signed else 1 << (fmt.bits - 1)
        return QParams((self.scale,), (self.offset + middle,))


@dataclass(frozen=True, slots=True)
class WeightScale:
    """The scale of each output channel, or one for all; `bits` of the integers."""

    scale: Float64[np.ndarray, " #co"]
    bits: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Factors:
    """What is stated of a float Graph.

    Fields:
        tensors: by tensor name; no range is needed for these.
        weights: of layers, by node name.
    """

    tensors: Mapping[str, TensorFactors] = field(
        default_factory=lambda: MappingProxyType({})
    )
    weights: Mapping[str, WeightScale] = field(
        default_factory=lambda: MappingProxyType({})
    )


NO_FACTORS = Factors()


def weights_of_scale(
    weights: Shaped[np.ndarray, "..."],
    bias: Shaped[np.ndarray, " co"] | None,
    x_scale: float,
    *,
    stated: WeightScale,
    narrow: bool,
    bias_bits: int,
) -> QuantizedWeights:
    """Symmetric weights of a stated scale, output channel on the last axis.

    round(w / scale) half to even, saturated; bias round(b / (x_scale * scale)).
    Raises ConfigError for as many scales as no layer has, and for a bias beyond
    `bias_bits` (as AMCT does, optimizer/insert_bias_quant_pass.py).
    """
    co, count = weights.shape[-1], stated.scale.size
    if count not in (1, co):
        raise ConfigError(f"{count} scales of weights, expected 1 or {co}")
    fmt, scale = IntFormat(stated.bits), np.broadcast_to(stated.scale, co).copy()
    low = -fmt.max if narrow else fmt.min
    integers = np.clip(np.rint(weights.astype(np.float64) / scale), low, fmt.max)
    reals = np.zeros(co) if bias is None else bias.astype(np.float64)
    steps = np.rint(reals / (x_scale * scale))
    if np.abs(steps).max(initial=0) >= 2.0 ** (bias_bits - 1):
        raise ConfigError(
            f"a bias of {np.abs(steps).max():.0f} steps does not fit {bias_bits} bits"
        )
    return QuantizedWeights(
        weights=integers.astype(fmt.dtype),
        bias=steps.astype(np.int32),
        scale=scale,
        format=fmt,
    )
