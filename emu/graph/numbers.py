"""What calibration decides of a Graph, apart from its structure.

Scales, zero points and limits stand in the operators. Two Graphs that differ in these
numbers and in the values of their constants alone are one structure: code compiled
for it serves both, with the numbers as arguments.
"""

from collections.abc import Callable, Hashable, Mapping
from copy import copy
from types import MappingProxyType
from typing import Any, Final, TypeVar

from emu.fixedpoint import QParams
from emu.graph.graph import Graph, Node
from emu.ops import (
    AvgPool2d,
    Clamp,
    Conv2d,
    Conv3d,
    DepthwiseConv2d,
    Dequantize,
    MatMul,
    Op,
    Pad,
    Quantize,
    ReduceSum,
    Rescale,
)

# The fields of an operator that calibration decides; those of others are structure.
_FIELDS: Final[Mapping[type[Op], tuple[str, ...]]] = MappingProxyType(
    {
        Quantize: ("qparams",),
        Dequantize: ("qparams",),
        Conv2d: ("x_zero_point",),
        DepthwiseConv2d: ("x_zero_point",),
        Conv3d: ("x_zero_point",),
        MatMul: ("x_zero_point",),
        Rescale: ("x_zero_point", "zero_point"),
        Clamp: ("low", "high"),
        AvgPool2d: ("x_zero_point", "zero_point"),
        ReduceSum: ("x_zero_point",),
        Pad: ("value",),
    }
)

# Field -> a number; of qparams scales and zero points.
Numbers = Mapping[str, Any]

_Frozen = TypeVar("_Frozen")


def numbers_of(graph: Graph) -> dict[str, Numbers]:
    """The numbers of each operator that has any, by node name: arguments for jit.

    Python numbers, which jit traces as weakly typed scalars: kernels compute with
    them as with the numbers themselves.
    """
    found = {}
    for node in graph.nodes:
        fields = {
            field: as_number(value)
            for field in _FIELDS.get(type(node.op), ())
            if (value := getattr(node.op, field)) is not None
        }
        if fields:
            found[node.name] = fields
    return found


def with_numbers(holder: _Frozen, numbers: Numbers) -> _Frozen:
    """An operator (or what else has such fields) with other numbers, traced ones too.

    (No field declares those.)
    """
    if not numbers:
        return holder
    found = {n: _held(getattr(holder, n), value) for n, value in numbers.items()}
    return _changed(holder, found)


def structure(graph: Graph) -> Hashable:
    """All of a Graph that compiled code depends on, but for its numbers.

    Equal structures have equal nodes and equal shapes and dtypes of tensors and
    constants.
    """
    return (
        graph.inputs,
        graph.outputs,
        tuple(_anonymous(node) for node in graph.nodes),
        tuple((name, t.shape, t.dtype) for name, t in graph.tensors.items()),
        tuple((name, c.shape, c.dtype.str) for name, c in graph.constants.items()),
    )


def _anonymous(node: Node) -> Hashable:
    """A node with its numbers set to one value each; None stays None."""
    blank = {
        field: 0
        for field in _FIELDS.get(type(node.op), ())
        if getattr(node.op, field) is not None
    }
    op = _changed(node.op, blank)
    return node.name, type(op), op, node.inputs, node.output


def as_number(value: Any) -> Any:  # noqa: ANN401 - a number or qparams
    """A number as an argument for jit; of qparams their scales and zero points."""
    if isinstance(value, QParams):
        return {"scale": value.scale, "zero_point": value.zero_point}
    return value


def _held(field: Any, value: Any) -> Any:  # noqa: ANN401 - the same
    return _changed(field, value) if isinstance(field, QParams) else value


def _changed(frozen: _Frozen, fields: Mapping[str, Any]) -> _Frozen:
    """A copy of frozen data with other fields, past the checks of its class."""
    made = copy(frozen)
    set_field: Callable[..., None] = object.__setattr__
    for name, value in fields.items():
        set_field(made, name, value)
    return made
