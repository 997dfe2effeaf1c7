"""The gate to 64 bits refuses to narrow."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from emu.fixedpoint import RescaleScheme, encode_scale, rescale
from emu.fixedpoint.wide import to_int64


def test_without_64_bit_types_it_raises_rather_than_narrows():
    with pytest.raises(RuntimeError, match="enable_x64"):
        to_int64(jnp.asarray([1]))
    multiplier, shift = encode_scale(np.array([0.1]), RescaleScheme.SINGLE_ROUND)
    with pytest.raises(RuntimeError, match="enable_x64"):
        rescale(
            jnp.asarray([1]),
            jnp.asarray(multiplier),
            jnp.asarray(shift),
            RescaleScheme.SINGLE_ROUND,
        )


def test_with_them_it_widens_eager_and_jitted(x64):
    x = jnp.asarray([-(2**31), 2**31 - 1], jnp.int32)
    for function in (to_int64, jax.jit(to_int64)):
        wide = function(x)
        assert wide.dtype == jnp.int64
        assert wide.tolist() == [-(2**31), 2**31 - 1]
