"""collect: stream samples through a float Graph and keep what ranges are made of."""

import math
from collections.abc import Callable, Collection, Hashable, Iterable, Mapping, Sequence
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from emu.calibrate.methods import METHODS
from emu.calibrate.minmax import EXTREMES, extremes
from emu.calibrate.observation import Observation, Range
from emu.calibrate.statistic import Arrays, Found, State, Statistic
from emu.calibrate.statistics import Statistics
from emu.errors import DataError
from emu.graph import Graph, check_input, trace
from emu.recall import Checkpoint

# A fresh run over the samples on each call, or the batches themselves: some methods
# need two runs.
Batches = Callable[[], Iterable[np.ndarray]] | Sequence[np.ndarray]
Progress = Callable[[int], None]
# Statistics of each tensor; those of one key are one.
Plan = Mapping[str, Sequence[Statistic]]
States = dict[str, list[State]]
# After some batches: states inside the model and outside, sums of averaged tensors.
Running = tuple[States, States, dict[str, np.ndarray]]


def first_samples(batches: Batches, count: int | None) -> Batches:
    """The first `count` samples alone; all for None.

    Iterating raises DataError if there are fewer.
    """
    if count is None:
        return batches

    def limited() -> Iterable[np.ndarray]:
        seen = 0
        for batch in fresh(batches):
            taken = batch[: count - seen]
            seen += len(taken)
            yield taken
            if seen == count:
                return
        raise DataError(
            f"found {seen} samples, expected {count} as batch_count says",
            where="calibration",
        )

    return limited


def collect(
    graph: Graph,
    batches: Batches,
    wishes: Mapping[str, Collection[Observation]],
    averaged: Collection[str] = (),
    progress: Progress | None = None,
    checkpoint: Checkpoint = Checkpoint(),  # noqa: B008 - has no state
) -> Statistics:
    """Statistics for all `wishes` of every tensor, mean sample of each in `averaged`.

    `batches` are float32 arrays for the graph's one input, the largest first; a
    smaller one is padded to the size of the first and its padding not counted.
    One pass over them, and a second one if some observation searches from what the
    first one found. Observations share what they need alike; memory does not grow
    with the number of batches, and their size changes nothing but the last bits of
    float layers. `progress` is told the number of samples of each finished batch;
    batches that an earlier run has finished by its `checkpoint` are not run again.

    Raises DataError for no data, samples that do not fit the input, values that are
    not finite, and inputs that are all zeros.
    """
    first: dict[str, list[Statistic]] = {}
    second: dict[str, list[Statistic]] = {}
    for name, asked in wishes.items():
        ways = [(METHODS[one.method], one) for one in asked]
        early = [way.first(one) for way, one in ways if way.first]
        late = [way.second(one) for way, one in ways if way.second]
        first[name] = _joined([EXTREMES, *early])
        if late:
            second[name] = _joined(late)
    run = partial(_run, graph, batches, progress=progress, checkpoint=checkpoint)
    found, samples, sums = run("first", first, {name: {} for name in first}, averaged)
    if not samples:
        raise DataError("no calibration samples", where="calibration")
    for name, seen in found.items():
        _require_finite(name, seen)
    source = graph.inputs[0]
    if source in found and extremes(found[source]) == Range(low=0.0, high=0.0):
        raise DataError(
            f"all {samples} samples are zeros throughout", where="calibration"
        )
    if second:
        more, again, _ = run("second", second, found, ())
        if again != samples:
            raise DataError(
                f"the first pass gave {samples} samples, the second {again}",
                where="calibration",
            )
        found = {name: {**seen, **more.get(name, {})} for name, seen in found.items()}
    means = {name: value / samples for name, value in sums.items()}
    return Statistics(samples=samples, means=means, wishes=dict(wishes), found=found)


def fresh(batches: Batches) -> Iterable[np.ndarray]:
    """A run over the batches from the first."""
    return batches() if callable(batches) else batches


def _joined(statistics: Iterable[Statistic]) -> list[Statistic]:
    """One statistic for each key."""
    known: dict[object, Statistic] = {}
    for one in statistics:
        known[one.key] = known[one.key].join(one) if one.key in known else one
    return list(known.values())


