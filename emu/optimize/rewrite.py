"""Rewrite: a changed copy of a Graph, made node by node."""

from dataclasses import replace

import numpy as np

from emu.graph import Graph, Node, Tensor, without_dead


class Rewrite:
    """Nodes and constants of the graph to come; `build` gives it.

    What nothing needs any longer is dropped; without a change the same graph returns.
    """

    def __init__(self, graph: Graph) -> None:
        """Start without nodes; tensors and constants are those of the graph."""
        self.graph = graph
        self.nodes: list[Node] = []
        self.tensors: dict[str, Tensor] = dict(graph.tensors)
        self.constants: dict[str, np.ndarray] = dict(graph.constants)
        self._made: dict[str, Node] = {}  # tensor -> the node that makes it now

    def keep(self, node: Node) -> None:
        """Append a node, new or old."""
        self.nodes.append(node)
        self._made[node.output] = node

    def producer(self, tensor: str) -> Node | None:
        """The node appended so far that makes the tensor."""
        return self._made.get(tensor)

    def fresh(self, name: str) -> str:
        """`name`, or `name.2`, ... if a tensor or constant is called so."""
        taken = self.tensors.keys() | self.constants.keys()
        count, title = 2, name
        while title in taken:
            title, count = f"{name}.{count}", count + 1
        return title

    def constant(self, name: str, array: np.ndarray) -> str:
        """Add a constant under a fresh name; arrays already there are never changed."""
        title = self.fresh(name)
        self.constants[title] = array
        return title

    def tensor(self, name: str, tensor: Tensor) -> str:
        """Describe a new tensor under a fresh name."""
        title = self.fresh(name)
        self.tensors[title] = tensor
        return title

    def build(self) -> Graph:
        """The graph with the nodes that were kept, less what is not needed."""
        if tuple(self.nodes) == self.graph.nodes:
            return self.graph
        changed = replace(
            self.graph,
            nodes=tuple(self.nodes),
            tensors=self.tensors,
            constants=self.constants,
        )
        return without_dead(changed)
