"""GraphBuilder: append nodes one by one; shapes, dtypes and fresh names come along."""

from collections.abc import Mapping

import numpy as np

from emu.fixedpoint import IntFormat, QParams
from emu.graph.graph import Golden, Graph, Node, Tensor
from emu.graph.infer import infer
from emu.ops import Op


class GraphBuilder:
    """The only mutable form of a Graph; `build` freezes it."""

    def __init__(self, name: str) -> None:
        """Start with nothing."""
        self.name = name
        self.inputs: list[str] = []
        self.nodes: list[Node] = []
        self.tensors: dict[str, Tensor] = {}
        self.constants: dict[str, np.ndarray] = {}
        self._node_names: set[str] = set()

    def fresh(self, name: str) -> str:
        """`name`, or `name.2`, `name.3`, ... if it is taken by a tensor or constant."""
        return _unused(name, self.tensors.keys() | self.constants.keys())

    def input(self, name: str, tensor: Tensor) -> str:
        """Declare a graph input."""
        self.inputs.append(name)
        self.tensors[name] = tensor
        return name

    def constant(self, name: str, array: np.ndarray) -> str:
        """Add a constant under a fresh name made from `name`."""
        fresh = self.fresh(name)
        self.constants[fresh] = array.copy() if array.flags.writeable else array
        return fresh

    def add(
        self,
        op: Op,
        inputs: tuple[str, ...],
        output: str,
        *,
        layer: str = "",
        name: str | None = None,
        format: IntFormat | None = None,  # noqa: A002 - the field's term
        qparams: QParams | None = None,
        golden: Golden | None = None,
    ) -> str:
        """Append a node making a tensor under a fresh name made from `output`."""
        fresh = self.fresh(output)
        node_name = _unused(name or fresh, self._node_names)
        self._node_names.add(node_name)
        operands = [
            self.constants[i] if i in self.constants else self.tensors[i]
            for i in inputs
        ]
        shape, dtype = infer(op, operands, node_name)
        self.tensors[fresh] = Tensor(
            shape=shape, dtype=dtype, format=format, qparams=qparams, golden=golden
        )
        self.nodes.append(
            Node(name=node_name, op=op, inputs=inputs, output=fresh, layer=layer)
        )
        return fresh

    def build(
        self,
        outputs: tuple[str, ...],
        provenance: Mapping[str, object] | None = None,
    ) -> Graph:
        """Freeze; constants and nodes stay in the order they were added."""
        return Graph(
            name=self.name,
            inputs=tuple(self.inputs),
            outputs=outputs,
            nodes=tuple(self.nodes),
            tensors=self.tensors,
            constants=self.constants,
            provenance=provenance or {},
        )


def _unused(name: str, taken: set[str]) -> str:
    if name not in taken:
        return name
    count = 2
    while f"{name}.{count}" in taken:
        count += 1
    return f"{name}.{count}"
