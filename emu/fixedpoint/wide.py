"""The one gate to 64-bit integers: refuses to run where JAX would narrow them."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Int64, Shaped


def to_int64(x: Shaped[Array, "*s"]) -> Int64[Array, "*s"]:
    """Widen (or convert a float that is an integer) to int64.

    With 64-bit types off JAX would give int32 and only warn; 2**20 * 2**20 is
    then 0. So this raises: the caller forgot `with jax.enable_x64(True):`, which
    is a bug of `emu`, hence no `EmuError`.

    Raises:
        RuntimeError: 64-bit types are off.
    """
    if not jax.config.read("jax_enable_x64"):
        raise RuntimeError(
            "64-bit integers are needed here: call under `jax.enable_x64(True)`"
        )
    return x.astype(jnp.int64)
