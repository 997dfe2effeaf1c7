"""Codebook: few levels stand for many numbers, each held as the index of its level."""

from dataclasses import dataclass
from typing import Final

import jax.numpy as jnp
from jaxtyping import Array, Integer, UInt8

# An index is a byte.
MAX_LEVELS: Final = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class Codebook:
    """levels[index]: how weights compressed by clustering become integers again.

    At most 256 levels; every index is one of a level.
    """


def codebook(
    op: Codebook, index: UInt8[Array, "..."], levels: Integer[Array, " k"]
) -> Integer[Array, "..."]:
    """The level of each index, in the dtype of the levels."""
    return jnp.take(levels, index.astype(jnp.int32), mode="clip")
