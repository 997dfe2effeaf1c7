"""verify: the rules every Graph keeps, checked before and after each transformation."""

import numpy as np

from emu.errors import GraphError
from emu.graph.graph import Graph, Node, is_static
from emu.graph.infer import infer
from emu.graph.rules import RULES


def verify(graph: Graph) -> Graph:
    """Return the graph if it is sound; raise GraphError naming the first fault.

    Checked: names are unique and defined before use, outputs exist, all inputs or
    none (a static graph) have a free first axis and no other, described shapes
    and dtypes are those the kernels give, quantized tensors hold their format, the
    numbers in operators fit the formats of their operands (`rules`).
    """
    known = set(graph.constants)
    for name in graph.inputs:
        _define(name, known, "input", graph)
    free = () if is_static(graph) else (0,)
    for name in graph.inputs:
        shape = graph.tensors[name].shape
        if tuple(axis for axis, size in enumerate(shape) if size is None) != free:
            raise GraphError(
                f"shape {shape}: the first axis of an input is the batch, and free in "
                "all inputs or in none",
                where=name,
            )
    names: set[str] = set()
    for node in graph.nodes:
        if node.name in names:
            raise GraphError("this node name is used twice", where=node.name)
        names.add(node.name)
        for name in node.inputs:
            if name not in known:
                raise GraphError(
                    f"operand {name!r} is not defined before use", where=node.name
                )
        _define(node.output, known, node.name, graph)
        _check_result(graph, node)
    for name in graph.outputs:
        if name not in known:
            raise GraphError(f"output {name!r} is made by no node", where=graph.name)
    return graph


def _define(name: str, known: set[str], where: str, graph: Graph) -> None:
    if name in known:
        raise GraphError(f"tensor {name!r} is made twice", where=where)
    if name not in graph.tensors:
        raise GraphError(f"tensor {name!r} is not described", where=where)
    tensor = graph.tensors[name]
    if tensor.format and np.dtype(tensor.dtype) != tensor.format.dtype:
        raise GraphError(
            f"tensor {name!r} is stored as {tensor.dtype}, expected "
            f"{tensor.format.dtype} for {tensor.format}",
            where=where,
        )
    known.add(name)


def _check_result(graph: Graph, node: Node) -> None:
    operands = [
        graph.constants[name] if name in graph.constants else graph.tensors[name]
        for name in node.inputs
    ]
    found = infer(node.op, operands, node.name)
    rule = RULES.get(type(node.op))
    complaint = rule(node.op, operands) if rule else None
    if complaint:
        raise GraphError(complaint, where=node.name)
    tensor = graph.tensors[node.output]
    if found != (tensor.shape, tensor.dtype):
        raise GraphError(
            f"{node.output!r} is described as {tensor.dtype} {tensor.shape}, but "
            f"{type(node.op).__name__} makes {found[1]} {found[0]}",
            where=node.name,
        )
