"""calibrate: stream batches through a float Graph once and conclude every range."""

import math
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from emu.calibrate.observers import OBSERVERS, Method, Range, State
from emu.errors import DataError
from emu.graph import Graph, check_input, trace


@dataclass(frozen=True, slots=True)
class Observation:
    """How one tensor is observed; the percentile is in percent, 50 < p <= 100."""

    method: Method = Method.MINMAX
    percentile: float = 99.99


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Calibration:
    """What calibration found, by tensor name.

    `means` are mean samples: the shape of one sample, float64.
    """

    ranges: Mapping[str, Range]
    means: Mapping[str, np.ndarray] = field(default_factory=dict)


def calibrate(
    graph: Graph,
    batches: Iterable[np.ndarray],
    observations: Mapping[str, Observation],
    averaged: Collection[str] = (),
    progress: Callable[[int], None] | None = None,
) -> Calibration:
    """Range of every tensor in `observations`, mean sample of each in `averaged`.

    `batches` are float32 arrays for the graph's one input, the largest first; a
    smaller one is padded to the size of the first and its padding not counted.
    One pass; memory does not grow with the number of batches. `progress` is told
    the number of samples of each finished batch. Raises DataError for no data,
    samples that do not fit the input, and values that are not finite.
    """
    constants = {k: jnp.asarray(v) for k, v in graph.constants.items()}
    states = {
        name: OBSERVERS[seen.method].empty() for name, seen in observations.items()
    }

    @jax.jit
    def step(
        states: dict[str, State],
        constants: dict[str, jax.Array],
        x: jax.Array,
        n: jax.Array,
    ) -> tuple[dict[str, State], dict[str, jax.Array]]:
        tensors = trace(graph, constants, {graph.inputs[0]: x})
        valid = jnp.arange(x.shape[0], dtype=jnp.int32) < n
        found = {
            name: OBSERVERS[seen.method].update(states[name], tensors[name], valid)
            for name, seen in observations.items()
        }
        return found, {name: _sum(tensors[name], valid) for name in averaged}

    size, total = 0, 0
    sums: dict[str, np.ndarray] = {}
    for batch in batches:
        check_input(graph, graph.inputs[0], batch)
        size = size or len(batch)
        padded = np.pad(batch, [(0, size - len(batch))] + [(0, 0)] * (batch.ndim - 1))
        # As programs are: some float kernels hold products in 64 bits.
        with jax.enable_x64(True):
            states, added = step(
                states, constants, jnp.asarray(padded), jnp.int32(len(batch))
            )
        # Batches are added in float64: the mean hardly depends on the processor.
        for name, value in added.items():
            sums[name] = np.asarray(value, np.float64) + sums.get(name, 0.0)
        total += len(batch)
        if progress:
            progress(len(batch))
    if not size:
        raise DataError("no calibration samples", where="calibration")
    ranges = {
        name: _conclude(name, observations[name], states[name]) for name in states
    }
    means = {name: value / total for name, value in sums.items()}
    return Calibration(ranges=ranges, means=means)


def _sum(x: Float[Array, "n ..."], valid: Bool[Array, " n"]) -> Float[Array, "..."]:
    mask = valid.reshape((-1,) + (1,) * (x.ndim - 1))
    return jnp.sum(jnp.where(mask, x, 0), axis=0)


def _conclude(name: str, seen: Observation, state: State) -> Range:
    arrays = {key: np.asarray(value) for key, value in state.items()}
    if not all(math.isfinite(float(arrays[end])) for end in ("low", "high")):
        raise DataError(
            f"calibration found values from {arrays['low']} to {arrays['high']}, "
            "expected finite ones",
            where=f"tensor {name!r}",
        )
    found = OBSERVERS[seen.method].conclude(arrays, seen.percentile)
    return Range(low=coarse(found.low), high=coarse(found.high))


def coarse(value: float) -> float:
    """Round away from zero to 8 significant bits.

    Float sums differ in their last bits between processors; ranges on a coarse grid
    do not, so the integer program made here is the same program elsewhere. It costs
    at most 2**-7 of the range.
    """
    mantissa, exponent = math.frexp(abs(value))
    return math.copysign(math.ldexp(math.ceil(mantissa * 256), exponent - 8), value)
