"""Bias correction: what rounding the weights adds to a layer's mean is taken back."""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float64, Shaped

from emu.ops import KERNELS, Op
from emu.quantize.parameters import QuantizedWeights


def corrected_bias(
    op: Op,
    mean: Float64[np.ndarray, " *sample"],
    weights: Shaped[np.ndarray, "..."],
    bias: Shaped[np.ndarray, " co"] | None,
    quantized: QuantizedWeights,
) -> Float64[np.ndarray, " co"]:
    """Bias - E[layer(x, quantized weights - weights)], per output channel.

    The layer is linear in x, so the expectation over samples is the layer applied to
    the mean sample of its float input (borders included), averaged over positions.
    Most is won where weights are large and cancel, as in depthwise layers with a
    folded batch normalization.
    Source: Nagel et al. 2019 (arXiv 1906.04721), section 4.2, with the mean measured.
    """
    co = weights.shape[-1]
    rounded = quantized.weights.astype(np.float64) * quantized.scale
    error = jnp.asarray(rounded - weights, jnp.float32)
    x = jnp.asarray(np.expand_dims(mean, 0), jnp.float32)
    shift = KERNELS[type(op)](op, x, error, jnp.zeros(co, jnp.float32))
    before = np.zeros(co) if bias is None else bias.astype(np.float64)
    return before - np.asarray(shift, np.float64).reshape(-1, co).mean(axis=0)
