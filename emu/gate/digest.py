"""The digest of a program's integer outputs: equal bits, whatever the batch size."""

import hashlib
from typing import Final

import numpy as np
from jaxtyping import Shaped

from emu.errors import ConfigError
from emu.graph import Graph, producers
from emu.ops import Dequantize

BIT_SAMPLES: Final = 64


def integer_outputs(graph: Graph) -> tuple[str, ...]:
    """Integer tensors that the graph's outputs are made of, nearest first.

    Behind them stand only the final dequantize and what the host does in float
    (a Softmax, say). Raises ConfigError if an output depends on no integers.
    """
    makers = producers(graph)
    found: dict[str, None] = {}
    wanted, seen = list(reversed(graph.outputs)), set[str]()
    while wanted:
        name = wanted.pop()
        node = makers.get(name)
        if name in seen or node is None:
            continue
        seen.add(name)
        if graph.tensors[name].format is not None:
            found[name] = None
        elif isinstance(node.op, Dequantize):
            found[node.inputs[0]] = None
        else:
            wanted.extend(reversed(node.inputs))
    if not found:
        raise ConfigError("no output is made of integers", where=graph.name)
    return tuple(found)


class BitDigest:
    """sha256 over the first `BIT_SAMPLES` rows, row after row, tensor after tensor.

    A row counts with dtype, shape and bytes (little endian), so that the digest says
    nothing of how rows were batched.
    """

    def __init__(self, tensors: tuple[str, ...]) -> None:
        """Take the tensors in this order from every batch."""
        self.rows = 0
        self._tensors = tensors
        self._total = hashlib.sha256()

    @property
    def missing(self) -> int:
        """Rows that it still takes."""
        return BIT_SAMPLES - self.rows

    def add(self, batch: dict[str, Shaped[np.ndarray, "..."]]) -> None:
        """Take in the rows of a batch, as far as they are among the first."""
        count = min(len(batch[self._tensors[0]]), self.missing)
        for row in range(count):
            for name in self._tensors:
                value = np.ascontiguousarray(batch[name][row])
                little = value.astype(value.dtype.newbyteorder("<"))
                self._total.update(f"{little.dtype.str}{value.shape}".encode())
                self._total.update(little.tobytes())
        self.rows += count

    def hexdigest(self) -> str:
        """The digest so far."""
        return self._total.hexdigest()
