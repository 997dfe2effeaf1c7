"""Graphs to try: a small quantized one, and one of any cases of the battery."""

from collections.abc import Iterable
from typing import Any

import numpy as np

from emu import ops
from emu.fixedpoint import INT8, QParams, RescaleScheme
from emu.graph import Golden, Graph, GraphBuilder, Tensor
from tests.ops.operands import Case

REAL = QParams(scale=(0.5,), zero_point=(3,))


def small_graph(**changes: Any) -> Graph:
    """Quantize, dense layer, rescale, dequantize; `changes` replace fields."""
    builder = GraphBuilder("small")
    x = builder.input("x", Tensor(shape=(None, 4)))
    q = builder.add(
        ops.Quantize(format=INT8, qparams=REAL),
        (x,),
        "x.q",
        format=INT8,
        qparams=REAL,
        golden=Golden(name="x", perm=(0, 1)),
    )
    weights = np.arange(12, dtype=np.int8).reshape(4, 3)
    w = builder.constant("w", weights)
    bias = builder.constant("bias", np.array([1, -2, 3], np.int32))
    acc = builder.add(
        ops.MatMul(x_zero_point=3), (q, w, bias), "acc", layer="dense", name="dense"
    )
    scale = builder.constant("scale", np.array([1 << 30], np.int32))
    shift = builder.constant("shift", np.array([34], np.int32))
    y = builder.add(
        ops.Rescale(scheme=RescaleScheme.SINGLE_ROUND, format=INT8, zero_point=3),
        (acc, scale, shift),
        "y.q",
        layer="dense",
        format=INT8,
        qparams=REAL,
    )
    out = builder.add(ops.Dequantize(qparams=REAL), (y,), "y")
    graph = builder.build((out,), {"source": "dense.onnx", "samples": 3})
    return replaced(graph, **changes)


def replaced(graph: Graph, **changes: Any) -> Graph:
    """A graph with other fields, unchecked: to make faulty ones."""
    names = ("name", "inputs", "outputs", "nodes", "tensors", "constants", "provenance")
    fields = {name: getattr(graph, name) for name in names}
    return Graph(**(fields | changes))


def graph_of(cases: Iterable[Case]) -> Graph:
    """One node for each case, on inputs and constants of its own."""
    builder = GraphBuilder("every operator")
    outputs = []
    for case in cases:
        names = []
        for i, (operand, array) in enumerate(
            zip(case.operands, case.draw(), strict=True)
        ):
            name = f"{case}.{i}"
            if operand.batched:
                tensor = Tensor(shape=(None, *array.shape[1:]), dtype=str(array.dtype))
                names.append(builder.input(name, tensor))
            else:
                names.append(builder.constant(name, array))
        outputs.append(builder.add(case.op, tuple(names), str(case), layer=case.name))
    return builder.build(tuple(outputs))


def inputs_of(cases: Iterable[Case]) -> dict[str, np.ndarray]:
    """The activations of `graph_of` by name."""
    return {
        f"{case}.{i}": array
        for case in cases
        for i, (operand, array) in enumerate(
            zip(case.operands, case.draw(), strict=True)
        )
        if operand.batched
    }
