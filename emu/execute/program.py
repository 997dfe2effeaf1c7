"""Program: a Graph compiled to one jitted function for one batch size."""

from collections.abc import Callable, Hashable, Mapping
from typing import Any

import jax
import numpy as np

from emu.errors import DataError
from emu.execute.carriers import choose_carriers
from emu.graph import (
    Graph,
    Numbers,
    check_input,
    fold_constants,
    is_static,
    numbers_of,
    select,
    structure,
    trace,
    without_dead,
)

# From tensors and the numbers that it was given to what a launch returns.
Finish = Callable[[dict[str, jax.Array], Any], Any]


class Family:
    """Programs of one structure compile once: their numbers are arguments.

    For many Graphs of one model that differ in scales, zero points, limits and
    constants (trials of a search). `compiled` counts the structures met so far. A
    program outside of a family has its numbers in its code.
    """

    def __init__(self) -> None:
        """No structure met."""
        self._functions: dict[Hashable, Callable[..., Any]] = {}

    @property
    def compiled(self) -> int:
        """How many different programs were compiled."""
        return len(self._functions)

    def function(self, key: Hashable, run: Callable[..., Any]) -> Callable[..., Any]:
        """The function compiled first for a key; `run`, jitted, if there is none."""
        return self._functions.setdefault(key, jax.jit(run))


class Program:
    """Runs a float or integer Graph on batches of one size.

    Results are the graph's outputs and `taps`, any further tensors by name. A smaller
    batch is padded with zeros and its padding dropped, so nothing is compiled twice.
    `finish` may reduce the tensors inside the compiled function; it sees padding too,
    and gets `finish_numbers`, any tree of numbers, as arguments of the compiled code.
    A static graph has no batch: its arrays go in and out whole, whatever the size.
    Programs of a `family` share compiled code (those of equal `finish` each).
    What depends on no input is computed once, here (`fold_constants`).
    Everything is traced and compiled with 64-bit types enabled locally.
    """

    def __init__(
        self,
        graph: Graph,
        batch_size: int,
        taps: tuple[str, ...] = (),
        finish: Finish | None = None,
        family: Family | None = None,
        finish_numbers: Any = None,  # noqa: ANN401 - what `finish` takes
    ) -> None:
        """Choose carriers, place the constants; compile on the first call."""
        wanted = tuple(dict.fromkeys((*graph.outputs, *taps)))
        self.graph = fold_constants(without_dead(graph, wanted))
        self.batch_size = batch_size
        carriers = choose_carriers(self.graph)
        pruned, names = self.graph, tuple(self.graph.constants)

        # A flat list of constants: JAX unpacks it faster on each call than a mapping.
        def run(
            constants: list[jax.Array],
            numbers: dict[str, Numbers],
            finish_numbers: Any,  # noqa: ANN401 - what `finish` takes
            inputs: dict[str, jax.Array],
        ) -> Any:  # noqa: ANN401 - what `finish` gives
            named = dict(zip(names, constants, strict=True))
            tensors = {**named, **trace(pruned, named, inputs, carriers, numbers)}
            chosen = select(tensors, wanted)
            return finish(chosen, finish_numbers) if finish else chosen

        self._numbers = numbers_of(pruned) if family else {}
        self._finish_numbers = finish_numbers
        key = (structure(pruned), tuple(carriers.items()), wanted, batch_size, finish)
        self._run = family.function(key, run) if family else jax.jit(run)
        with jax.enable_x64(True):
            self._constants = [jax.device_put(pruned.constants[n]) for n in names]

    def launch(self, inputs: Mapping[str, np.ndarray]) -> Any:  # noqa: ANN401 - what `finish` gives
        """Start one full batch; results stay on the device, padding included."""
        with jax.enable_x64(True):
            numbers = self._numbers, self._finish_numbers
            return self._run(self._constants, *numbers, dict(inputs))

    def __call__(
        self, x: np.ndarray | Mapping[str, np.ndarray]
    ) -> dict[str, np.ndarray]:
        """Run up to `batch_size` samples; arrays for them alone, by tensor name.

        Raises DataError for an input that does not fit the graph.
        """
        inputs = {self.graph.inputs[0]: x} if isinstance(x, np.ndarray) else x
        padded = {name: self.pad(name, value) for name, value in inputs.items()}
        results = jax.device_get(self.launch(padded))
        if is_static(self.graph):
            return results
        count = len(next(iter(inputs.values())))
        return {
            name: value[:count] if self._is_batched(name) else value
            for name, value in results.items()
        }

    def _is_batched(self, name: str) -> bool:
        tensor = self.graph.tensors.get(name)
        return tensor is not None and None in tensor.shape

    def pad(self, name: str, x: np.ndarray) -> np.ndarray:
        """Fill a batch up to `batch_size` with zeros, after checking shape and dtype."""
        check_input(self.graph, name, x)
        if is_static(self.graph):
            return x
        if len(x) > self.batch_size:
            raise DataError(
                f"{len(x)} samples in a batch of {self.batch_size}", where=name
            )
        missing = self.batch_size - len(x)
        return np.pad(x, [(0, missing)] + [(0, 0)] * (x.ndim - 1)) if missing else x
