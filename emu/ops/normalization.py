"""BatchNormalization in float; `optimize` folds it away before quantization."""

from dataclasses import dataclass

import jax.numpy as jnp
from jaxtyping import Array, Float32


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchNormalization:
    """(x - mean) / sqrt(variance + epsilon) * gamma + beta on the last axis."""

    epsilon: float = 1e-5


def batch_normalization(
    op: BatchNormalization,
    x: Float32[Array, "*n c"],
    gamma: Float32[Array, " c"],
    beta: Float32[Array, " c"],
    mean: Float32[Array, " c"],
    variance: Float32[Array, " c"],
) -> Float32[Array, "*n c"]:
    """Normalise each channel with its stored statistics."""
    factor = gamma / jnp.sqrt(variance + op.epsilon)
    lead = (1,) * (x.ndim - 1) + (-1,)
    return (x - mean.reshape(lead)) * factor.reshape(lead) + beta.reshape(lead)
