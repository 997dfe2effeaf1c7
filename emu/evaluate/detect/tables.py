"""Sigmoid and exp as a decoder on an integer accelerator has them: 256-entry tables.

A real x is quantized to q = round(x / scale), ties to even, clipped to -128 ... 127; in
float32 x is multiplied by the float32 number nearest 1 / scale. Entry q + 128 of a table
is an unsigned integer with eight fractional bits:

    sigmoid: round(256 / (1 + exp(-q * scale))), at most 255: 8 bits, as the output of
        TFLite's int8 logistic (scale 1/256, zero point -128)
    exp: round(256 * exp(q * scale)), at most 65535: 16 bits
    softmax: round(65535 * exp(d * scale)) for the difference d = -255 ... 0 to the
        largest q: 16 bits; weights are entries divided by their sum in float32,
        as XLA divides (the last bit may differ)

The entries are computed in double precision and rounded half to even.
"""

from typing import Annotated, Any, Final

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float32, Int32, Int64
from pydantic import BeforeValidator, Field

from emu.config import Config

_Scale = Annotated[float, Field(ge=1e-6, le=1.0)]
_FRACTION: Final = 256
_MOST_16: Final = 65535


class Tables(Config):
    """Scales of the quantized inputs; `true` in a file stands for the defaults.

    Fields:
        sigmoid_scale: by default the inputs reach from -8 to 7.94.
        exp_scale: by default from -4 to 3.97, so that exp reaches from 0.018 to 53.
        softmax_scale: by default differences reach down to -31.9.
    """

    sigmoid_scale: _Scale = 1 / 16
    exp_scale: _Scale = 1 / 32
    softmax_scale: _Scale = 1 / 8


def _accept_a_switch(data: Any) -> Any:  # noqa: ANN401 - anything a file holds
    if isinstance(data, bool):
        return Tables() if data else None
    return data


# In a file: true, false or a table of scales.
TablesSwitch = Annotated[Tables | None, BeforeValidator(_accept_a_switch)]


def sigmoid(x: Float32[Array, "*s"], tables: Tables | None) -> Float32[Array, "*s"]:
    """Return 1 / (1 + exp(-x)), by the table if there is one."""
    if tables is None:
        return jax.nn.sigmoid(x)
    entries = sigmoid_table(tables.sigmoid_scale)
    return _looked_up(entries, quantize(x, tables.sigmoid_scale))


def exp(x: Float32[Array, "*s"], tables: Tables | None) -> Float32[Array, "*s"]:
    """Return e to the x, by the table if there is one."""
    if tables is None:
        return jnp.exp(x)
    entries = exp_table(tables.exp_scale)
    return _looked_up(entries, quantize(x, tables.exp_scale))


def softmax(x: Float32[Array, "*s k"], tables: Tables | None) -> Float32[Array, "*s k"]:
    """Return exp(x) divided by its sum over the last axis, by the table if any."""
    if tables is None:
        return jax.nn.softmax(x, axis=-1)
    q = quantize(x, tables.softmax_scale)
    difference = q - jnp.max(q, axis=-1, keepdims=True)
    entries = jnp.asarray(softmax_table(tables.softmax_scale), jnp.int32)
    weights = jnp.take(entries, difference + 255, axis=0).astype(jnp.float32)
    return weights / jnp.sum(weights, axis=-1, keepdims=True)


def quantize(x: Float32[Array, "*s"], scale: float) -> Int32[Array, "*s"]:
    """Return round(x / scale) as the module says, clipped to int8; NaN becomes 0."""
    steps = jnp.nan_to_num(x * jnp.float32(1 / scale), nan=0.0)
    return jnp.clip(jnp.round(steps), -128, 127).astype(jnp.int32)


def sigmoid_table(scale: float) -> Int64[np.ndarray, " 256"]:
    """Return the entries for q = -128 ... 127."""
    real = 1 / (1 + np.exp(-np.arange(-128, 128) * scale))
    return np.minimum(np.round(_FRACTION * real), 255).astype(np.int64)


def exp_table(scale: float) -> Int64[np.ndarray, " 256"]:
    """Return the entries for q = -128 ... 127."""
    real = np.exp(np.arange(-128, 128) * scale)
    return np.minimum(np.round(_FRACTION * real), _MOST_16).astype(np.int64)


def softmax_table(scale: float) -> Int64[np.ndarray, " 256"]:
    """Return the entries for differences -255 ... 0."""
    real = np.exp(np.arange(-255, 1) * scale)
    return np.round(_MOST_16 * real).astype(np.int64)


def _looked_up(
    entries: Int64[np.ndarray, " 256"], q: Int32[Array, "*s"]
) -> Float32[Array, "*s"]:
    whole = jnp.take(jnp.asarray(entries, jnp.int32), q + 128, axis=0)
    return whole.astype(jnp.float32) * jnp.float32(1 / _FRACTION)
