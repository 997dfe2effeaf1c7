"""The real functions that lookup tables are made from, in float64."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

import numpy as np

from emu.ops import HardSigmoid, HardSwish, LeakyRelu, Op, Sigmoid


def _real_sigmoid(op: Op, x: np.ndarray) -> np.ndarray:
    return 1.0 / (1.0 + np.exp(-np.clip(x, -700.0, 700.0)))


def _real_hard_sigmoid(op: Op, x: np.ndarray) -> np.ndarray:
    alpha, beta = (op.alpha, op.beta) if isinstance(op, HardSigmoid) else (1 / 6, 0.5)
    return np.clip(alpha * x + beta, 0.0, 1.0)


def _real_hard_swish(op: Op, x: np.ndarray) -> np.ndarray:
    return x * _real_hard_sigmoid(op, x)


def _real_leaky_relu(op: Op, x: np.ndarray) -> np.ndarray:
    alpha = op.alpha if isinstance(op, LeakyRelu) else 0.0
    return np.where(x >= 0, x, alpha * x)


REAL_FUNCTIONS: Final[Mapping[type[Op], Callable[[Op, np.ndarray], np.ndarray]]] = (
    MappingProxyType(
        {
            Sigmoid: _real_sigmoid,
            HardSigmoid: _real_hard_sigmoid,
            HardSwish: _real_hard_swish,
            LeakyRelu: _real_leaky_relu,
        }
    )
)