def _run(
    graph: Graph,
    batches: Batches,
    stage: str,
    plan: Plan,
    found: Mapping[str, Found],
    averaged: Collection[str],
    *,
    progress: Progress | None,
    checkpoint: Checkpoint,
) -> tuple[dict[str, Found], int, dict[str, np.ndarray]]:
    """One pass: finished states, number of samples, sums of the averaged tensors."""
    constants = {k: jnp.asarray(v) for k, v in graph.constants.items()}
    inside = {
        name: [one for one in statistics if one.inside]
        for name, statistics in plan.items()
    }
    outside = {
        name: [one for one in statistics if not one.inside]
        for name, statistics in plan.items()
    }
    watched = [name for name, statistics in outside.items() if statistics]

    @jax.jit
    def step(
        states: States, constants: dict[str, jax.Array], x: jax.Array, n: jax.Array
    ) -> tuple[States, dict[str, jax.Array], dict[str, jax.Array], jax.Array]:
        tensors = trace(graph, constants, {graph.inputs[0]: x})
        valid = jnp.arange(x.shape[0], dtype=jnp.int32) < n
        rows = {name: tensors[name].reshape(x.shape[0], -1) for name in plan}
        updated = {
            name: [
                one.update(state, rows[name], valid)
                for one, state in zip(statistics, states[name], strict=True)
            ]
            for name, statistics in inside.items()
        }
        sums = {name: _sum(tensors[name], valid) for name in averaged}
        return updated, {name: rows[name] for name in watched}, sums, valid

    def begin() -> Running:
        none = dict.fromkeys(averaged, np.zeros(()))
        return _empty(inside, found), _empty(outside, found), none

    def advance(running: Running, x: np.ndarray, n: int) -> Running:
        early, late, sums = running
        early, rows, added, valid = step(early, constants, jnp.asarray(x), jnp.int32(n))
        late = {
            name: [
                _update(one.update, state, rows[name], valid)
                for one, state in zip(outside[name], late[name], strict=True)
            ]
            for name in watched
        }
        # One batch at a time: a queue of them would hold their tensors.
        early, late = jax.block_until_ready((early, late))
        # Batches are added in float64: the mean hardly depends on the processor.
        sums = {k: np.asarray(v, np.float64) + sums[k] for k, v in added.items()}
        return early, late, sums

    size, total = 0, 0
    done, leaves = checkpoint.load(stage)
    running: Running | None = None
    for number, batch in enumerate(fresh(batches), 1):
        check_input(graph, graph.inputs[0], batch)
        size = size or len(batch)
        # As programs are: some float kernels hold products in 64 bits.
        with jax.enable_x64(True):
            running = running or _resumed(begin(), leaves)
            if number > done:
                running = advance(running, padded(batch, size), len(batch))
                checkpoint.save(stage, number, jax.tree.leaves(running))
        total += len(batch)
        if progress:
            progress(len(batch))
    early, late, sums = running or ({}, {}, {})
    finished: dict[str, Found] = {
        name: {**seen, **_finished(outside, late).get(name, {})}
        for name, seen in _finished(inside, early).items()
    }
    return finished, total, sums


def padded(batch: np.ndarray, size: int) -> np.ndarray:
    """The batch with zeros for the samples that it is short of `size`."""
    return np.pad(batch, [(0, size - len(batch))] + [(0, 0)] * (batch.ndim - 1))


def _resumed(empty: Running, leaves: Sequence[np.ndarray]) -> Running:
    """What a checkpoint knows, put together as an empty one is; empty for nothing."""
    if not leaves:
        return empty
    early, late, sums = jax.tree.unflatten(jax.tree.structure(empty), leaves)
    return *jax.tree.map(jnp.asarray, (early, late)), sums


@partial(jax.jit, static_argnums=0)
def _update(
    update: Callable[[State, Array, Array], State],
    state: State,
    x: Array,
    valid: Array,
) -> State:
    """Compiled once for all tensors of one size, and kept for further runs."""
    return update(state, x, valid)


def _empty(plan: Plan, found: Mapping[str, Found]) -> States:
    """Empty states on the device."""
    return {
        name: [
            {key: jnp.asarray(array) for key, array in one.empty(found[name]).items()}
            for one in statistics
        ]
        for name, statistics in plan.items()
    }


def _finished(plan: Plan, states: States) -> dict[str, dict[Hashable, Arrays]]:
    """Finished states on the host, by tensor and key."""
    return {
        name: {
            one.key: {key: np.asarray(value) for key, value in state.items()}
            for one, state in zip(plan[name], kept, strict=True)
        }
        for name, kept in states.items()
    }


def _sum(x: Float[Array, "n ..."], valid: Bool[Array, " n"]) -> Float[Array, "..."]:
    mask = valid.reshape((-1,) + (1,) * (x.ndim - 1))
    return jnp.sum(jnp.where(mask, x, 0), axis=0)


def _require_finite(name: str, found: Found) -> None:
    seen = extremes(found)
    if not (math.isfinite(seen.low) and math.isfinite(seen.high)):
        raise DataError(
            f"calibration found values from {seen.low} to {seen.high}, "
            "expected finite ones",
            where=f"tensor {name!r}",
        )
