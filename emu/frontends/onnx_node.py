"""OnnxNode: one node of an ONNX graph with its attributes as Python values."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import onnx
from onnx import helper

from emu.errors import UnsupportedError
from emu.frontends.onnx_file import DEFAULT_DOMAINS, QONNX_DOMAINS

# The kind of our own nodes whose product is rounded by itself.
MUL_ALONE: Final = "emu.MulAlone"


@dataclass(frozen=True, slots=True, kw_only=True)
class OnnxNode:
    """A node: its name (its first output's where it has none), operands, attributes.

    An operand that is left out is the empty string. Operators of other domains than
    ONNX's own carry the domain in `kind`, those of QONNX "qonnx".
    """

    name: str
    kind: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: Mapping[str, Any]
    opset: int
    proto: onnx.NodeProto

    def operand(self, index: int) -> str:
        """Name of the operand at `index`, or the empty string where it is absent."""
        return self.inputs[index] if index < len(self.inputs) else ""

    def integer(self, name: str, default: int) -> int:
        """An integer attribute."""
        return int(self.attributes.get(name, default))

    def real(self, name: str, default: float) -> float:
        """A float attribute."""
        return float(self.attributes.get(name, default))

    def text(self, name: str, default: str) -> str:
        """A string attribute."""
        value = self.attributes.get(name, default)
        return value.decode("utf-8", "replace") if isinstance(value, bytes) else value

    def integers(self, name: str) -> tuple[int, ...] | None:
        """An attribute that is a list of integers, or None where it is absent."""
        found = self.attributes.get(name)
        return None if found is None else tuple(int(value) for value in found)


def read_node(proto: onnx.NodeProto, opset: int) -> OnnxNode:
    """Take a node apart."""
    domain = "qonnx" if proto.domain in QONNX_DOMAINS else proto.domain
    prefix = "" if domain in DEFAULT_DOMAINS else f"{domain}."
    return OnnxNode(
        name=proto.name or next(iter(proto.output), proto.op_type),
        kind=prefix + proto.op_type,
        inputs=tuple(proto.input),
        outputs=tuple(proto.output),
        attributes={a.name: _value(a) for a in proto.attribute},
        opset=opset,
        proto=proto,
    )


def _value(attribute: onnx.AttributeProto) -> Any:  # noqa: ANN401 - any attribute
    """Its value; None for one that refers to a function's attribute."""
    try:
        return helper.get_attribute_value(attribute)
    except ValueError:
        return None


def normal_axis(axis: int, rank: int) -> int:
    """A possibly negative axis as 0..rank-1; UnsupportedError outside."""
    if not -rank <= axis < rank:
        raise UnsupportedError(f"axis {axis} of a tensor of rank {rank}")
    return axis % rank
