"""Activations: the float functions; Clamp and Table on integers; Softmax in float."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float32, Integer

from emu.ops.elementwise import aligned


@dataclass(frozen=True, slots=True, kw_only=True)
class Relu:
    """max(x, 0)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Clip:
    """min(max(x, low), high); infinite limits are no limits."""

    low: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class LeakyRelu:
    """x where x >= 0, else alpha * x."""

    alpha: float = 0.01


@dataclass(frozen=True, slots=True, kw_only=True)
class Sigmoid:
    """1 / (1 + exp(-x))."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HardSigmoid:
    """max(0, min(1, alpha * x + beta)) (ONNX HardSigmoid)."""

    alpha: float = 0.2
    beta: float = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class HardSwish:
    """x * max(0, min(1, x / 6 + 0.5)) (ONNX HardSwish)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tanh:
    """Hyperbolic tangent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Exp:
    """e to the power x."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Elu:
    """x where x > 0, else alpha * (exp(x) - 1)."""

    alpha: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Silu:
    """x times its logistic function (also called swish)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gelu:
    """x times the normal distribution function of x.

    `approximate`: x / 2 * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 * x**3))).
    """

    approximate: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class PRelu:
    """x where x >= 0, else slope * x; the slope is an operand that broadcasts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Softmax:
    """exp(beta * x) / sum(exp(beta * x)) along one axis; float only."""

    axis: int = -1
    beta: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Clamp:
    """Integer min(max(x, low), high): TOSA CLAMP; limits in quantized units."""

    low: int
    high: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """Lookup of each possible value: TOSA TABLE for n-bit formats.

    The table has 2**bits entries; entry i belongs to the value x_min + i.
    """

    x_min: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelTable:
    """A table for each entry of the last axis: entries c x 2**bits, from x_min."""

    x_min: int


def relu(op: Relu, x: Float32[Array, "..."]) -> Float32[Array, "..."]:
    """Zero where negative."""
    return jnp.maximum(x, 0.0)


def clip(op: Clip, x: Float32[Array, "..."]) -> Float32[Array, "..."]:
    """Limit to low..high."""
    return jnp.clip(x, op.low, op.high)


def leaky_relu(op: LeakyRelu, x: Float32[Array, "..."]) -> Float32[Array, "..."]:
    """Scale negative values by alpha."""
    return jnp.where(x >= 0, x, x * op.alpha)


def sigmoid(op: Sigmoid, x: Float32[Array, "..."]) -> Float32[Array, "..."]:
    """Logistic function."""
    return jax.nn.sigmoid(x)


def hard_sigmoid(op: HardSigmoid, x: Float32[Array, "..."]) -> Float32[Array, "..."]:
    """Piecewise linear logistic function."""
    return jnp.clip(x * op.alpha + op.beta, 0.0, 1.0)


def hard_swish(op: HardSwish, x: Float32[Array, "..."]) -> Float32[Array, "..."]:
    """X times its hard sigmoid with alpha = 1/6."""
    return x * jnp.clip(x / 6.0 + 0.5, 0.0, 1.0)


def tanh(op: Tanh, x: Float32[Array, "..."]) -> Float32[Array, "..."]:
    """Hyperbolic tangent."""
    return jnp.tanh(x)


def exp(op: Exp, x: Float32[Array, "..."]) -> Float32[Array, "..."]:
    """Exponential function."""
    return jnp.exp(x)


def elu(op: Elu, x: Float32[Array, "..."]) -> Float32[Array, "..."]:
    """Exponential where negative; expm1 keeps the digits near zero."""
    return jax.nn.elu(x, op.alpha)


def silu(op: Silu, x: Float32[Array, "..."]) -> Float32[Array, "..."]:
    """X times its logistic function."""
    return x * jax.nn.sigmoid(x)


def gelu(op: Gelu, x: Float32[Array, "..."]) -> Float32[Array, "..."]:
    """Gaussian error linear unit."""
    return jax.nn.gelu(x, approximate=op.approximate)


def prelu(
    op: PRelu, x: Float32[Array, "..."], slope: Float32[Array, "..."]
) -> Float32[Array, "..."]:
    """Scale negative values by their slope."""
    values, slopes = aligned(x, slope)
    return jnp.where(values >= 0, values, values * slopes)


def softmax(op: Softmax, x: Float32[Array, "..."]) -> Float32[Array, "..."]:
    """Normalised exponentials along the axis."""
    scaled = x if op.beta == 1 else x * jnp.float32(op.beta)
    return jax.nn.softmax(scaled, axis=op.axis)


def clamp(op: Clamp, x: Integer[Array, "..."]) -> Integer[Array, "..."]:
    """Limit to low..high, both inside the format of x."""
    return jnp.clip(x, op.low, op.high)


def table(
    op: Table, x: Integer[Array, "..."], entries: Integer[Array, " size"]
) -> Integer[Array, "..."]:
    """entries[x - x_min]; every x is inside the table by its format."""
    index = x.astype(jnp.int32) - op.x_min
    return jnp.take(entries, index, mode="clip")


def channel_table(
    op: ChannelTable, x: Integer[Array, "*n c"], entries: Integer[Array, "c size"]
) -> Integer[Array, "*n c"]:
    """entries[channel, x - x_min]; every x is inside the table by its format."""
    channels, size = entries.shape
    first = jnp.arange(channels, dtype=jnp.int32) * size
    index = x.astype(jnp.int32) - op.x_min + first.reshape((1,) * (x.ndim - 1) + (-1,))
    return jnp.take(entries.reshape(-1), index, mode="clip")
