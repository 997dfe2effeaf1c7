"""Random numbers by counter: a number for each element of a sample, from a seed alone."""

import math
from typing import Final

import jax.numpy as jnp
from jaxtyping import Array, UInt32

_ODD_STEP: Final = 0x9E3779B9  # 2**32 over the golden ratio


def draws(shape: tuple[int, ...], seed: int) -> UInt32[Array, "..."]:
    """32 random bits for each element of an array of this shape.

    They depend on the seed and on the place of the element in its sample, so that
    neither the size of the batch (the first axis) nor compilation changes them, and
    equal samples are treated equally.
    """
    sample = shape[1:]
    place = jnp.arange(math.prod(sample), dtype=jnp.uint32).reshape(1, *sample)
    start = _mixed(jnp.uint32((seed * _ODD_STEP + 1) & 0xFFFFFFFF))
    mixed = _mixed(place * jnp.uint32(_ODD_STEP) ^ start)
    return jnp.broadcast_to(mixed.reshape(mixed.shape[: len(shape)]), shape)


def _mixed(x: UInt32[Array, "*s"]) -> UInt32[Array, "*s"]:
    """A permutation of 32 bits, each result bit of which depends on every bit.

    The "lowbias32" function of C. Wellons (hash-prospector): exact integer steps.
    """
    x = (x ^ (x >> jnp.uint32(16))) * jnp.uint32(0x7FEB352D)
    x = (x ^ (x >> jnp.uint32(15))) * jnp.uint32(0x846CA68B)
    return x ^ (x >> jnp.uint32(16))
