"""channel_maxima: the largest magnitude in each channel of some tensors."""

from collections.abc import Callable, Collection

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Float64

from emu.calibrate.collect import Batches, fresh, padded
from emu.calibrate.observation import coarse
from emu.errors import DataError
from emu.graph import Graph, check_input, trace
from emu.recall import Checkpoint


def channel_maxima(
    graph: Graph,
    batches: Batches,
    tensors: Collection[str],
    progress: Callable[[int], None] | None = None,
    checkpoint: Checkpoint = Checkpoint(),  # noqa: B008 - has no state
) -> dict[str, Float64[np.ndarray, " c"]]:
    """max|x| over samples and positions for each entry of a tensor's last axis.

    `batches` and `checkpoint` as for `collect`; one pass, memory does not grow with
    their number.
    Maxima are made `coarse`, as ranges are, for the same reason. Raises DataError for
    no data, samples that do not fit the input, and values that are not finite.
    """
    constants = {k: jnp.asarray(v) for k, v in graph.constants.items()}

    @jax.jit
    def step(
        maxima: dict[str, jax.Array],
        constants: dict[str, jax.Array],
        x: jax.Array,
        n: jax.Array,
    ) -> dict[str, jax.Array]:
        traced = trace(graph, constants, {graph.inputs[0]: x})
        valid = jnp.arange(x.shape[0], dtype=jnp.int32) < n
        return {
            k: jnp.maximum(m, _largest(traced[k], valid)) for k, m in maxima.items()
        }

    found = {
        name: jnp.zeros(graph.tensors[name].shape[-1] or 1, jnp.float32)
        for name in sorted(tensors)
    }
    size = 0
    done, known = checkpoint.load("channels")
    if done:
        found = dict(zip(found, map(jnp.asarray, known), strict=True))
    for number, batch in enumerate(fresh(batches), 1):
        check_input(graph, graph.inputs[0], batch)
        size = size or len(batch)
        if number > done:
            x = jnp.asarray(padded(batch, size))
            # As programs are: some float kernels hold products in 64 bits.
            with jax.enable_x64(True):
                found = step(found, constants, x, jnp.int32(len(batch)))
            checkpoint.save("channels", number, list(found.values()))
        if progress:
            progress(len(batch))
    if not size:
        raise DataError("no calibration samples", where="calibration")
    return {name: _coarse(name, np.asarray(value)) for name, value in found.items()}


def _largest(x: Float[Array, "n *s c"], valid: Bool[Array, " n"]) -> Float[Array, " c"]:
    mask = valid.reshape((-1,) + (1,) * (x.ndim - 1))
    return jnp.max(jnp.where(mask, jnp.abs(x), 0), axis=tuple(range(x.ndim - 1)))


def _coarse(name: str, maxima: Float[np.ndarray, " c"]) -> Float64[np.ndarray, " c"]:
    if not np.isfinite(maxima).all():
        raise DataError(
            f"calibration found values up to {maxima.max()}, expected finite ones",
            where=f"tensor {name!r}",
        )
    return np.array([coarse(float(value)) for value in maxima], np.float64)
