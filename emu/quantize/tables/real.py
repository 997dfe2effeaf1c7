"""The real functions that lookup tables are made from, in float64."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final

import numpy as np

from emu.ops import (
    Clip,
    Elu,
    Exp,
    Gelu,
    HardSigmoid,
    HardSwish,
    Identity,
    LeakyRelu,
    Op,
    Relu,
    Sigmoid,
    Silu,
    Tanh,
)
from emu.quantize.tables.special import erfc


def _real_sigmoid(op: Op, x: np.ndarray) -> np.ndarray:
    return 1.0 / (1.0 + np.exp(-np.clip(x, -700.0, 700.0)))


def _real_hard_sigmoid(op: HardSigmoid, x: np.ndarray) -> np.ndarray:
    return np.clip(op.alpha * x + op.beta, 0.0, 1.0)


def _real_hard_swish(op: Op, x: np.ndarray) -> np.ndarray:
    return x * np.clip(x / 6 + 0.5, 0.0, 1.0)


def _real_leaky_relu(op: LeakyRelu, x: np.ndarray) -> np.ndarray:
    return np.where(x >= 0, x, op.alpha * x)


def _real_elu(op: Elu, x: np.ndarray) -> np.ndarray:
    return np.where(x > 0, x, op.alpha * np.expm1(np.minimum(x, 0.0)))


def _real_gelu(op: Gelu, x: np.ndarray) -> np.ndarray:
    if op.approximate:
        inner = np.sqrt(2 / np.pi) * (x + 0.044715 * x * x * x)
        return x / 2 * (1 + np.tanh(inner))
    return x / 2 * erfc(-x / np.sqrt(2))


def _real_silu(op: Op, x: np.ndarray) -> np.ndarray:
    return x * _real_sigmoid(op, x)


def _real_tanh(op: Op, x: np.ndarray) -> np.ndarray:
    return np.tanh(x)


def _real_relu(op: Op, x: np.ndarray) -> np.ndarray:
    return np.maximum(x, 0.0)


def _real_clip(op: Clip, x: np.ndarray) -> np.ndarray:
    return np.clip(x, op.low, op.high)


def _real_identity(op: Op, x: np.ndarray) -> np.ndarray:
    return x


def _real_exp(op: Op, x: np.ndarray) -> np.ndarray:
    return np.exp(np.minimum(x, 700.0))


# Each takes the layer, whose class is its key, and reals.
REAL_FUNCTIONS: Final[Mapping[type[Op], Callable[[Any, np.ndarray], np.ndarray]]] = (
    MappingProxyType(
        {
            Sigmoid: _real_sigmoid,
            HardSigmoid: _real_hard_sigmoid,
            HardSwish: _real_hard_swish,
            LeakyRelu: _real_leaky_relu,
            Tanh: _real_tanh,
            Elu: _real_elu,
            Gelu: _real_gelu,
            Silu: _real_silu,
            Exp: _real_exp,
            Relu: _real_relu,
            Clip: _real_clip,
            Identity: _real_identity,
        }
    )
)
