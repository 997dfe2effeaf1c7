"""trace: run a Graph's kernels in order on JAX arrays; the body of every jitted program."""

from collections.abc import Iterable, Mapping

import numpy as np
from jax import Array

from emu.errors import DataError
from emu.fixedpoint import Carrier
from emu.graph.graph import Graph
from emu.graph.numbers import Numbers, with_numbers
from emu.ops import KERNELS


def trace(
    graph: Graph,
    constants: Mapping[str, Array],
    inputs: Mapping[str, Array],
    carriers: Mapping[str, Carrier] | None = None,
    numbers: Mapping[str, Numbers] | None = None,
) -> dict[str, Array]:
    """Every tensor of the graph by name, inputs included.

    `carriers` names the carrier of accumulating nodes; without an entry they run on
    int64, which is always exact. `numbers` replaces those of operators, by node name
    (`numbers_of`). Under jit, what nobody reads is never computed.
    """
    chosen, given = carriers or {}, numbers or {}
    tensors = dict(inputs)
    for node in graph.nodes:
        operands = [
            constants[name] if name in constants else tensors[name]
            for name in node.inputs
        ]
        options = {"carrier": chosen[node.name]} if node.name in chosen else {}
        op = with_numbers(node.op, given.get(node.name, {}))
        tensors[node.output] = KERNELS[type(op)](op, *operands, **options)
    return tensors


def check_input(graph: Graph, name: str, x: np.ndarray) -> None:
    """Raise DataError unless an array has the shape and dtype of a graph input.

    The free first axis may have any size; an input of a static graph has none.
    """
    tensor = graph.tensors[name]
    first, of = (1, " a sample") if None in tensor.shape else (0, "")
    found = (x.shape[first:], str(x.dtype))
    if found != (tensor.shape[first:], tensor.dtype) or x.ndim != len(tensor.shape):
        raise DataError(
            f"found {x.dtype} {list(x.shape[first:])}{of}, expected "
            f"{tensor.dtype} {list(tensor.shape[first:])}",
            where=f"input {name!r} of {graph.name}",
        )


def select(tensors: Mapping[str, Array], names: Iterable[str]) -> dict[str, Array]:
    """The named tensors only."""
    return {name: tensors[name] for name in names}
