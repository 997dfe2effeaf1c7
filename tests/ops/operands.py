"""The form of a case of the battery: an operator and operands to draw for it."""

import zlib
from dataclasses import dataclass
from enum import Enum
from typing import Any

import numpy as np

from emu import ops

Array = np.ndarray[Any, Any]


class Data(Enum):
    """How operands are filled. LOW_HIGH: activations lowest, constants highest."""

    RANDOM = "random"
    LOW = "low"
    HIGH = "high"
    LOW_HIGH = "low-high"


@dataclass(frozen=True, kw_only=True, eq=False)
class Operand:
    """One operand: drawn from low..high, or given. `batched`: an activation."""

    shape: tuple[int, ...] = ()
    dtype: str = "int8"
    low: float = 0.0
    high: float = 0.0
    given: Array | None = None
    batched: bool = True

    def draw(self, rng: np.random.Generator, data: Data) -> Array:
        if self.given is not None:
            return self.given
        highest = data is Data.HIGH or (data is Data.LOW_HIGH and not self.batched)
        if data is not Data.RANDOM:
            return np.full(self.shape, self.high if highest else self.low, self.dtype)
        if self.dtype.startswith("float"):
            return rng.uniform(self.low, self.high, self.shape).astype(self.dtype)
        low, high = int(self.low), int(self.high)
        return rng.integers(low, high, self.shape, self.dtype, endpoint=True)


@dataclass(frozen=True, kw_only=True, eq=False)
class Case:
    """An operator and its operands; activations have a batch of 2."""

    name: str
    op: ops.Op
    operands: tuple[Operand, ...]

    def __str__(self) -> str:
        return f"{type(self.op).__name__}-{self.name}"

    def draw(self, data: Data = Data.RANDOM) -> tuple[Array, ...]:
        rng = np.random.default_rng(zlib.crc32(str(self).encode()))
        return tuple(operand.draw(rng, data) for operand in self.operands)


def activation(*shape: int, dtype: str = "int8", limit: float | None = None) -> Operand:
    """Over the whole dtype, or -limit..limit. Floats: -4..4."""
    if dtype.startswith("float"):
        low, high = -4.0, 4.0
    elif dtype == "bool":
        low, high = 0, 1
    else:
        low, high = int(np.iinfo(dtype).min), int(np.iinfo(dtype).max)
    if limit is not None:
        low, high = -limit, limit
    return Operand(shape=(2, *shape), dtype=dtype, low=low, high=high)


def weight(
    *shape: int, dtype: str = "int8", low: float | None = None, high: float = 127
) -> Operand:
    low = -high if low is None else low
    return Operand(shape=shape, dtype=dtype, low=low, high=high, batched=False)


def bias(size: int, limit: int = 1 << 12) -> Operand:
    return weight(size, dtype="int32", low=-limit, high=limit - 1)


def constant(values: Any, dtype: str) -> Operand:
    return Operand(given=np.asarray(values, dtype), batched=False)
