"""The functions of layers as engines compute them: float32 where theirs is.

Each takes float64 arguments that are float32 numbers, and gives float64 values that
the caller rounds to float32: a function of libm is taken as rounded once.
"""

from collections.abc import Callable
from types import MappingProxyType
from typing import Any, Final

import numpy as np
from jaxtyping import Float64

from emu.ops import Elu, Gelu, LeakyRelu, Op
from emu.quantize.tables.arithmetic import RealFunction
from emu.quantize.tables.real import REAL_FUNCTIONS
from emu.quantize.tables.special import erfc

_Reals = Float64[np.ndarray, " n"]
_F = np.float32


def litert_function(op: Op) -> RealFunction:
    """The transform of LiteRT's LUTPopulate (activations.cc, reference/gelu.h)."""
    return _chosen(_LITERT, op)


def single_function(op: Op) -> RealFunction:
    """The function on float32 numbers, as ONNX Runtime and XNNPACK take it."""
    return _chosen(_SINGLE, op)


def _chosen(
    special: MappingProxyType[type[Op], Callable[[Any, _Reals], _Reals]], op: Op
) -> RealFunction:
    kind = type(op)
    function = special.get(kind, REAL_FUNCTIONS[kind])
    return lambda x: function(op, x)


def _leaky_relu(op: LeakyRelu, x: _Reals) -> _Reals:
    """The product is a float32 one."""
    product = x.astype(_F) * _F(op.alpha)
    return np.where(x >= 0, x, product.astype(np.float64))


def _elu(op: Elu, x: _Reals) -> _Reals:
    below = np.expm1(np.minimum(x, 0.0)).astype(_F) * _F(op.alpha)
    return np.where(x < 0, below.astype(np.float64), x)


def _gelu(op: Gelu, x: _Reals) -> _Reals:
    """Every product in float32: 0.5 * x * erfc(-x / sqrt(2)), or with tanh."""
    v = x.astype(_F)
    if op.approximate:
        inner = _F(np.sqrt(2 / np.pi)) * (v + _F(0.044715) * v * v * v)
        bend = _F(1) + np.tanh(inner.astype(np.float64)).astype(_F)
        return (_F(0.5) * v * bend).astype(np.float64)
    argument = v * _F(-np.sqrt(0.5))
    tail = erfc(argument.astype(np.float64)).astype(_F)
    return (_F(0.5) * v * tail).astype(np.float64)


_LITERT: Final = MappingProxyType({Elu: _elu, Gelu: _gelu})
_SINGLE: Final = MappingProxyType({Elu: _elu, LeakyRelu: _leaky_relu})
