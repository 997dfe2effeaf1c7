"""The best few of many values, equal ones in the order of a C++ library's heap."""

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float32, Int32

State = tuple[Int32[Array, " k"], Int32[Array, ""]]


def partial_sort(values: Float32[Array, " c"], count: int) -> Int32[Array, " k"]:
    """Indices of the `count` highest values, the highest first.

    What std::partial_sort of libstdc++ makes of the indices 0, 1, ... : a heap of the
    first ones with the lowest on top, which each higher one replaces, then sorted.
    Source: gcc libstdc++-v3/include/bits/stl_algo.h and stl_heap.h.
    """
    size = jnp.int32(count)
    heap = jnp.arange(count, dtype=jnp.int32)

    def build(i: Array, heap: Array) -> Array:
        at = size // 2 - 1 - jnp.asarray(i, jnp.int32)
        return _settle(values, heap, at, size, heap[at])

    def offer(i: Array, heap: Array) -> Array:
        better = values[i] > values[heap[0]]
        index = jnp.asarray(i, jnp.int32)
        replaced = _settle(values, heap, jnp.int32(0), size, index)
        return jnp.where(better, replaced, heap)

    def take(i: Array, heap: Array) -> Array:
        end = size - 1 - jnp.asarray(i, jnp.int32)
        return _settle(values, heap.at[end].set(heap[0]), jnp.int32(0), end, heap[end])

    heap = lax.fori_loop(jnp.int32(0), size // 2, build, heap)
    heap = lax.fori_loop(size, jnp.int32(values.shape[0]), offer, heap)
    return lax.fori_loop(jnp.int32(0), size - 1, take, heap)


def _settle(
    values: Float32[Array, " c"],
    heap: Int32[Array, " k"],
    top: Int32[Array, ""],
    size: Int32[Array, ""],
    index: Int32[Array, ""],
) -> Int32[Array, " k"]:
    """Put an index into the hole at `top` of the first `size` entries of a heap.

    The hole sinks to the bottom, along the lower child or the right one of equals;
    then the index rises past all that are higher.
    """

    def has_child(state: State) -> Array:
        return 2 * state[1] + 1 < size

    def sink(state: State) -> State:
        heap, hole = state
        left, right = 2 * hole + 1, 2 * hole + 2
        last = jnp.minimum(right, size - 1)
        take_left = (right >= size) | (values[heap[last]] > values[heap[left]])
        child = jnp.where(take_left, left, right)
        return heap.at[hole].set(heap[child]), child

    def is_lower(state: State) -> Array:
        heap, hole = state
        parent = jnp.maximum((hole - 1) // 2, 0)
        return (hole > top) & (values[heap[parent]] > values[index])

    def rise(state: State) -> State:
        heap, hole = state
        parent = (hole - 1) // 2
        return heap.at[hole].set(heap[parent]), parent

    sunk = lax.while_loop(has_child, sink, (heap, top))
    risen, hole = lax.while_loop(is_lower, rise, sunk)
    return risen.at[hole].set(index)
