"""Statistic: what one pass over the samples remembers of a tensor, in a fixed size.

A statistic is frozen data that says what is remembered. Its state is a few arrays: an
empty one made on the host, an update with a batch under jit. All that an update has to
know is in the state, so one compiled update serves all statistics of a kind. States
never grow, so any number of batches streams through; 64-bit types are enabled where
they are updated.
"""

from abc import ABC, abstractmethod
from collections.abc import Hashable, Mapping
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import Array
from jaxtyping import Bool, Float32, Num

State = dict[str, Array]
Arrays = Mapping[str, np.ndarray]
# Finished states of one tensor, by the keys of their statistics.
Found = Mapping[Hashable, Arrays]


class Statistic(ABC):
    """Base of all statistics, which are frozen dataclasses.

    Those of one key are kept as one: `join` gives the statistic that serves both.
    """

    __slots__ = ()

    @property
    def inside(self) -> bool:
        """Whether to compile it into the model, which need not keep the tensor then.

        Else it is compiled once for all tensors of one size.
        """
        return False

    @property
    def key(self) -> Hashable:
        """Under which its finished state is found."""
        return self

    def join(self, other: Any) -> "Statistic":  # noqa: ANN401 - one of its own class
        """One statistic that serves where either was asked for; both have one key."""
        del other
        return self

    @abstractmethod
    def empty(self, found: Found) -> dict[str, np.ndarray]:
        """The state before any sample; `found` has what the first pass found."""

    @staticmethod
    @abstractmethod
    def update(
        state: State, x: Float32[Array, "n values"], valid: Bool[Array, " n"]
    ) -> State:
        """The state after a batch of tensors, one a row, of which only the valid ones count."""


def valid_or(
    x: Float32[Array, "n values"], valid: Bool[Array, " n"], other: float
) -> Float32[Array, "n values"]:
    """The batch with `other` in place of all values of samples that are not valid."""
    return jnp.where(valid[:, None], x, jnp.asarray(other, x.dtype))


def counted(
    index: Num[Array, "n values"], valid: Bool[Array, " n"], bins: int
) -> Array:
    """How often each index occurs among the valid samples, int64; indices >= 0."""
    # What lies beyond the bins is dropped.
    place = jnp.where(valid[:, None], index.astype(jnp.int32), jnp.int32(bins)).ravel()
    counts = jnp.zeros(bins, jnp.int32).at[place].add(1, mode="drop")
    return counts.astype(jnp.int64)
