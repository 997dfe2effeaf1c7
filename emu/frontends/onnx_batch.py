"""Giving back the batch axis that a file of a fixed batch of 1 drops on its way out.

Detectors are often exported for one image, and the last Reshape of each head leaves the
batch out: [1, c, h, w] to [c, h*w]. With the axis kept, [1, c, h*w], the batch can be
free as in any other model.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Final

import numpy as np
import onnx
from onnx import helper, numpy_helper

from emu.frontends.onnx_file import OnnxSource

Constants = Mapping[str, onnx.TensorProto]

# What computes each element by itself, whatever the rank.
_ELEMENTWISE: Final = frozenset(
    ["Clip", "Exp", "HardSigmoid", "HardSwish", "LeakyRelu", "Relu", "Sigmoid", "Tanh"]
)


def with_batch(source: OnnxSource) -> OnnxSource | None:
    """The model with a batch axis of 1 kept to its outputs.

    None where nothing drops it, or where an operator behind such a Reshape is not one
    whose axes can be counted anew (transpositions, concatenations, softmax, elementwise
    functions, quantization of whole tensors).
    """
    model = onnx.ModelProto()
    model.CopyFrom(source.model)
    lifted = _lift_nodes(model.graph)
    if not lifted:
        return None
    shapes = {
        name: (1, *shape) if name in lifted else shape
        for name, shape in source.shapes.items()
    }
    return replace(source, model=model, shapes=shapes)


def _lift_nodes(graph: onnx.GraphProto) -> set[str]:
    """Change the nodes; the names of the tensors that gained an axis, or none."""
    constants = {tensor.name: tensor for tensor in graph.initializer}
    constants |= {
        node.output[0]: attribute.t
        for node in graph.node
        if node.op_type == "Constant"
        for attribute in node.attribute
        if attribute.name == "value"
    }
    ranks: dict[str, int] = {}  # of the file's tensors that gain an axis
    for node in graph.node:
        if ranks.keys() & set(node.input):
            lift = _LIFTED.get(node.op_type)
            if lift is None or not lift(node, ranks, constants):
                return set()
            ranks |= dict.fromkeys(node.output, ranks[node.input[0]])
        elif rank := _rank_without_batch(node, constants):
            _keep_batch(graph, node, constants)
            ranks |= dict.fromkeys(node.output, rank)
    return set(ranks)


def _rank_without_batch(node: onnx.NodeProto, constants: Constants) -> int:
    """Of what a Reshape gives that may leave out a batch of 1; 0 of any other node.

    Whether it was the batch shows when the changed model is imported: another axis
    would mix with the free batch, which is refused.
    """
    if node.op_type != "Reshape" or len(node.input) < 2:
        return 0
    tensor = constants.get(node.input[1])
    if tensor is None:
        return 0
    target = numpy_helper.to_array(tensor)
    # A 0 would copy a size from a place that moves; 1 and -1 may be the batch itself.
    drops = target.size and 0 not in target and target[0] not in (1, -1)
    return len(target) if drops else 0


def _keep_batch(
    graph: onnx.GraphProto, node: onnx.NodeProto, constants: Constants
) -> None:
    target = numpy_helper.to_array(constants[node.input[1]])
    name = f"{node.output[0]}:batched"
    kept = np.concatenate([np.ones(1, np.int64), target.astype(np.int64)])
    graph.initializer.append(numpy_helper.from_array(kept, name))
    node.input[1] = name


Ranks = Mapping[str, int]


def _as_it_is(*_: object) -> bool:
    return True


def _lift_transpose(node: onnx.NodeProto, ranks: Ranks, _: Constants) -> bool:
    perm = _attribute(node, "perm")
    order = perm.ints if perm else reversed(range(ranks[node.input[0]]))
    _set_attribute(node, "perm", [0, *(axis + 1 for axis in order)])
    return True


def _lift_axis(node: onnx.NodeProto, ranks: Ranks, _: Constants) -> bool:
    """Concat and Softmax along a stated axis."""
    axis = _attribute(node, "axis")
    if axis is None or not ranks.keys() >= set(node.input):
        return False
    rank = ranks[node.input[0]]
    if not -rank <= axis.i < rank:
        return False
    _set_attribute(node, "axis", axis.i % rank + 1)
    return True


def _lift_quantize(node: onnx.NodeProto, _: Ranks, constants: Constants) -> bool:
    """Whole tensors only, so that there is no axis to count."""
    scale = constants.get(node.input[1])
    return scale is not None and int(np.prod(scale.dims)) == 1


Lift = Callable[[onnx.NodeProto, Ranks, Constants], bool]

_LIFTED: Final[Mapping[str, Lift]] = MappingProxyType(
    {
        **dict.fromkeys(_ELEMENTWISE, _as_it_is),
        "Transpose": _lift_transpose,
        "Concat": _lift_axis,
        "Softmax": _lift_axis,
        "QuantizeLinear": _lift_quantize,
        "DequantizeLinear": _lift_quantize,
    }
)


def _attribute(node: onnx.NodeProto, name: str) -> onnx.AttributeProto | None:
    return next((a for a in node.attribute if a.name == name), None)


def _set_attribute(node: onnx.NodeProto, name: str, value: int | list[int]) -> None:
    kept = [a for a in node.attribute if a.name != name]
    del node.attribute[:]
    node.attribute.extend([*kept, helper.make_attribute(name, value)])
