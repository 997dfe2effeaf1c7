"""emulate: a model as the function that the accelerator computes, layer by layer."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float32, Shaped

from emu.compare.layers import results
from emu.errors import DataError
from emu.evaluate import (
    Kind,
    ModelEntry,
    default_target,
    find_dataset,
    find_model,
    kind_of,
    lower_entry,
    model_inputs,
    open_model,
    quantize_entry,
)
from emu.execute import Program, accumulation_bound
from emu.fixedpoint import Accumulator, bits_needed, dequantize
from emu.gate.figures import DEFAULT_TARGET
from emu.graph import Graph, fold_constants, is_static, with_real_edges
from emu.ops import Accumulating, watch
from emu.quantize import open_recipe
from emu.targets import find_target


@dataclass(frozen=True, slots=True, kw_only=True)
class RegisterUse:
    """What a register had to hold for some inputs.

    Fields:
        layer, accumulator: whose register, and what it is.
        additions: that did not fit.
        bits: of the narrowest signed register that would have held every sum.
    """

    layer: str
    accumulator: Accumulator
    additions: int
    bits: int


@dataclass(frozen=True, kw_only=True, eq=False)
class Emulated:
    """A compiled integer program over arrays.

    Fields:
        graph: the program, with float32 inputs and outputs where the model has reals.
        entry: of the model; what `inputs` prepares samples with.
        batch_size: samples that run at once; results do not depend on it.
    """

    graph: Graph
    entry: ModelEntry
    batch_size: int = 32

    @property
    def layers(self) -> dict[str, str]:
        """Layer -> its integer tensor, in execution order."""
        return results(self.graph)

    def inputs(self, data: str) -> Float32[np.ndarray, "n ..."]:
        """The model's inputs for a dataset reference, preprocessed as its entry says."""
        found = model_inputs(find_dataset(data), self.entry, self.batch_size)
        return np.concatenate(list(found))

    def __call__(
        self, x: Shaped[np.ndarray, "n ..."]
    ) -> dict[str, Shaped[np.ndarray, "..."]]:
        """The integers of every layer by its name, and the outputs by theirs.

        `x` is the model's input, n samples; layers come in our layout (NHWC). Raises
        DataError for an input that does not fit.
        """
        found = _run(self._program, x)
        layers = {layer: found[tensor] for layer, tensor in self.layers.items()}
        return layers | {name: found[name] for name in self.graph.outputs}

    def reals(
        self, x: Shaped[np.ndarray, "n ..."]
    ) -> dict[str, Float32[np.ndarray, "..."]]:
        """What the integers of every layer mean."""
        found = _run(self._program, x)
        with jax.enable_x64(True):
            return {
                layer: np.asarray(dequantize(jnp.asarray(found[tensor]), qparams))
                for layer, tensor in self.layers.items()
                if (qparams := self.graph.tensors[tensor].qparams)
            }

    @cached_property
    def _program(self) -> Program:
        return Program(self.graph, self.batch_size, tuple(self.layers.values()))


def emulate(
    model: str | Path,
    *,
    target: str | Path | None = None,
    recipe: str | Path | None = None,
    calibration: str | None = None,
    batch_size: int = 32,
) -> Emulated:
    """What the accelerator `target` computes for a model.

    Arguments:
        model: a file, or the name of an entry.
        target: name or file; by default generic-int8, and for a quantized file what
            its usual engine does. An integer program has its own.
        recipe: a file.
        calibration: dataset reference; by default that of the entry.
        batch_size: samples that run at once.

    Raises an EmuError for what cannot be found, read or quantized.
    """
    entry, graph = open_model(find_model(str(model)))
    kind = kind_of(graph)
    if kind is Kind.FLOAT:
        graph = quantize_entry(
            entry,
            graph,
            find_target(str(target or DEFAULT_TARGET)),
            open_recipe(recipe).fit(graph, batch_size),
            calibration,
            batch_size,
        )
    elif kind is Kind.STATED:
        named = target or default_target(entry.file)
        graph = lower_entry(entry, graph, find_target(str(named)))
    return Emulated(graph=with_real_edges(graph), entry=entry, batch_size=batch_size)


def register_use(
    graph: Graph, x: Shaped[np.ndarray, "n ..."], batch_size: int = 32
) -> list[RegisterUse]:
    """The use of each register that some input could overflow, in execution order.

    Registers that no input can overflow, by their weights, are left out. `x` is the
    input of an integer Graph, n samples.
    """
    graph = fold_constants(graph)
    nodes = [
        (node, node.op)
        for node in graph.nodes
        if isinstance(node.op, Accumulating)
        and accumulation_bound(graph, node) > node.op.accumulator.max
    ]
    operands = dict.fromkeys(name for node, _ in nodes for name in node.inputs)
    taps = tuple(name for name in operands if name not in graph.constants)
    found = {**graph.constants, **_run(Program(graph, batch_size, taps), x)}
    uses = []
    for node, op in nodes:
        with jax.enable_x64(True):
            seen = watch(op, *(jnp.asarray(found[name]) for name in node.inputs))
            low, high = int(seen.low.min()), int(seen.high.max())
            additions = int(seen.overflows.sum())
        uses.append(
            RegisterUse(
                layer=node.layer or node.name,
                accumulator=op.accumulator,
                additions=additions,
                bits=bits_needed(low, high),
            )
        )
    return uses


def _run(
    program: Program, x: Shaped[np.ndarray, "n ..."]
) -> dict[str, Shaped[np.ndarray, "..."]]:
    """All samples, a batch at a time."""
    if is_static(program.graph):
        return program(x)
    if not len(x):
        raise DataError("no samples to run", where=program.graph.name)
    pieces = [program(piece) for piece in _pieces(x, program.batch_size)]
    return {
        name: np.concatenate([piece[name] for piece in pieces]) for name in pieces[0]
    }


def _pieces(
    x: Shaped[np.ndarray, "n ..."], size: int
) -> Iterator[Shaped[np.ndarray, "..."]]:
    starts = [*range(0, len(x), size), len(x)]
    for start, stop in pairwise(starts):
        yield x[start:stop]
